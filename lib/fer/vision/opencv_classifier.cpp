#include "fer/vision/opencv_classifier.h"

#include <algorithm>
#include <opencv2/core.hpp>
#include <opencv2/dnn.hpp>
#include <utility>

#include "fer/core/error.h"
#include "fer/core/parallel.h"
#include "fer/core/text.h"
#include "fer/vision/mat.h"
#include "fer/vision/opencv_threads.h"

namespace fer {
namespace {

class OpencvClassifier : public Classifier {
 public:
  OpencvClassifier(ModelSpec spec, const std::string& bytes, int threads)
      : spec_(std::move(spec)), threads_(threads) {
    quiet_opencv();
    try {
      net_ = cv::dnn::readNetFromONNX(bytes.data(), bytes.size());
    } catch (const cv::Exception& error) {
      fail_input("OpenCV cannot read this ONNX file: " + trim(error.err));
    }
    for (const HeadSpec& head : spec_.heads) heads_.push_back(head.name);
  }

  const ModelSpec& spec() const override { return spec_; }

  std::map<std::string, HostTensor> logits(const HostTensor& batch) override {
    const Shape sample = {spec_.channels(), spec_.input_size, spec_.input_size};
    if (batch.shape.size() != 4 || batch.shape[0] < 1 ||
        !std::equal(sample.begin(), sample.end(), batch.shape.begin() + 1)) {
      fail_input("batch " + to_string(batch.shape) + " does not fit an input of " +
                 to_string(sample));
    }
    std::map<std::string, HostTensor> results;
    for (const HeadSpec& head : spec_.heads) {
      results[head.name] =
          HostTensor::zeros({batch.shape[0], static_cast<std::int64_t>(head.labels.size())});
    }
    // One by one: cv::dnn plans its memory anew for each batch size, fails at gates [N, C, 1, 1]
    // with N > 1 and gains nothing from larger batches.
    const auto pixels = static_cast<std::size_t>(element_count(sample));
    const std::vector<int> shape = {1, spec_.channels(), spec_.input_size, spec_.input_size};
    try {
      for (std::int64_t i = 0; i < batch.shape[0]; ++i) {
        const auto values = batch.floats().subspan(i * pixels, pixels);
        net_.setInput(cv::Mat(shape, CV_32F, const_cast<float*>(values.data())));
        std::vector<cv::Mat> outputs;
        net_.forward(outputs, heads_);
        for (std::size_t h = 0; h < heads_.size(); ++h) {
          const auto result = results.at(heads_[h]).floats();
          const std::size_t classes = result.size() / batch.shape[0];
          if (outputs[h].total() != classes) {
            fail_input(format("ONNX: head %s answers with %zu values, expected %zu",
                              heads_[h].c_str(), outputs[h].total(), classes));
          }
          std::copy_n(outputs[h].ptr<float>(), classes, result.begin() + i * classes);
        }
      }
    } catch (const cv::Exception& error) {
      fail_runtime("OpenCV: " + trim(error.err));
    }
    return results;
  }

 private:
  ModelSpec spec_;
  OpencvThreads threads_;
  cv::dnn::Net net_;
  std::vector<std::string> heads_;
};

}  // namespace

std::unique_ptr<Classifier> make_opencv_classifier(ModelSpec spec, const std::string& bytes,
                                                   int threads) {
  return std::make_unique<OpencvClassifier>(std::move(spec), bytes,
                                            threads > 0 ? threads : hardware_threads());
}

}  // namespace fer
