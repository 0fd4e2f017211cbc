// Knowledge distillation (Hinton et al. 2015): what trained nets say of the training pictures joins
// the labels as soft targets. Labels of faces are noisy - two annotations of FER2013 agree on two
// images in three - and the mean of several nets is steadier than either.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "fer/data/dataset.h"
#include "fer/model/classifier.h"

namespace fer {

struct TeacherOptions {
  double weight = 0.5;  // of the teachers' answer in a target, in (0, 1]; the label has the rest
  std::function<void(std::int64_t)> progress = [](std::int64_t) {};  // pictures answered so far
};

// Throws kInput naming the option and the value.
void check(const TeacherOptions& options);

// `data` with the targets of every head that a teacher has by the same name: (1 - weight) * target
// + weight * the teachers' mean probabilities of the picture and its mirror image, at temperature
// 1, which they were trained at, whatever calibration set later. Samples without an answer for a
// head stay without one, and labels, against which is scored, stay as they are. Asks all teachers
// here, once. Throws kInput when the weight is out of range, when no teacher has one of the data's
// heads, or when one has it with other labels.
std::shared_ptr<const Dataset> with_teachers(
    std::shared_ptr<const Dataset> data, const std::vector<std::unique_ptr<Classifier>>& teachers,
    const TeacherOptions& options);

}  // namespace fer
