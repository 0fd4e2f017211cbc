#include "fer/train/teacher.h"

#include <algorithm>

#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/model/views.h"

namespace fer {
namespace {

constexpr std::int64_t kBatch = 128;

class Taught : public Dataset {
 public:
  Taught(std::shared_ptr<const Dataset> data, std::vector<std::vector<Target>> targets)
      : data_(std::move(data)), targets_(std::move(targets)) {}

  std::int64_t size() const override { return data_->size(); }
  const std::vector<HeadLabels>& heads() const override { return data_->heads(); }
  Image image(std::int64_t i) const override { return data_->image(i); }
  const Target& target(std::int64_t i, std::size_t head) const override {
    return targets_.at(head).at(static_cast<std::size_t>(i));
  }
  std::string origin(std::int64_t i) const override { return data_->origin(i); }
  const std::vector<std::string>& columns() const override { return data_->columns(); }
  const std::string& value(std::int64_t i, std::size_t column) const override {
    return data_->value(i, column);
  }

 private:
  std::shared_ptr<const Dataset> data_;
  std::vector<std::vector<Target>> targets_;  // [head][sample]
};

// A teacher as it was trained, at temperature 1: one that is calibrated was made surer or less sure
// for another purpose, and on pictures that are not for training.
class Uncalibrated : public Classifier {
 public:
  explicit Uncalibrated(Classifier& teacher) : teacher_(teacher), spec_(teacher.spec()) {
    for (HeadSpec& head : spec_.heads) head.temperature = 1;
    for (MixedHeadSpec& head : spec_.mixed_heads) head.temperature = 1;
  }
  const ModelSpec& spec() const override { return spec_; }
  std::map<std::string, HostTensor> logits(const HostTensor& batch) override {
    return teacher_.logits(batch);
  }

 private:
  Classifier& teacher_;
  ModelSpec spec_;
};

// For each teacher, whether it has the head.
std::vector<bool> teachers_of(const HeadLabels& head,
                              const std::vector<std::unique_ptr<Classifier>>& teachers) {
  std::vector<bool> result;
  for (const auto& teacher : teachers) {
    const std::vector<std::string> known = head_names(teacher->spec());
    result.push_back(std::ranges::count(known, head.name) > 0);
    if (!result.back()) continue;
    if (const LabelList& labels = labels_of(teacher->spec(), head.name); labels != head.labels) {
      fail_input(format("teacher %zu: head %s has the labels ", result.size(), head.name.c_str()) +
                 join(labels, ", ") + ", the data has " + join(head.labels, ", "));
    }
  }
  return result;
}

}  // namespace

void check(const TeacherOptions& options) {
  if (!(options.weight > 0 && options.weight <= 1))
    fail_input(format("train.teacher_weight: %g is not in (0, 1]", options.weight));
}

std::shared_ptr<const Dataset> with_teachers(
    std::shared_ptr<const Dataset> data, const std::vector<std::unique_ptr<Classifier>>& teachers,
    const TeacherOptions& options) {
  check(options);
  const std::size_t heads = data->heads().size();
  std::vector<std::vector<bool>> asked;      // [head][teacher]
  std::vector<std::vector<Target>> targets;  // [head][sample]
  std::vector<float> share;                  // of one teacher's answer, a head
  for (std::size_t h = 0; h < heads; ++h) {
    asked.push_back(teachers_of(data->heads()[h], teachers));
    const auto count = std::ranges::count(asked[h], true);
    share.push_back(count == 0 ? 0.0f : static_cast<float>(options.weight / count));
    auto& own = targets.emplace_back();
    for (std::int64_t i = 0; i < data->size(); ++i) {
      own.push_back(data->target(i, h));
      if (count == 0) continue;
      for (float& p : own.back().distribution) p *= static_cast<float>(1.0 - options.weight);
    }
  }
  if (std::ranges::all_of(share, [](float s) { return s == 0; })) {
    std::vector<std::string> names;
    for (const HeadLabels& head : data->heads()) names.push_back(head.name);
    fail_input("none of the teachers has a head of the data's: " + join(names, ", "));
  }

  std::vector<Uncalibrated> asking;
  for (const auto& teacher : teachers) asking.emplace_back(*teacher);
  for (std::int64_t begin = 0; begin < data->size(); begin += kBatch) {
    const std::int64_t end = std::min(begin + kBatch, data->size());
    std::vector<Image> images;
    for (std::int64_t i = begin; i < end; ++i) images.push_back(data->image(i));
    for (std::size_t t = 0; t < teachers.size(); ++t) {
      const auto answers = classify(asking[t], images, Views::kFlip, kBatch);
      for (std::size_t h = 0; h < heads; ++h) {
        if (!asked[h][t]) continue;
        for (std::int64_t i = begin; i < end; ++i) {
          if (!data->target(i, h).known()) continue;
          auto& own = targets[h][static_cast<std::size_t>(i)].distribution;
          const auto& answer =
              answers[static_cast<std::size_t>(i - begin)].at(data->heads()[h].name);
          for (std::size_t c = 0; c < own.size(); ++c) own[c] += share[h] * answer[c];
        }
      }
    }
    options.progress(end);
  }
  return std::make_shared<Taught>(std::move(data), std::move(targets));
}

}  // namespace fer
