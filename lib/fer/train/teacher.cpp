#include "fer/train/teacher.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/model/views.h"
#include "fer/nn/graph_module.h"
#include "fer/nn/runtime.h"
#include "fer/train/packed_dataset.h"

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
                              const std::vector<const ModelSpec*>& teachers) {
  std::vector<bool> result;
  for (const ModelSpec* teacher : teachers) {
    const std::vector<std::string> known = head_names(*teacher);
    result.push_back(std::ranges::count(known, head.name) > 0);
    if (!result.back()) continue;
    if (const LabelList& labels = labels_of(*teacher, head.name); labels != head.labels) {
      fail_input(format("teacher %zu: head %s has the labels ", result.size(), head.name.c_str()) +
                 join(labels, ", ") + ", the data has " + join(head.labels, ", "));
    }
  }
  return result;
}

// [head][teacher]; throws where nobody has anything to say.
std::vector<std::vector<bool>> who_teaches(const std::vector<HeadLabels>& heads,
                                           const std::vector<const ModelSpec*>& teachers) {
  std::vector<std::vector<bool>> result;
  std::vector<std::string> names;
  bool any = false;
  for (const HeadLabels& head : heads) {
    result.push_back(teachers_of(head, teachers));
    any = any || std::ranges::count(result.back(), true) > 0;
    names.push_back(head.name);
  }
  if (!any) fail_input("none of the teachers has a head of the data's: " + join(names, ", "));
  return result;
}

// Probabilities of a head at temperature 1, [N, classes]: the tensor form of to_probabilities().
at::Tensor answer_of(const ModelSpec& spec, const std::map<std::string, at::Tensor>& logits,
                     const std::string& head) {
  const auto plain = logits.find(head);
  if (plain != logits.end()) return plain->second.softmax(1);
  const auto mixed = std::ranges::find(spec.mixed_heads, head, &MixedHeadSpec::name);
  at::Tensor sum;
  for (const auto& [part, weight] : mixed->parts) {
    const LabelList& labels = spec.head(part).labels;
    std::vector<std::int64_t> columns;
    for (const std::string& label : mixed->labels)
      columns.push_back(std::ranges::find(labels, label) - labels.begin());
    const auto all = logits.at(part).softmax(1);
    const auto own =
        all.index_select(1, at::tensor(columns, all.options().dtype(at::kLong))) * weight;
    sum = sum.defined() ? sum + own : own;
  }
  return sum / sum.sum(1, true).clamp_min(1e-12);
}

}  // namespace

void check(const TeacherOptions& options) {
  if (!(options.weight > 0 && options.weight <= 1))
    fail_input(format("train.teacher_weight: %g is not in (0, 1]", options.weight));
  const std::vector<std::string> modes = {"fixed", "consistent"};
  if (std::ranges::count(modes, options.mode) == 0) {
    fail_input("train.teacher_mode: unknown value '" + options.mode +
               "', expected one of: " + join(modes, ", ") + did_you_mean(options.mode, modes));
  }
}

std::shared_ptr<const Dataset> with_teachers(
    std::shared_ptr<const Dataset> data, const std::vector<std::unique_ptr<Classifier>>& teachers,
    const TeacherOptions& options) {
  check(options);
  const std::size_t heads = data->heads().size();
  std::vector<const ModelSpec*> specs;
  for (const auto& teacher : teachers) specs.push_back(&teacher->spec());
  const auto asked = who_teaches(data->heads(), specs);
  std::vector<std::vector<Target>> targets;  // [head][sample]
  std::vector<float> share;                  // of one teacher's answer, a head
  for (std::size_t h = 0; h < heads; ++h) {
    const auto count = std::ranges::count(asked[h], true);
    share.push_back(count == 0 ? 0.0f : static_cast<float>(options.weight / count));
    auto& own = targets.emplace_back();
    for (std::int64_t i = 0; i < data->size(); ++i) {
      own.push_back(data->target(i, h));
      if (count == 0) continue;
      for (float& p : own.back().distribution) p *= static_cast<float>(1.0 - options.weight);
    }
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

struct ConsistentTeachers::Impl {
  struct Teacher {
    ModelSpec spec;
    std::unique_ptr<GraphModule> net;
    std::shared_ptr<const PackedDataset> pictures;  // shared by teachers of one size
  };
  std::vector<HeadLabels> heads;
  std::int64_t size;
  double weight;
  std::string device;
  bool bf16;
  std::vector<Teacher> teachers;
  std::vector<std::vector<bool>> asked;  // [head][teacher]
};

ConsistentTeachers::ConsistentTeachers(const std::vector<Checkpoint>& teachers, const Dataset& data,
                                       double weight, const std::string& device, bool bf16)
    : impl_(std::make_unique<Impl>(Impl{data.heads(), data.size(), weight, device, bf16, {}, {}})) {
  check(TeacherOptions{weight, "consistent"});
  std::vector<const ModelSpec*> specs;
  for (const Checkpoint& teacher : teachers) specs.push_back(&teacher.spec);
  impl_->asked = who_teaches(data.heads(), specs);
  for (const Checkpoint& teacher : teachers) {
    std::shared_ptr<const PackedDataset> pictures;
    for (const auto& other : impl_->teachers) {
      if (other.spec.resize == teacher.spec.resize) pictures = other.pictures;
    }
    if (!pictures)
      pictures = std::make_shared<const PackedDataset>(data, teacher.spec.resize, device);
    auto net = std::make_unique<GraphModule>(teacher.graph, device);
    net->load(teacher.weights);
    impl_->teachers.push_back({teacher.spec, std::move(net), std::move(pictures)});
  }
}

ConsistentTeachers::~ConsistentTeachers() = default;

std::int64_t ConsistentTeachers::size() const { return impl_->size; }
const std::vector<HeadLabels>& ConsistentTeachers::heads() const { return impl_->heads; }

void ConsistentTeachers::teach(std::vector<at::Tensor>& targets, const View& view) const {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> sums(targets.size());
  std::vector<std::int64_t> counts(targets.size());
  for (std::size_t t = 0; t < impl_->teachers.size(); ++t) {
    const Impl::Teacher& teacher = impl_->teachers[t];
    const auto seen = view(*teacher.pictures, teacher.spec);
    std::map<std::string, at::Tensor> logits;
    {
      const Autocast autocast(impl_->bf16, impl_->device);
      logits = teacher.net->forward(seen);
    }
    for (std::size_t h = 0; h < targets.size(); ++h) {
      if (!impl_->asked[h][t]) continue;
      const auto answer = answer_of(teacher.spec, logits, impl_->heads[h].name);
      sums[h] = sums[h].defined() ? sums[h] + answer : answer;
      ++counts[h];
    }
  }
  for (std::size_t h = 0; h < targets.size(); ++h) {
    if (counts[h] == 0) continue;
    const auto share = targets[h].sum(1, true) * (impl_->weight / static_cast<double>(counts[h]));
    targets[h] = targets[h] * (1.0 - impl_->weight) + share * sums[h];
  }
}

}  // namespace fer
