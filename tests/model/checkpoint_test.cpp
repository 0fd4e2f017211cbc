#include "fer/model/checkpoint.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "fer/core/error.h"
#include "fer/model/architectures.h"
#include "fer/model/reference.h"
#include "support/op_cases.h"
#include "support/skip.h"
#include "support/temp_folder.h"

using namespace fer;
using Catch::Contains;

namespace {

Checkpoint small_checkpoint() {
  ArchitectureOptions options;
  options.input_size = 16;
  options.stages = {4, 6};
  options.heads = {{"expression", 3}};
  Checkpoint checkpoint;
  checkpoint.graph = make_architecture(options);
  checkpoint.weights = test::random_weights(checkpoint.graph, 5);
  checkpoint.spec.architecture = "compact";
  checkpoint.spec.resize = 18;
  checkpoint.spec.input_size = 16;
  checkpoint.spec.heads = {{"expression", {"happy", "neutral", "sad"}, 1.0f, 0.0f}};
  checkpoint.spec.default_head = "expression";
  return checkpoint;
}

std::string refusal(const std::filesystem::path& path) {
  try {
    load_checkpoint(path);
  } catch (const Error& error) {
    CHECK(error.fault() == Fault::kInput);
    CHECK_THAT(error.what(), Catch::StartsWith(path.string()));
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("a checkpoint comes back whole and answers the same") {
  const test::TempFolder folder;
  const Checkpoint saved = small_checkpoint();
  save_checkpoint(folder / "m.safetensors", saved);
  const Checkpoint loaded = load_checkpoint(folder / "m.safetensors");
  CHECK(loaded.graph == saved.graph);
  CHECK(loaded.spec == saved.spec);
  const HostTensor batch = test::random_batch(saved.graph, 2, 1);
  CHECK(test::relative_error(run_reference(loaded.graph, loaded.weights, batch),
                             run_reference(saved.graph, saved.weights, batch)) == 0);
}

TEST_CASE("a calibration is stored with the checkpoint and read with care") {
  const test::TempFolder folder;
  Checkpoint saved = small_checkpoint();
  CHECK(load_checkpoint((save_checkpoint(folder / "m", saved), folder / "m")).ranges.empty());
  saved.ranges = {{"input", {-1.5f, 2.0f}}, {"stem.relu", {0.0f, 3.25f}}};
  save_checkpoint(folder / "m", saved);
  CHECK(load_checkpoint(folder / "m").ranges == saved.ranges);

  SafetensorsFile file = read_safetensors(folder / "m");
  const auto refused = [&](const std::string& ranges) {
    file.metadata["ranges"] = ranges;
    write_safetensors(folder / "bad", file);
    return refusal(folder / "bad");
  };
  CHECK_THAT(refused("[]"), Contains("ranges: expected an object"));
  CHECK_THAT(refused(R"({"stem": [0, 1]})"), Contains("the graph has no node \"stem\""));
  CHECK_THAT(refused(R"({"input": [0]})"), Contains("expected two numbers"));
  CHECK_THAT(refused(R"({"input": [1, 0]})"), Contains("the lower one first"));
  CHECK_THAT(refused(R"({"input": [0, 1e99]})"), Contains("finite"));
}

TEST_CASE("a checkpoint in half precision is half as large, and its statistics stay exact") {
  const test::TempFolder folder;
  const Checkpoint saved = small_checkpoint();
  const HostTensor batch = test::random_batch(saved.graph, 2, 1);
  const auto exact = run_reference(saved.graph, saved.weights, batch);
  for (const auto& [dtype, error] : {std::pair{DType::kF16, 2e-3}, {DType::kBF16, 2e-2}}) {
    save_checkpoint(folder / "half", saved, dtype);
    const SafetensorsHeader header = read_safetensors_header(folder / "half");
    CHECK(header.tensors.at("stem.conv.weight").dtype == dtype);
    CHECK(header.tensors.at("stem.bn.running_var").dtype == DType::kF32);
    const Checkpoint loaded = load_checkpoint(folder / "half");
    CHECK(loaded.weights.at("stem.conv.weight").dtype == DType::kF32);
    CHECK(loaded.weights.at("stem.bn.running_var").bytes ==
          saved.weights.at("stem.bn.running_var").bytes);
    const double difference =
        test::relative_error(run_reference(loaded.graph, loaded.weights, batch), exact);
    CHECK(difference > 0);
    CHECK(difference < error);
  }
}

TEST_CASE("an inconsistent checkpoint is not written") {
  const test::TempFolder folder;
  Checkpoint wrong = small_checkpoint();
  wrong.spec.input_size = 17;
  CHECK_THROWS_WITH(save_checkpoint(folder / "x", wrong), Contains("input_size 17"));
  wrong = small_checkpoint();
  wrong.weights.erase("stem.bn.bias");
  CHECK_THROWS_WITH(save_checkpoint(folder / "x", wrong), Contains("stem.bn.bias is missing"));
  CHECK(!std::filesystem::exists(folder / "x"));
}

TEST_CASE("weights that are no finite numbers, or no variances, are neither written nor read") {
  const test::TempFolder folder;
  const auto path = folder / "m.safetensors";
  Checkpoint bad = small_checkpoint();
  const auto name_of = [&](const std::string& ending) {
    for (const auto& [name, tensor] : bad.weights) {
      if (name.ends_with(ending)) return name;
    }
    throw std::logic_error("no weight " + ending);
  };
  const auto refused = [&](const std::string& name, float value, DType dtype,
                           const std::string& message) {
    bad = small_checkpoint();
    bad.weights.at(name).floats()[1] = value;
    CHECK_THROWS_WITH(save_checkpoint(path, bad, dtype),
                      Contains(path.string()) && Contains(name) && Contains(message));
    CHECK_FALSE(std::filesystem::exists(path));
  };
  refused("head_expression.bias", std::nanf(""), DType::kF32, "no number");
  refused("head_expression.weight", 65520.0f, DType::kF16, "inf as F16");
  refused(name_of(".running_var"), -0.5f, DType::kF32, "no variance");

  save_checkpoint(path, small_checkpoint());
  SafetensorsFile file = read_safetensors(path);
  file.tensors.at("head_expression.bias").floats()[2] = std::nanf("");
  write_safetensors(path, file);
  CHECK_THAT(refusal(path), Contains("head_expression.bias") && Contains("nan as F32"));
}

TEST_CASE("checkpoints that are cut, foreign, of another version or inconsistent are refused") {
  const test::TempFolder folder;
  const auto path = folder / "m.safetensors";
  save_checkpoint(path, small_checkpoint());
  SafetensorsFile file = read_safetensors(path);
  SECTION("cut at any length") {
    for (std::size_t length = std::filesystem::file_size(path); length > 0;) {
      length -= std::min<std::size_t>(length, length % 97 + 1);
      std::filesystem::resize_file(path, length);
      CHECK(refusal(path) != "accepted");
    }
  }
  SECTION("metadata of another kind") {
    file.metadata["version"] = "2";
    write_safetensors(path, file);
    CHECK_THAT(refusal(path), Contains("checkpoint version \"2\", this program reads version 1"));
    file.metadata["format"] = "pt";
    write_safetensors(path, file);
    CHECK_THAT(refusal(path), Contains("not a fer checkpoint: its format is \"pt\""));
    file.metadata.clear();
    write_safetensors(path, file);
    CHECK_THAT(refusal(path), Contains("not a fer checkpoint: no 'format' in it"));
  }
  SECTION("broken or deep JSON inside") {
    file.metadata["graph"] = "{\"version\":";
    write_safetensors(path, file);
    CHECK_THAT(refusal(path), Contains("graph: broken JSON"));
    file.metadata["graph"] = std::string(100'000, '[');
    write_safetensors(path, file);
    CHECK_THAT(refusal(path), Contains("graph: nested deeper"));
  }
  SECTION("tensors that do not belong to the graph") {
    SafetensorsFile changed = file;
    changed.tensors.erase("stem.conv.weight");
    write_safetensors(path, changed);
    CHECK_THAT(refusal(path), Contains("stem.conv.weight is missing"));
    changed = file;
    changed.tensors["stem.conv.weight"] = HostTensor::zeros({4, 1, 3, 2});
    write_safetensors(path, changed);
    CHECK_THAT(refusal(path), Contains("stem.conv.weight is [4, 1, 3, 2], the graph needs"));
    changed = file;
    changed.tensors["more"] = HostTensor::zeros({1});
    write_safetensors(path, changed);
    CHECK_THAT(refusal(path), Contains("no parameter \"more\""));
  }
  SECTION("a spec of other labels") {
    Checkpoint other = small_checkpoint();
    other.spec.heads[0].labels.pop_back();
    file.metadata["spec"] = to_json(other.spec).dump();
    write_safetensors(path, file);
    CHECK_THAT(refusal(path), Contains("head 'expression' has 2 labels, the graph 3 classes"));
  }
}

TEST_CASE("the checkpoint of version 1 loads for good and answers as it did") {
  const Checkpoint checkpoint =
      load_checkpoint(FER_SOURCE_DIR "/tests/model/data/version1.safetensors");
  CHECK(checkpoint.graph.nodes().size() == 22);
  CHECK(checkpoint.spec.heads[0].labels == LabelList{"happy", "neutral", "sad"});
  CHECK(checkpoint.spec.heads[0].temperature == 1.25f);
  CHECK(checkpoint.spec.default_head == "mean");
  CHECK(checkpoint.spec.provenance["epoch"] == 3);
  Image face(12, 12, 1);
  for (int i = 0; i < 144; ++i) face.pixels[i] = static_cast<std::uint8_t>(i * 37 % 256);
  const auto logits = run_reference(checkpoint.graph, checkpoint.weights,
                                    preprocess(checkpoint.spec, std::vector{face}));
  const std::vector<float> expression = {0.026078f, 3.514991f, 6.594182f};
  const std::vector<float> other = {3.021321f, -3.195617f, 0.345154f};
  for (int i = 0; i < 3; ++i) {
    CHECK(logits.at("expression").floats()[i] == Approx(expression[i]).margin(1e-4));
    CHECK(logits.at("other").floats()[i] == Approx(other[i]).margin(1e-4));
  }
  const auto probabilities = to_probabilities(checkpoint.spec, logits)[0].at("mean");
  CHECK(probabilities[0] == Approx(0.003717).margin(1e-5));
}

TEST_CASE("a checkpoint is readable with a few lines of Python") {
  if (std::system("command -v python3 > /dev/null") != 0) {
    test::skip("there is no python3");
    return;
  }
  const test::TempFolder folder;
  const Checkpoint checkpoint = small_checkpoint();
  save_checkpoint(folder / "m.safetensors", checkpoint);
  std::ofstream(folder / "read.py") << R"(
import json, struct, sys
data = open(sys.argv[1], 'rb').read()
length, = struct.unpack_from('<Q', data)
header = json.loads(data[8:8 + length])
metadata = header.pop('__metadata__')
assert metadata['format'] == 'fer-checkpoint' and metadata['version'] == '1'
graph = json.loads(metadata['graph'])
assert [n['op'] for n in graph['nodes']][:4] == ['input', 'conv2d', 'batch_norm', 'relu']
assert json.loads(metadata['spec'])['heads'][0]['labels'] == ['happy', 'neutral', 'sad']
entry = header['head_expression.bias']
begin, end = entry['data_offsets']
assert entry['dtype'] == 'F32' and entry['shape'] == [3]
print(*('%.9g' % v for v in struct.unpack('<3f', data[8 + length + begin:8 + length + end])))
)";
  const std::string command = "python3 '" + (folder / "read.py").string() + "' '" +
                              (folder / "m.safetensors").string() + "' > '" +
                              (folder / "out").string() + "'";
  REQUIRE(std::system(command.c_str()) == 0);
  std::ifstream out(folder / "out");
  for (const float expected : checkpoint.weights.at("head_expression.bias").to_floats()) {
    float value = 0;
    out >> value;
    CHECK(value == expected);
  }
}

TEST_CASE("another spec changes the spec of a file and nothing else") {
  const test::TempFolder folder;
  const auto path = folder / "m.safetensors";
  Checkpoint checkpoint = small_checkpoint();
  save_checkpoint(path, checkpoint, DType::kF16);
  SafetensorsFile before = read_safetensors(path);
  before.metadata["note"] = "of somebody else";
  write_safetensors(path, before);

  checkpoint.spec.heads[0].temperature = 1.75f;
  checkpoint.spec.heads[0].uncertain_below = 0.4f;
  replace_spec(path, checkpoint.spec);
  CHECK(load_checkpoint(path).spec == checkpoint.spec);
  SafetensorsFile after = read_safetensors(path);
  CHECK(after.metadata.at("spec") != before.metadata.at("spec"));
  after.metadata["spec"] = before.metadata.at("spec");
  CHECK(after.metadata == before.metadata);
  REQUIRE(after.tensors.size() == before.tensors.size());
  for (const auto& [name, tensor] : before.tensors) {
    CHECK(after.tensors.at(name).dtype == tensor.dtype);
    CHECK(after.tensors.at(name).bytes == tensor.bytes);
  }

  checkpoint.spec.heads[0].labels.pop_back();
  CHECK_THROWS_WITH(replace_spec(path, checkpoint.spec), Contains("3 classes"));
  CHECK(load_checkpoint(path).spec.heads[0].temperature == 1.75f);
}
