// Drawn faces with known expressions, so that training, tests and the demo need no download.
//
// A face is a set of FACS action units (Ekman & Friesen 1978: brow raiser AU1+2, brow lowerer AU4,
// lid raiser AU5, cheek raiser AU6, lid tightener AU7, nose wrinkler AU9, lip corner puller AU12,
// lip corner depressor AU15, lip stretcher AU20, lip tightener AU23, jaw drop AU26/27) rendered as
// a gray picture with varied identity, pose, light, background and noise. Fixed-point arithmetic
// only: the same bytes on every machine and compiler.
#pragma once

#include <cstdint>
#include <string>

#include "fer/core/image.h"
#include "fer/data/table.h"

namespace fer {

enum class SyntheticPreset { kEasy, kHard };

// The `index`-th face of the class `label` (a name of the preset "six"); size 48 x 48 gray.
Image synthetic_face(const std::string& label, std::uint64_t seed, std::uint64_t index,
                     SyntheticPreset preset = SyntheticPreset::kEasy);

// "synthetic[:N[:easy|hard]]": N faces (default 6,000, easy), the classes in turn. Of each class
// the first `train_fraction` are for training, half of the rest for validation and half for
// testing; 1: all train.
FaceTable synthetic_table(const std::string& name, double train_fraction, std::uint64_t seed);

}  // namespace fer
