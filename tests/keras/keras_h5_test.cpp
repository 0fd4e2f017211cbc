#include "fer/keras/keras_h5.h"

#include <catch2/catch.hpp>

#include "fer/core/error.h"
#include "keras/support.h"
#include "support/program.h"
#include "support/seeded_weights.h"

using namespace fer;
using namespace fer::test;
using Catch::Contains;

namespace {

HostTensor counted(Shape shape) {
  HostTensor tensor = HostTensor::zeros(std::move(shape));
  float next = 0;
  for (float& v : tensor.floats()) v = next++;
  return tensor;
}

H5Layer conv_layer(const std::string& name = "block1_conv1") {
  return {name, {{name + "/kernel:0", counted({1, 2, 3, 2})}, {name + "/bias:0", counted({2})}}};
}

std::string error_of(const std::filesystem::path& path) {
  try {
    read_keras_h5(path);
  } catch (const Error& error) {
    CHECK(error.exit_code() == 2);
    CHECK(std::string(error.what()).find('\n') == std::string::npos);
    CHECK_THAT(error.what(), Catch::StartsWith(path.string()));
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("Keras' layers come out as torch names and lays them out") {
  const TemporaryFolder folder;
  const std::vector<float> norm[] = {{1, 2}, {3, 4}, {5, 6}, {7, 8}};
  write_keras(folder / "a.h5",
              {{"input_1", {}},
               conv_layer(),
               {"norm",
                {{"norm/gamma:0", HostTensor::from_floats({2}, norm[0])},
                 {"norm/beta:0", HostTensor::from_floats({2}, norm[1])},
                 {"norm/moving_mean:0", HostTensor::from_floats({2}, norm[2])},
                 {"norm/moving_variance:0", HostTensor::from_floats({2}, norm[3])}}},
               // As the oldest files call theirs.
               {"fc1", {{"fc1_W_1:0", counted({3, 2})}, {"fc1_b_1:0", counted({2})}}}});
  const TensorMap weights = read_keras_h5(folder / "a.h5");
  CHECK(weights.size() == 8);
  const HostTensor& kernel = weights.at("block1_conv1.weight");
  CHECK(kernel.shape == Shape{2, 3, 1, 2});
  // [h, w, i, o] of the file is [o, i, h, w] here: value ((0 * 2 + w) * 3 + i) * 2 + o.
  for (int o = 0; o < 2; ++o) {
    for (int i = 0; i < 3; ++i) {
      for (int w = 0; w < 2; ++w) {
        CHECK(kernel.floats()[(o * 3 + i) * 2 + w] == static_cast<float>((w * 3 + i) * 2 + o));
      }
    }
  }
  const auto dense = weights.at("fc1.weight");
  CHECK(dense.shape == Shape{2, 3});
  CHECK(dense.to_floats() == std::vector<float>{0, 2, 4, 1, 3, 5});
  const char* suffixes[] = {".weight", ".bias", ".running_mean", ".running_var"};
  for (int i = 0; i < 4; ++i)
    CHECK(weights.at(std::string("norm") + suffixes[i]).to_floats() == norm[i]);
}

TEST_CASE("whole models and nets inside nets are read too") {
  const TemporaryFolder folder;
  const hid_t file =
      H5Fcreate((folder / "model.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hid_t group = H5Gcreate2(file, "model_weights", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  H5Layer nested{"vgg16", {}};
  for (const char* name : {"block1_conv1", "block1_conv2"}) {
    for (const auto& weight : conv_layer(name).weights) nested.weights.push_back(weight);
  }
  write_layers(group, {nested});
  H5Gclose(group);
  H5Fclose(file);
  const TensorMap weights = read_keras_h5(folder / "model.h5");
  CHECK(weights.size() == 4);
  CHECK(weights.contains("block1_conv2.bias"));
}

TEST_CASE("a broken or hostile .h5 is one line that names file and layer") {
  const TemporaryFolder folder;
  const auto path = folder / "x.h5";
  CHECK_THAT(error_of(folder / "none.h5"), Contains("not an HDF5 file"));
  write_text(path, "not one");
  CHECK_THAT(error_of(path), Contains("not an HDF5 file"));

  write_keras(path, {conv_layer(), conv_layer("block1_conv2")});
  const std::string whole = slurp(path);
  for (std::size_t keep = 0; keep < whole.size(); keep += 97) {
    write_text(path, whole.substr(0, keep));
    CHECK_FALSE(error_of(path).empty());
  }

  const auto edit = [&](auto&& change) {
    write_keras(path, {conv_layer()});
    const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    change(file);
    H5Fclose(file);
    return error_of(path);
  };
  CHECK_THAT(edit([](hid_t file) { H5Adelete(file, "layer_names"); }),
             Contains("neither 'layer_names' nor 'model_weights'"));
  CHECK_THAT(edit([](hid_t file) { H5Ldelete(file, "block1_conv1", H5P_DEFAULT); }),
             Contains("layer \"block1_conv1\" is missing"));
  CHECK_THAT(
      edit([](hid_t file) { H5Ldelete(file, "block1_conv1/block1_conv1/bias:0", H5P_DEFAULT); }),
      Contains("weight \"block1_conv1/bias:0\" is missing"));
  // A link into another file is not followed, though the file is a good one.
  write_keras(folder / "other.h5", {conv_layer()});
  CHECK_THAT(edit([](hid_t file) {
               H5Ldelete(file, "block1_conv1", H5P_DEFAULT);
               H5Lcreate_external("other.h5", "/block1_conv1", file, "block1_conv1", H5P_DEFAULT,
                                  H5P_DEFAULT);
             }),
             Contains("layer \"block1_conv1\" is missing"));
  // Shapes that promise more than is stored take no memory.
  CHECK_THAT(edit([](hid_t file) {
               H5Ldelete(file, "block1_conv1/block1_conv1/bias:0", H5P_DEFAULT);
               const hsize_t huge = hsize_t{1} << 30;
               const hid_t space = H5Screate_simple(1, &huge, nullptr);
               H5Dclose(H5Dcreate2(file, "block1_conv1/block1_conv1/bias:0", H5T_NATIVE_FLOAT,
                                   space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
               H5Sclose(space);
             }),
             Contains("is not stored in the file"));

  write_keras(path, {{"gru", {{"a", counted({2})}, {"b", counted({2})}, {"c", counted({2})}}}});
  CHECK_THAT(error_of(path), Contains("layer \"gru\" is no convolution"));
}

TEST_CASE("reading leaves HDF5 to the program as it was") {
  const TemporaryFolder folder;
  H5E_auto2_t before = nullptr, after = nullptr;
  void *before_data = nullptr, *after_data = nullptr;
  H5Eget_auto2(H5E_DEFAULT, &before, &before_data);
  CHECK_FALSE(error_of(folder / "nowhere.h5").empty());
  H5Eget_auto2(H5E_DEFAULT, &after, &after_data);
  REQUIRE(before != nullptr);
  CHECK(before == after);
  CHECK(before_data == after_data);
  CHECK(H5Lis_registered(H5L_TYPE_EXTERNAL) > 0);
}
