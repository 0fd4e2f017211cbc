#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <opencv2/dnn.hpp>

#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/text.h"
#include "fer/model/architectures.h"
#include "fer/model/reference.h"
#include "fer/onnx/export.h"
#include "support/op_cases.h"
#include "support/program.h"
#include "support/skip.h"

using namespace fer;

namespace {

// Each sample by itself, which is how cv::dnn takes every network.
test::Logits run_opencv(const std::string& bytes, const Graph& graph, const HostTensor& input) {
  cv::dnn::Net net = cv::dnn::readNetFromONNX(bytes.data(), bytes.size());
  const auto samples = input.shape[0];
  const auto pixels = static_cast<std::size_t>(input.count() / samples);
  test::Logits logits;
  for (const Output& output : graph.outputs()) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < samples; ++i) {
      const std::vector<int> shape = {1, static_cast<int>(input.shape[1]),
                                      static_cast<int>(input.shape[2]),
                                      static_cast<int>(input.shape[3])};
      net.setInput(
          cv::Mat(shape, CV_32F, const_cast<float*>(input.floats().subspan(i * pixels).data())));
      const cv::Mat result = net.forward(output.head);
      values.insert(values.end(), result.begin<float>(), result.end<float>());
    }
    logits[output.head] = HostTensor::from_floats({samples, graph.shape(output.node)[0]}, values);
  }
  return logits;
}

Checkpoint random_checkpoint(const ArchitectureOptions& given) {
  ArchitectureOptions options = given;
  options.heads = {{"six", 6}, {"two", 2}};
  Checkpoint checkpoint;
  checkpoint.graph = make_architecture(options);
  checkpoint.weights = test::random_weights(checkpoint.graph, 11);
  ModelSpec& spec = checkpoint.spec;
  spec.resize = spec.input_size = checkpoint.graph.input().height;
  if (options.channels == 3) {
    spec.colour = "rgb";
    spec.mean = {0.4f, 0.5f, 0.6f};
    spec.std = {0.2f, 0.25f, 0.3f};
  }
  spec.heads = {{"six", {"a", "b", "c", "d", "e", "f"}, 1.5f, 0.0f},
                {"two", {"x", "y"}, 1.0f, 0.0f}};
  spec.default_head = "six";
  return checkpoint;
}

Checkpoint small_checkpoint() {
  ArchitectureOptions options;
  options.channels = 3;
  options.input_size = 24;
  options.stages = {8, 16};
  options.squeeze_excitation = true;
  return random_checkpoint(options);
}

// The file's text holds a key and its value as two length-prefixed strings one after the other.
bool holds_metadata(const std::string& bytes, const std::string& key, const std::string& value) {
  const auto at = bytes.find(key);
  return at != std::string::npos &&
         bytes.substr(at + key.size(), value.size() + 4).find(value) != std::string::npos;
}

}  // namespace

TEST_CASE("the ONNX file of every operation passes libonnx and means the same to OpenCV") {
  const int opset = GENERATE(9, 10, 11, 13, 17);
  for (const test::OpCase& c : test::op_cases()) {
    CAPTURE(opset, c.name);
    const std::string bytes = to_onnx({c.graph, {}, c.weights}, {opset});
    CHECK_NOTHROW(check_onnx(bytes));
    CHECK(test::relative_error(run_opencv(bytes, c.graph, c.input), test::expected(c)) < 1e-5);
  }
}

TEST_CASE("the ONNX file of every architecture means the same to OpenCV") {
  for (const std::string& name : architecture_names()) {
    ArchitectureOptions options;
    options.name = name;
    options.input_size = 48;
    const Checkpoint checkpoint = random_checkpoint(options);
    const HostTensor batch = test::random_batch(checkpoint.graph, 1, 3);
    CAPTURE(name);
    const std::string bytes = to_onnx(checkpoint);
    CHECK_NOTHROW(check_onnx(bytes));
    CHECK(test::relative_error(run_opencv(bytes, checkpoint.graph, batch),
                               run_reference(checkpoint.graph, checkpoint.weights, batch)) < 1e-4);
  }
}

TEST_CASE("a head may be called as a layer is, but not as the input") {
  Checkpoint checkpoint;
  Graph& graph = checkpoint.graph;
  int node = graph.add("input", op::Input{1, 8, 8});
  node = graph.add("pool", op::GlobalAvgPool{}, {node});
  node = graph.add("logits", op::Linear{3, true}, {node});
  Graph wrong = graph;
  graph.add_output("logits", node);
  graph.add_output("pool", node);
  checkpoint.spec.resize = checkpoint.spec.input_size = 8;
  checkpoint.spec.heads = {{"logits", {"a", "b", "c"}, 2.0f, 0.0f},
                           {"pool", {"a", "b", "c"}, 1.0f, 0.0f}};
  checkpoint.spec.default_head = "pool";
  checkpoint.weights = test::random_weights(graph, 3);
  const HostTensor batch = test::random_batch(graph, 1, 5);
  for (const bool inside : {false, true}) {
    const std::string bytes = to_onnx(checkpoint, {13, inside, inside});
    CHECK_NOTHROW(check_onnx(bytes));
    if (inside) continue;
    CHECK(test::relative_error(run_opencv(bytes, graph, batch),
                               run_reference(graph, checkpoint.weights, batch)) < 1e-5);
  }
  wrong.add_output("input", node);
  checkpoint.graph = wrong;
  CHECK_THROWS_WITH(to_onnx(checkpoint), Catch::Contains("a head cannot be called"));
}

TEST_CASE(
    "normalisation and softmax inside give from bytes what the library gives from a picture") {
  const Checkpoint checkpoint = small_checkpoint();
  const ModelSpec& spec = checkpoint.spec;
  Image crop(24, 24, 3);
  for (std::size_t i = 0; i < crop.pixels.size(); ++i) {
    crop.pixels[i] = static_cast<std::uint8_t>(i * 37 % 256);
  }
  const auto expected = to_probabilities(
      spec, run_reference(checkpoint.graph, checkpoint.weights, preprocess(spec, {&crop, 1})))[0];

  HostTensor bytes = HostTensor::zeros({1, 3, 24, 24});
  for (int c = 0; c < 3; ++c) {
    for (int i = 0; i < 24 * 24; ++i) bytes.floats()[c * 24 * 24 + i] = crop.pixels[i * 3 + c];
  }
  const std::string file = to_onnx(checkpoint, {13, true, true});
  CHECK_NOTHROW(check_onnx(file));
  const auto answers = run_opencv(file, checkpoint.graph, bytes);
  for (const auto& [head, probabilities] : expected) {
    for (std::size_t k = 0; k < probabilities.size(); ++k) {
      CHECK(answers.at(head).floats()[k] == Approx(probabilities[k]).margin(1e-5));
    }
  }
}

TEST_CASE("an ONNX file holds labels and preprocessing") {
  const Checkpoint checkpoint = small_checkpoint();
  const std::string bytes = to_onnx(checkpoint);
  CHECK(holds_metadata(bytes, "labels.six", "a,b,c,d,e,f"));
  CHECK(holds_metadata(bytes, "fer.spec", to_json(checkpoint.spec).dump()));
  const nlohmann::json spec = to_json(checkpoint.spec);
  for (const bool normalize : {false, true}) {
    for (const bool softmax : {false, true}) {
      nlohmann::json wanted = {{"normalized_inside", normalize}, {"softmax_inside", softmax}};
      for (const char* key :
           {"resize", "input_size", "colour", "scale", "mean", "std", "crop_margin"}) {
        wanted[key] = spec.at(key);
      }
      CHECK(holds_metadata(to_onnx(checkpoint, {13, normalize, softmax}), "preprocessing",
                           wanted.dump()));
    }
  }
}

TEST_CASE("labels with a comma in them stand in an ONNX file as JSON") {
  Checkpoint checkpoint = small_checkpoint();
  checkpoint.spec.heads.at(0).labels.at(0) = "angry, cross";
  const std::string head = checkpoint.spec.heads.at(0).name;
  CHECK(holds_metadata(to_onnx(checkpoint), "labels." + head,
                       nlohmann::json(checkpoint.spec.heads[0].labels).dump()));
}

TEST_CASE("what cannot be exported or is no ONNX is refused") {
  Checkpoint checkpoint = small_checkpoint();
  CHECK_THROWS_WITH(to_onnx(checkpoint, {8}), "opset 8: expected 9 to 17");
  CHECK_THROWS_WITH(check_onnx("no ONNX file"), "not an ONNX file");
  std::string bytes = to_onnx(checkpoint);
  // Another name for one operation of the file.
  bytes.replace(bytes.find("GlobalAveragePool"), 6, "Glubal");
  CHECK_THROWS_WITH(check_onnx(bytes),
                    Catch::StartsWith("ONNX: ") && Catch::Contains("GlubalAveragePool"));
  checkpoint.weights.erase("stem.conv.weight");
  CHECK_THROWS_WITH(to_onnx(checkpoint), "weights: stem.conv.weight is missing");
}

TEST_CASE("ONNX Runtime answers as the reference does, whatever the batch") {
  const char* runtime = std::getenv("FER_ONNXRUNTIME");
  if (runtime == nullptr || *runtime == '\0') {
    test::skip("FER_ONNXRUNTIME does not name a folder with onnxruntime-node");
    return;
  }
  const TemporaryFolder scratch;
  for (const std::string& name : architecture_names()) {
    ArchitectureOptions options;
    options.name = name;
    options.input_size = 48;
    options.squeeze_excitation = name == "compact";
    const Checkpoint checkpoint = random_checkpoint(options);
    const HostTensor batch = test::random_batch(checkpoint.graph, 2, 3);
    write_file_atomically(scratch / "model.onnx", to_onnx(checkpoint));
    write_file_atomically(
        scratch / "input",
        std::span(reinterpret_cast<const std::uint8_t*>(batch.bytes.data()), batch.bytes.size()));
    const auto result = test::run_shell(
        format("node " FER_SOURCE_DIR "/scripts/onnxruntime.mjs run model.onnx 2,%d,48,48 input",
               checkpoint.graph.input().channels),
        scratch.path());
    INFO(name << ": " << result.err);
    REQUIRE(result.exit_code == 0);
    test::Logits logits;
    const auto answers = nlohmann::json::parse(result.out);
    for (const auto& [head, values] : answers.items()) {
      const auto floats = values.get<std::vector<float>>();
      logits[head] =
          HostTensor::from_floats({2, static_cast<std::int64_t>(floats.size() / 2)}, floats);
    }
    CHECK(test::relative_error(logits, run_reference(checkpoint.graph, checkpoint.weights, batch)) <
          1e-4);
  }
}
