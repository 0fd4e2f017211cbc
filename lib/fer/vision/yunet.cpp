#include "fer/vision/yunet_impl.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <list>
#include <opencv2/core.hpp>
#include <opencv2/dnn.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/objdetect/face.hpp>
#include <span>
#include <utility>

#include "fer/core/error.h"
#include "fer/core/log.h"
#include "fer/core/text.h"

namespace fer {

namespace {

// BGR, its sides padded below and at the right: the network halves them five times, and OpenCV
// fails on pictures smaller than 96 pixels.
cv::Mat padded_bgr(const cv::Mat& picture) {
  const auto padded = [](int pixels) { return std::max(96, (pixels + 31) / 32 * 32); };
  cv::Mat input;
  cv::copyMakeBorder(picture, input, 0, padded(picture.rows) - picture.rows, 0,
                     padded(picture.cols) - picture.cols, cv::BORDER_CONSTANT);
  cv::cvtColor(input, input, input.channels() == 1 ? cv::COLOR_GRAY2BGR : cv::COLOR_RGB2BGR);
  return input;
}

bool large_enough(const FaceCandidate& c) { return c.box.width >= 1 && c.box.height >= 1; }

// Every one of the candidates of a crowd.
constexpr int kAll = 1'000'000;

class OpencvYunet : public Yunet {
 public:
  explicit OpencvYunet(const std::filesystem::path& model) : model_(model) {}

  std::vector<FaceCandidate> candidates(const cv::Mat& picture, float least) override {
    const cv::Mat input = padded_bgr(picture);
    cv::FaceDetectorYN& net = net_for(input.size());
    net.setScoreThreshold(least);
    cv::Mat rows;
    net.detect(input, rows);
    std::vector<FaceCandidate> found;
    for (int i = 0; i < rows.rows; ++i) {
      const float* row = rows.ptr<float>(i);
      FaceCandidate c{{row[0], row[1], row[2], row[3]}, {}, std::min(row[14], 1.0f)};
      for (int k = 0; k < 5; ++k) c.landmarks[k] = {row[4 + 2 * k], row[5 + 2 * k]};
      if (large_enough(c)) found.push_back(c);
    }
    return found;
  }

 private:
  // Two, for pictures and for second looks: another size costs a net its preparations.
  cv::FaceDetectorYN& net_for(const cv::Size& size) {
    if (!nets_[0] || nets_[0]->getInputSize() != size) std::swap(nets_[0], nets_[1]);
    if (!nets_[0]) {
      // Without suppression (1): all candidates are wanted.
      nets_[0] = cv::FaceDetectorYN::create(model_.string(), "", size, 0.5f, 1.0f, kAll);
    }
    if (nets_[0]->getInputSize() != size) nets_[0]->setInputSize(size);
    return *nets_[0];
  }

  std::filesystem::path model_;
  std::array<cv::Ptr<cv::FaceDetectorYN>, 2> nets_;  // the last used first
};

// ---- on an engine of ours ----------------------------------------------------------------------

// The four outputs: pixels of the picture a place, and the sizes of the anchors at each place.
struct Level {
  const char* head;
  int stride;
  std::vector<int> anchors;
};
const std::array<Level, 4>& levels() {
  static const std::array<Level, 4> all = {{{"s8", 8, {10, 16, 24}},
                                            {"s16", 16, {32, 48}},
                                            {"s32", 32, {64, 96}},
                                            {"s64", 64, {128, 192, 256}}}};
  return all;
}
// An anchor's values: box and landmarks (14), no face and face, overlap with the true box.
constexpr int kValues = 17, kNoFace = 14, kIsFace = 15, kOverlap = 16;

// Weight and bias of each convolution, in the file's order.
std::vector<HostTensor> read_weights(const std::filesystem::path& model) {
  cv::dnn::Net net = cv::dnn::readNetFromONNX(model.string());
  std::vector<HostTensor> weights;
  for (const cv::String& name : net.getLayerNames()) {
    const auto layer = net.getLayer(net.getLayerId(name));
    if (layer->type != "Convolution" || layer->blobs.size() != 2) continue;
    for (int part = 0; part < 2; ++part) {
      const cv::Mat& blob = layer->blobs[part];
      if (blob.type() != CV_32F || !blob.isContinuous()) fail_input("its weights are not float");
      Shape shape;
      for (int d = 0; d < blob.dims; ++d) shape.push_back(blob.size[d]);
      if (part == 1) shape = {static_cast<std::int64_t>(blob.total())};
      HostTensor tensor = HostTensor::zeros(shape);
      std::memcpy(tensor.floats().data(), blob.ptr<float>(), blob.total() * sizeof(float));
      weights.push_back(std::move(tensor));
    }
  }
  return weights;
}

// The network for pictures of one size, its convolutions in the order of the file.
class YunetGraph {
 public:
  YunetGraph(const std::vector<HostTensor>& weights, int width, int height) : weights_(weights) {
    int x = graph_.add("input", op::Input{3, height, width});
    x = relu(convolution(x, 2, 1));
    x = pool(unit(x));
    for (int i = 0; i < 4; ++i) x = unit(x);
    std::array<int, 4> features{};
    for (int& feature : features) {
      x = unit(unit(pool(x)));
      feature = x;
    }
    // The file has the four outputs last, the finest first.
    for (std::size_t i = 0; i < features.size(); ++i) {
      const int values = separable(unit(features[i]));
      graph_.add_output(levels()[i].head, graph_.add(name("flat"), op::Flatten{}, {values}));
      const auto expected = static_cast<std::int64_t>(kValues * levels()[i].anchors.size());
      if (graph_.shape(values)[0] != expected) fail_input("an output has another size");
    }
    if (used_ != weights_.size()) fail_input("it has more convolutions");
  }
  const Graph& graph() const { return graph_; }
  const TensorMap& named() const { return named_; }

 private:
  std::string name(const char* kind) { return format("%s%d", kind, count_++); }
  int convolution(int from, int stride, int groups) {
    if (used_ + 2 > weights_.size()) fail_input("it has fewer convolutions");
    const HostTensor& weight = weights_[used_];
    op::Conv2d conv;
    conv.out_channels = static_cast<int>(weight.shape[0]);
    conv.kernel_height = conv.kernel_width = static_cast<int>(weight.shape.back());
    conv.stride = stride;
    conv.padding = Padding::all(conv.kernel_height / 2);
    conv.groups = groups;
    conv.bias = true;
    const std::string called = name("conv");
    const int node = graph_.add(called, conv, {from});
    named_[called + ".weight"] = weight;
    named_[called + ".bias"] = weights_[used_ + 1];
    used_ += 2;
    return node;
  }
  int relu(int from) { return graph_.add(name("relu"), op::Relu{}, {from}); }
  int pool(int from) { return graph_.add(name("pool"), op::MaxPool{}, {from}); }
  // Point by point, then channel by channel.
  int separable(int from) {
    const int mixed = convolution(from, 1, 1);
    return convolution(mixed, 1, static_cast<int>(graph_.shape(mixed)[0]));
  }
  int unit(int from) { return relu(separable(from)); }

  const std::vector<HostTensor>& weights_;
  std::size_t used_ = 0;
  int count_ = 0;
  Graph graph_;
  TensorMap named_;
};

class EngineYunet : public Yunet {
 public:
  EngineYunet(std::vector<HostTensor> weights, MakeNetwork make_network)
      : weights_(std::move(weights)), make_network_(std::move(make_network)) {}

  std::vector<FaceCandidate> candidates(const cv::Mat& picture, float least) override {
    const cv::Mat input = padded_bgr(picture);
    // One plane a colour, values as they are.
    planes_.resize(input.total() * 3);
    std::vector<cv::Mat> planes;
    for (int c = 0; c < 3; ++c) {
      planes.emplace_back(input.rows, input.cols, CV_32F, planes_.data() + c * input.total());
    }
    cv::Mat values;
    input.convertTo(values, CV_32F);
    cv::split(values, planes);
    Network& network = network_for(input.cols, input.rows);
    network.run(planes_);
    std::vector<FaceCandidate> found;
    for (const Level& level : levels()) {
      add_candidates(level, network.output(level.head), input.cols, input.rows, least, found);
    }
    return found;
  }

 private:
  // A network holds some 32 bytes a pixel of its input, so these are 50 MB: twenty sizes of 320
  // pixels. Two are kept however large, for pictures and for second looks.
  static constexpr std::int64_t kMostPixels = 1'500'000;
  struct Ready {
    int width, height;
    std::unique_ptr<Network> network;
  };

  Network& network_for(int width, int height) {
    const auto known = std::ranges::find_if(
        networks_, [&](const Ready& r) { return r.width == width && r.height == height; });
    if (known != networks_.end()) {
      networks_.splice(networks_.begin(), networks_, known);
      return *networks_.front().network;
    }
    const YunetGraph built(weights_, width, height);
    networks_.push_front({width, height, make_network_(built.graph(), built.named())});
    std::int64_t pixels = 0;
    int kept = 0;
    for (auto it = networks_.begin(); it != networks_.end();) {
      pixels += std::int64_t{it->width} * it->height;
      it = ++kept > 2 && pixels > kMostPixels ? networks_.erase(it) : std::next(it);
    }
    return *networks_.front().network;
  }

  // As cv::FaceDetectorYN decodes them: offsets in units of a tenth (centre, landmarks, width) and
  // a fifth (height) of the anchor, sizes by the exponential.
  static void add_candidates(const Level& level, std::span<const float> values, int width,
                             int height, float least, std::vector<FaceCandidate>& found) {
    const int columns = width / level.stride, rows = height / level.stride;
    const std::size_t plane = static_cast<std::size_t>(columns) * rows;
    for (std::size_t a = 0; a < level.anchors.size(); ++a) {
      const float* base = values.data() + a * kValues * plane;
      for (std::size_t place = 0; place < plane; ++place) {
        const auto value = [&](int k) { return base[k * plane + place]; };
        const float overlap = std::clamp(value(kOverlap), 0.0f, 1.0f);
        if (overlap < least * least) continue;  // the score cannot reach it
        const float is_face = 1 / (1 + std::exp(value(kNoFace) - value(kIsFace)));
        const float score = std::sqrt(is_face * overlap);
        if (!(score >= least)) continue;
        const auto anchor = static_cast<float>(level.anchors[a]);
        const auto stride = static_cast<float>(level.stride);
        const Point centre{(static_cast<float>(place % columns) + 0.5f) * stride,
                           (static_cast<float>(place / columns) + 0.5f) * stride};
        const auto moved = [&](int k) {
          return Point{centre.x + value(k) * 0.1f * anchor,
                       centre.y + value(k + 1) * 0.1f * anchor};
        };
        const Point middle = moved(0);
        const float w = anchor * std::exp(value(2) * 0.1f), h = anchor * std::exp(value(3) * 0.2f);
        FaceCandidate c{{middle.x - w / 2, middle.y - h / 2, w, h}, {}, score};
        for (int k = 0; k < 5; ++k) c.landmarks[k] = moved(4 + 2 * k);
        if (large_enough(c)) found.push_back(c);
      }
    }
  }

  std::vector<HostTensor> weights_;
  MakeNetwork make_network_;
  std::list<Ready> networks_;  // the last used first
  std::vector<float> planes_;
};

}  // namespace

std::unique_ptr<Yunet> open_yunet(const std::filesystem::path& model,
                                  const MakeNetwork& make_network) {
  // Another kind of network fails here, not at the first photo.
  const cv::Mat nothing = cv::Mat::zeros(160, 160, CV_8UC1);
  std::string refused;
  if (make_network) {
    try {
      auto ours = std::make_unique<EngineYunet>(read_weights(model), make_network);
      ours->candidates(nothing, 1.0f);
      return ours;
    } catch (const Error& error) {
      if (error.fault() != Fault::kInput) throw;
      refused = error.what();
    } catch (const cv::Exception& error) {
      refused = trim(error.err);
    }
  }
  // Which file OpenCV can run depends on its version: that of March 2022 up to 4.7, later ones from
  // 4.8 on.
  std::unique_ptr<Yunet> opencv;
  try {
    opencv = std::make_unique<OpencvYunet>(model);
    opencv->candidates(nothing, 1.0f);
  } catch (const cv::Exception& error) {
    fail_input(model.string() + ": OpenCV " + CV_VERSION +
               " cannot run this as YuNet: " + trim(error.err));
  }
  if (make_network) {
    log_warning(model.string() + " is not YuNet's version of March 2022 in float (" + refused +
                "): OpenCV runs it");
  }
  return opencv;
}

}  // namespace fer
