// Draws one face: who it is, how it is held and lit, and what its muscles do.
//
// Lengths on a face are in thousandths of half its width: x from the middle to the viewer's right,
// y down from the bridge of the nose. Tones are 0 (black) to 255, strengths of action units 0 to
// 1000.
#pragma once

#include <array>
#include <cstdint>

#include "fer/core/image.h"
#include "fer/core/random.h"

namespace fer {

// FACS action units, in their numbers' order.
enum Unit {
  kAu1InnerBrowRaiser,
  kAu2OuterBrowRaiser,
  kAu4BrowLowerer,
  kAu5UpperLidRaiser,
  kAu6CheekRaiser,
  kAu7LidTightener,
  kAu9NoseWrinkler,
  kAu10UpperLipRaiser,
  kAu12LipCornerPuller,
  kAu15LipCornerDepressor,
  kAu17ChinRaiser,
  kAu20LipStretcher,
  kAu23LipTightener,
  kAu25LipsPart,
  kAu26JawDrop,
  kAu43EyesClosed,
  kUnits
};

constexpr int kFullStrength = 1000;
using Actions = std::array<int, kUnits>;

// Integer draws from one stream.
class Dice {
 public:
  explicit Dice(Rng rng) : rng_(rng) {}
  int between(int low, int high) {
    return low + static_cast<int>(rng_.below(static_cast<std::uint32_t>(high - low + 1)));
  }
  // Around the middle, with a triangular density.
  int around(int middle, int reach) {
    const int a = between(-reach, reach);
    const int b = between(-reach, reach);
    return middle + (a + b) / 2;
  }
  bool chance(int percent) { return between(1, 100) <= percent; }

 private:
  Rng rng_;
};

struct DrawnFace {
  // Identity.
  int skin, hair_tone, brow_tone, lip_tone, iris_tone, background, clothes;
  int jaw, crown, chin, cheek;
  int eye_distance, eye_width, eye_height, eye_slant;
  int brow_height, brow_thickness, brow_slope;
  int nose_length, nose_width;
  int mouth_height, mouth_width, lip_thickness, mouth_bend;
  int hair_style, hairline, parting, glasses, beard, age;
  // Pose and picture.
  int shift_x, shift_y, tilt, scale, turn, nod;
  int light_x, light_y, gaze_x, gaze_y;
  // Expression on the viewer's left and right half.
  Actions left, right;
};

constexpr int kDrawnSide = 48;

// kDrawnSide x kDrawnSide gray, sharp and without noise. `dice` decides the background and, when
// `occluded`, what stands before the face.
Image paint_face(const DrawnFace& face, Dice& dice, bool occluded);

}  // namespace fer
