// Knowledge distillation (Hinton et al. 2015): what trained nets say of the training pictures joins
// the labels as soft targets. Labels of faces are noisy - two annotations of FER2013 agree on two
// images in three - and the mean of several nets is steadier than either.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fer/data/dataset.h"
#include "fer/model/checkpoint.h"
#include "fer/model/classifier.h"

namespace at {
class Tensor;
}

namespace fer {

class PackedDataset;

struct TeacherOptions {
  double weight = 0.5;  // of the teachers' answer in a target, in (0, 1]; the label has the rest
  // fixed: asked once for each picture, see with_teachers(); consistent: at every step for what the
  // net sees, see ConsistentTeachers.
  std::string mode = "fixed";
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

// Consistent teaching (Beyer et al. 2022, arXiv:2106.05237): at every step the teachers see the
// very view that the net sees - cut, turned, lit, erased and mixed alike, in the size and scaling
// that each of them was trained with - and their mean answer to it joins its targets, at
// temperature 1. Dearer than answers that are asked once, and each epoch brings new ones: long
// trainings gain, where fixed answers are learned by heart.
class ConsistentTeachers {
 public:
  // A batch of pictures as the net with this spec sees it; the same draws whoever asks.
  using View = std::function<at::Tensor(const PackedDataset& pictures, const ModelSpec& spec)>;

  // Holds teachers and pictures on `device` ("cpu", "cuda", ...). Throws kInput as with_teachers().
  ConsistentTeachers(const std::vector<Checkpoint>& teachers, const Dataset& data, double weight,
                     const std::string& device, bool bf16);
  ~ConsistentTeachers();

  std::int64_t size() const;  // pictures of the data
  const std::vector<HeadLabels>& heads() const;

  // targets: F32 [N, classes] of each of the data's heads, in order; a row of a known answer sums
  // to 1, of none to 0, of mixed ones to what is known. Each becomes (1 - weight) * target +
  // weight * its sum * the mean answer of the teachers with that head.
  void teach(std::vector<at::Tensor>& targets, const View& view) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fer
