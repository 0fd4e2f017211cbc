#include "fer/model/pretrained.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/model/reference.h"
#include "support/op_cases.h"
#include "support/plain_layers.h"
#include "support/program.h"
#include "support/seeded_weights.h"

using namespace fer;
using namespace fer::test;
using Catch::Contains;

namespace {

// timm's resnetv2_50 by its own names, from its published definition: stride in the first block, no
// bias, the projection on the normalised input.
class TimmNet {
 public:
  TensorMap tensors;
  std::vector<std::int64_t> widths = {64, 128, 256, 512};

  std::vector<float> forward(Volume x, std::int64_t classes) {
    x = conv2d("stem.conv", pad(x, 3, 0), widths[0], 7, 2);
    x = max_pool(pad(x, 1, -INFINITY), 3, 2);
    const int depths[] = {3, 4, 6, 3};
    for (std::size_t stage = 0; stage < widths.size(); ++stage) {
      for (int block = 0; block < depths[stage]; ++block) {
        const std::string name =
            "stages." + std::to_string(stage) + ".blocks." + std::to_string(block) + ".";
        const std::int64_t stride = block == 0 && stage > 0 ? 2 : 1;
        const Volume active = norm(name + "norm1", x);
        const Volume shortcut =
            block == 0 ? conv2d(name + "downsample.conv", active, 4 * widths[stage], 1, stride) : x;
        Volume y = conv2d(name + "conv1", active, widths[stage], 1, 1);
        y = norm(name + "norm2", y);
        y = conv2d(name + "conv2", pad(y, 1, 0), widths[stage], 3, stride);
        y = norm(name + "norm3", y);
        y = conv2d(name + "conv3", y, 4 * widths[stage], 1, 1);
        x = add(y, shortcut);
      }
    }
    const std::vector<float> features = channel_means(norm("norm", x));
    const auto inputs = static_cast<std::int64_t>(features.size());
    // The head is a convolution of one pixel.
    const HostTensor head = tensor("head.fc.weight", {classes, inputs, 1, 1});
    const HostTensor bias = tensor("head.fc.bias", {classes});
    std::vector<float> logits(bias.floats().begin(), bias.floats().end());
    for (std::int64_t o = 0; o < classes; ++o) {
      for (std::int64_t i = 0; i < inputs; ++i) {
        logits[o] += head.floats()[o * inputs + i] * features[i];
      }
    }
    return logits;
  }

 private:
  HostTensor tensor(const std::string& name, const Shape& shape) {
    return tensors.try_emplace(name, seeded_tensor(name, shape)).first->second;
  }
  Volume conv2d(const std::string& name, const Volume& x, std::int64_t out, std::int64_t size,
                std::int64_t stride) {
    return conv(x, hwio(tensor(name + ".weight", {out, x.channels, size, size})), nullptr, stride);
  }
  Volume norm(const std::string& name, const Volume& x) {
    const Shape c = {x.channels};
    tensors.try_emplace(name + ".num_batches_tracked", HostTensor::zeros({}, DType::kI64));
    return relu(batch_norm(x, tensor(name + ".weight", c), tensor(name + ".bias", c),
                           tensor(name + ".running_mean", c), tensor(name + ".running_var", c),
                           1e-5));
  }
};

Volume picture(std::int64_t side, std::int64_t channels) {
  Volume x(side, side, channels);
  x.values = seeded_uniform("picture", {side, side, channels}).to_floats();
  return x;
}

ArchitectureOptions net(const std::string& name, std::vector<int> stages = {},
                        const std::string& variant = "") {
  ArchitectureOptions options;
  options.name = name;
  options.variant = variant;
  options.stages = std::move(stages);
  options.heads = {{"labels", 4}};
  return options;
}

// torchvision's thin vgg16 with a top of four classes.
const std::vector<int> kThin = {3, 4, 5, 6, 7};
constexpr int kFeatures[] = {0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28};
TensorMap thin_vgg(int dense = 0) {
  TensorMap tensors;
  const auto put = [&](const std::string& layer, const Shape& shape) {
    tensors[layer + ".weight"] = seeded_tensor(layer + ".weight", shape);
    tensors[layer + ".bias"] = seeded_tensor(layer + ".bias", {shape[0]});
  };
  const int out[] = {3, 3, 4, 4, 5, 5, 5, 6, 6, 6, 7, 7, 7};
  for (int i = 0; i < 13; ++i) {
    put("features." + std::to_string(kFeatures[i]), {out[i], i == 0 ? 3 : out[i - 1], 3, 3});
  }
  if (dense > 0) {
    put("classifier.0", {dense, 7 * 4});
    put("classifier.3", {dense, dense});
    put("classifier.6", {4, dense});
  }
  return tensors;
}

ImportedWeights import_thin(const TensorMap& tensors,
                            const ArchitectureOptions& options = net("vgg16", kThin)) {
  return import_weights(tensors, false, options, make_architecture(options), "x.safetensors");
}

}  // namespace

TEST_CASE("resnet50v2 --variant timm computes what timm's definition does, from a safetensors") {
  TimmNet timm;
  const TemporaryFolder folder;
  for (const int side : {48, 80}) {
    const auto wanted = timm.forward(picture(side, 3), 4);
    if (side == 48) write_safetensors(folder / "timm.safetensors", {{}, timm.tensors});
    ArchitectureOptions options = net("resnet50v2", {}, "timm");
    options.input_size = side;
    const Graph graph = make_architecture(options);
    CHECK(identify_weights(folder / "timm.safetensors") == WeightFile::kSafetensors);
    const ImportedWeights imported =
        import_weights(read_safetensors(folder / "timm.safetensors").tensors, false, options, graph,
                       "timm.safetensors");
    CHECK(imported.family == "timm's resnetv2_50");
    CHECK(imported.fresh.empty());
    CHECK(imported.skipped.size() == 49);  // counters
    const auto logits = run_reference(graph, imported.weights, as_batch(picture(side, 3)));
    CHECK(deviation(wanted) > 0.01);
    CHECK(relative_difference(logits.at("labels").floats(), wanted) < 1e-4);
  }
}

TEST_CASE("half precision weights are read as they are rounded") {
  const TensorMap whole = thin_vgg();
  for (const DType dtype : {DType::kF16, DType::kBF16}) {
    TensorMap halves;
    for (const auto& [name, tensor] : whole) halves[name] = tensor.converted(dtype);
    const TensorMap weights = import_thin(halves).weights;
    const HostTensor& first = weights.at("stage1.conv1.weight");
    CHECK(first.dtype == DType::kF32);
    CHECK(first.to_floats() == halves.at("features.0.weight").to_floats());
  }
}

TEST_CASE("a top is taken where the net has it in the same shape, else skipped and said so") {
  const TensorMap file = thin_vgg(9);
  const ImportedWeights pooled = import_thin(file);
  CHECK(pooled.skipped.size() == 6);  // two dense layers and a head of other features
  CHECK(pooled.fresh == std::vector<std::string>{"head_labels.weight", "head_labels.bias"});
  const TensorMap no_top = thin_vgg();
  const ImportedWeights headless = import_thin(no_top);
  CHECK(headless.skipped.empty());
  CHECK(headless.fresh == std::vector<std::string>{"head_labels.weight", "head_labels.bias"});

  ArchitectureOptions dense = net("vgg16", kThin);
  dense.input_size = 64;
  dense.dense = {9, 9};
  dense.dense_given = true;
  const ImportedWeights all = import_thin(file, dense);
  CHECK(all.fresh.empty());
  CHECK(all.skipped.empty());
  CHECK(all.weights.at("dense2.linear.bias").to_floats() ==
        file.at("classifier.3.bias").to_floats());
  dense.heads = {{"labels", 3}};
  CHECK(import_thin(file, dense).fresh ==
        std::vector<std::string>{"head_labels.weight", "head_labels.bias"});
  dense.input_size = 32;
  CHECK_THROWS_WITH(import_thin(file, dense),
                    Contains("classifier.0.weight is [9, 28]") && Contains("needs [9, 7]"));
}

TEST_CASE("Keras' flattened features are put into our order") {
  // Two channels of 2 x 1 pixels would come as (p0 c0, p0 c1, p1 c0, p1 c1).
  ArchitectureOptions options = net("vgg16", kThin);
  options.input_size = 64;
  options.dense = {1};
  options.dense_given = true;
  const Graph graph = make_architecture(options);
  TensorMap tensors;
  int i = 0;
  for (int stage = 1; stage <= 5; ++stage) {
    for (int block = 1; block <= (stage < 3 ? 2 : 3); ++block, ++i) {
      const std::string theirs = "features." + std::to_string(kFeatures[i]);
      const std::string name = "block" + std::to_string(stage) + "_conv" + std::to_string(block);
      tensors[name + ".weight"] = thin_vgg().at(theirs + ".weight");
      tensors[name + ".bias"] = thin_vgg().at(theirs + ".bias");
    }
  }
  HostTensor fc1 = HostTensor::zeros({1, 7 * 4});
  for (int p = 0; p < 4; ++p) {
    for (int c = 0; c < 7; ++c) fc1.floats()[p * 7 + c] = static_cast<float>(100 * c + p);
  }
  tensors["fc1.weight"] = fc1;
  tensors["fc1.bias"] = HostTensor::zeros({1});
  const ImportedWeights imported = import_weights(tensors, true, options, graph, "vgg.h5");
  const auto ours = imported.weights.at("dense1.linear.weight").to_floats();
  for (int c = 0; c < 7; ++c) {
    for (int p = 0; p < 4; ++p) CHECK(ours[c * 4 + p] == static_cast<float>(100 * c + p));
  }
  // Blue, green, red, as Keras wants them.
  CHECK(imported.scaling == Scaling{1.0f, {103.939f, 116.779f, 123.68f}, {1.0f, 1.0f, 1.0f}});
}

TEST_CASE("with one channel the stem's weights are summed: a gray face gives the same features") {
  for (const std::string name : {"vgg16", "resnet50v2"}) {
    TensorMap file = thin_vgg();
    std::string variant;
    if (name == "resnet50v2") {
      TimmNet timm;
      timm.widths = {4, 4, 4, 4};
      timm.forward(picture(48, 3), 4);
      file = timm.tensors;
      variant = "timm";
    }
    ArchitectureOptions options =
        net(name, name == "vgg16" ? kThin : std::vector{4, 4, 4, 4}, variant);
    const Image face = [] {
      Image image(48, 48, 1);
      const HostTensor values = seeded_uniform("face", {48 * 48});
      for (std::size_t i = 0; i < image.pixels.size(); ++i) {
        image.pixels[i] = static_cast<std::uint8_t>(127 + 120 * values.floats()[i]);
      }
      return image;
    }();
    std::vector<std::vector<float>> stems;
    for (const int channels : {3, 1}) {
      options.channels = channels;
      const Graph graph = make_architecture(options);
      const ImportedWeights imported = import_thin(file, options);
      ModelSpec spec;
      set_scaling(spec, imported.scaling, channels);
      const std::string conv = name == "vgg16" ? "stage1.conv1" : "stem.conv";
      Graph stem = backbone(graph, graph.find(conv));
      const auto last = static_cast<int>(stem.nodes().size()) - 1;
      stem.add_output("values", stem.add("flat", op::Flatten{}, {last}));
      TensorMap weights;
      for (const Parameter& p : stem.parameters()) weights[p.name] = imported.weights.at(p.name);
      const auto logits = run_reference(stem, weights, preprocess(spec, {&face, 1}));
      // Not the border: there zeros stand for other shades in each channel.
      const Shape& shape = graph.shape(graph.find(conv));
      std::vector<float>& inside = stems.emplace_back();
      for (std::int64_t i = 0; i < element_count(shape); ++i) {
        const auto y = i / shape[2] % shape[1], x = i % shape[2];
        if (std::min({y, x, shape[1] - 1 - y, shape[2] - 1 - x}) >= 2) {
          inside.push_back(logits.at("values").floats()[i]);
        }
      }
    }
    CHECK(relative_difference(stems[1], stems[0]) < 1e-5);
  }
}

TEST_CASE("weights that do not fit are refused, naming the tensor or whose they are") {
  const auto refusal = [](const TensorMap& tensors, const ArchitectureOptions& options,
                          bool keras = false) -> std::string {
    try {
      import_weights(tensors, keras, options, make_architecture(options), "x.safetensors");
    } catch (const Error& error) {
      CHECK(error.exit_code() == 2);
      return error.what();
    }
    return "";
  };
  TimmNet timm;
  timm.widths = {4, 4, 4, 4};
  timm.forward(picture(32, 3), 4);
  const auto vgg = net("vgg16", kThin);
  CHECK_THAT(refusal(timm.tensors, vgg),
             Contains("x.safetensors: weights of timm's resnetv2_50") &&
                 Contains("they are for arch resnet50v2, variant timm"));
  CHECK_THAT(refusal(timm.tensors, net("resnet50v2")),
             Contains("do not fit arch resnet50v2, variant keras"));
  CHECK_THAT(refusal(thin_vgg(), net("vgg16_bn")), Contains("weights of torchvision's vgg16,"));
  CHECK_THAT(refusal(thin_vgg(), net("compact")), Contains("torchvision's vgg16"));
  CHECK_THAT(refusal({}, net("compact")), Contains("for arch compact are not known"));
  CHECK_THAT(refusal({}, vgg), Contains("without the tensor features.0.weight"));

  TensorMap file = thin_vgg();
  file.erase("features.28.bias");
  CHECK_THAT(refusal(file, vgg),
             Contains("without the tensor features.28.bias (our stage5.conv3.bias)"));
  file = thin_vgg();
  file["features.2.weight"] = HostTensor::zeros({3, 3, 3, 5});
  CHECK_THAT(refusal(file, vgg),
             Contains("features.2.weight is [3, 3, 3, 5]") && Contains("needs [3, 3, 3, 3]"));
  file = thin_vgg();
  file["features.31.weight"] = HostTensor::zeros({1});
  CHECK_THAT(refusal(file, vgg), Contains("surplus tensor \"features.31.weight\" [1]"));
}

TEST_CASE("a file is known by its first bytes, and a pickle is told how to become one we read") {
  const TemporaryFolder folder;
  write_text(folder / "a.h5", "\x89HDF\r\n\x1a\n...");
  CHECK(identify_weights(folder / "a.h5") == WeightFile::kHdf5);
  write_text(folder / "a.pth", "PK\x03\x04 and so on");
  CHECK_THROWS_WITH(identify_weights(folder / "a.pth"), Contains("safetensors"));
  write_text(folder / "a.pkl", "\x80\x02}q\x01 and so on");
  CHECK_THROWS_WITH(identify_weights(folder / "a.pkl"), Contains("pickle"));
  // The length of this one's header, 640, has the bytes of a pickle.
  std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  header.resize(640, ' ');
  write_text(folder / "a.safetensors",
             std::string("\x80\x02\0\0\0\0\0\0", 8) + header + std::string(4, '\0'));
  CHECK(identify_weights(folder / "a.safetensors") == WeightFile::kSafetensors);
  write_text(folder / "short", "abc");
  CHECK_THROWS_WITH(identify_weights(folder / "short"), Contains("short"));
  write_text(folder / "text", "neither this nor that");
  CHECK_THROWS_WITH(identify_weights(folder / "text"), Contains("not a safetensors file"));
  CHECK_THROWS_AS(identify_weights(folder / "none"), Error);
}

TEST_CASE("new heads stand on the old features, and one that stays keeps its weights") {
  ArchitectureOptions options;
  options.input_size = 24;
  options.stages = {4, 8};
  options.heads = {{"six", 6}, {"two", 2}};
  Checkpoint old;
  old.graph = make_architecture(options);
  old.weights = random_weights(old.graph, 1);
  old.spec.architecture = "compact";
  old.spec.resize = 26;
  old.spec.input_size = 24;
  old.spec.mean = {0.4f};
  old.spec.heads = {{"six", {"a", "b", "c", "d", "e", "f"}, 1.0f, 0.0f},
                    {"two", {"x", "y"}, 1.0f, 0.0f}};
  old.spec.default_head = "six";

  const Checkpoint fresh = replace_heads(
      old, {{"mine", {"tired", "awake", "gone"}, 1.0f, 0.0f}, {"two", {"x", "y"}, 1.0f, 0.0f}});
  check_spec(fresh.spec, fresh.graph);
  CHECK(fresh.spec.default_head == "mine");
  CHECK(fresh.spec.mean == std::vector<float>{0.4f});
  CHECK(fresh.spec.resize == 26);
  CHECK(fresh.weights.at("stem.conv.weight").bytes == old.weights.at("stem.conv.weight").bytes);
  CHECK(fresh.weights.at("head_two.bias").bytes == old.weights.at("head_two.bias").bytes);
  CHECK_FALSE(fresh.weights.contains("head_mine.weight"));
  CHECK(fresh.graph.shape(fresh.graph.find("head_mine")) == Shape{3});
  // Other labels under the same name are another head.
  CHECK_FALSE(
      replace_heads(old, {{"two", {"y", "x"}, 1.0f, 0.0f}}).weights.contains("head_two.weight"));
}
