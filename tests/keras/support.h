// Writes weights as Keras 2 does: attributes with names, groups of datasets.
#pragma once

#include <hdf5.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "fer/model/host_tensor.h"

namespace fer::test {

struct H5Layer {
  std::string name;
  std::vector<std::pair<std::string, HostTensor>> weights;  // by weight_names' name
};

inline void write_names(hid_t object, const char* attribute,
                        const std::vector<std::string>& names) {
  std::size_t length = 1;
  for (const auto& name : names) length = std::max(length, name.size());
  std::string bytes;
  for (const auto& name : names) bytes += name + std::string(length - name.size(), '\0');
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, length);
  H5Tset_strpad(type, H5T_STR_NULLPAD);
  const hsize_t count = names.size();
  const hid_t space = H5Screate_simple(1, &count, nullptr);
  const hid_t written = H5Acreate2(object, attribute, type, space, H5P_DEFAULT, H5P_DEFAULT);
  if (count > 0) H5Awrite(written, type, bytes.data());
  H5Aclose(written);
  H5Sclose(space);
  H5Tclose(type);
}

inline void write_dataset(hid_t group, const std::string& name, const HostTensor& tensor) {
  const hid_t nested = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(nested, 1);
  const std::vector<hsize_t> extents(tensor.shape.begin(), tensor.shape.end());
  const hid_t space = H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr);
  const hid_t data =
      H5Dcreate2(group, name.c_str(), H5T_NATIVE_FLOAT, space, nested, H5P_DEFAULT, H5P_DEFAULT);
  H5Dwrite(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, tensor.bytes.data());
  H5Dclose(data);
  H5Sclose(space);
  H5Pclose(nested);
}

inline void write_layers(hid_t root, const std::vector<H5Layer>& layers) {
  std::vector<std::string> names;
  for (const H5Layer& layer : layers) names.push_back(layer.name);
  write_names(root, "layer_names", names);
  for (const H5Layer& layer : layers) {
    const hid_t group = H5Gcreate2(root, layer.name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    std::vector<std::string> weights;
    for (const auto& [name, tensor] : layer.weights) weights.push_back(name);
    write_names(group, "weight_names", weights);
    for (const auto& [name, tensor] : layer.weights) write_dataset(group, name, tensor);
    H5Gclose(group);
  }
}

inline void write_keras(const std::filesystem::path& path, const std::vector<H5Layer>& layers) {
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  write_layers(file, layers);
  H5Fclose(file);
}

}  // namespace fer::test
