// Batched augmentation on the training device, and the plain path that validation takes.
//
// Every number is drawn from Rng{seed, epoch, draw}: a picture does not depend on its batch, on the
// order, or on a resume.
#pragma once

#include <cstdint>
#include <span>

#include "fer/model/spec.h"

namespace at {
class Tensor;
}

namespace fer {

struct AugmentOptions {
  bool enabled = true;
  double flip = 0.5;       // probability of a horizontal flip
  double rotation = 15.0;  // degrees, uniform in [-r, r]
  double zoom = 0.15;      // scale uniform in [1 - z, 1 + z]
  double shift = 0.05;  // of the side, uniform in [-s, s] both ways, beside the crop's own offset
  double brightness = 0.1;  // added, of full scale, uniform in [-b, b]
  double contrast = 0.2;    // factor about the picture's mean, uniform in [1 - c, 1 + c]
  // Light and focus of other cameras, for nets that meet them.
  double gamma = 0.0;      // exponent e^g of the gray values, g uniform in [-gamma, gamma]
  double sharpness = 0.0;  // factor s of x + s (x - blurred x), uniform in [-s, s]: below 0 blurs
  double jpeg = 0.0;       // probability of JPEG's loss (its luminance table, quality 15 to 75)
  double erasing = 0.25;   // probability of one erased rectangle (Zhong et al. 2020)
  double erasing_area = 0.15;  // its largest share of the picture; the smallest is .02
  double mixup = 0.2;          // alpha of the Beta distribution (Zhang et al. 2018); 0: off
};
// Throws kInput naming the option and the value.
void check(const AugmentOptions& options);

// images: U8 [N, 1, resize, resize] on the device; draws: N numbers, those of epoch_order().
// Returns F32 [N, C, input_size, input_size], channels-last, normalised as the spec says.
at::Tensor augment(const at::Tensor& images, std::span<const std::int64_t> draws,
                   const AugmentOptions& options, const ModelSpec& spec, std::uint64_t seed,
                   std::int64_t epoch);
// The same cuts of the faces as a net with the spec `framed_as` gets them, in the size and scaling
// of `spec`. Without augmentation each has its own centre crop.
at::Tensor augment(const at::Tensor& images, std::span<const std::int64_t> draws,
                   const AugmentOptions& options, const ModelSpec& spec, std::uint64_t seed,
                   std::int64_t epoch, const ModelSpec& framed_as);
// The centre crop, as preprocess() does it.
at::Tensor plain_batch(const at::Tensor& images, const ModelSpec& spec);

// Mixup: share * each row + (1 - share) * the row as far from the other end; of pictures and of
// their targets alike.
at::Tensor mixed(const at::Tensor& rows, double share);

// A batch as it would be at a smaller side: bilinear with antialiasing; channels-last.
at::Tensor shrink(const at::Tensor& batch, int side);

// Back to 8-bit gray or RGB pictures, to look at.
std::vector<Image> to_images(const at::Tensor& batch, const ModelSpec& spec);

}  // namespace fer
