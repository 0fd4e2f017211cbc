#include "fer/keras/keras_h5.h"

#include <hdf5.h>

#include <string>
#include <utility>
#include <vector>

#include "fer/core/error.h"
#include "fer/model/json_reader.h"

namespace fer {
namespace {

constexpr hssize_t kMaxNames = 100'000;
constexpr std::size_t kMaxName = 1'000;
constexpr std::int64_t kMaxElements = std::int64_t{1} << 31;

class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  operator hid_t() const { return id_; }
  bool open() const { return id_ >= 0; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

// What goes wrong comes back as one fer::Error; HDF5 would print it.
class QuietErrors {
 public:
  QuietErrors() : saved_(H5Eget_auto2(H5E_DEFAULT, &function_, &data_) >= 0) {
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~QuietErrors() {
    if (saved_) H5Eset_auto2(H5E_DEFAULT, function_, data_);
  }
  QuietErrors(const QuietErrors&) = delete;
  QuietErrors& operator=(const QuietErrors&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
  bool saved_;
};

herr_t refuse_link(const char*, const char*, const char*, const char*, unsigned*, hid_t, void*) {
  return -1;
}

// Property list of an access that follows no link into another file.
hid_t within_the_file(hid_t kind) {
  const hid_t access = H5Pcreate(kind);
  H5Pset_elink_cb(access, refuse_link, nullptr);
  return access;
}

class Reader {
 public:
  explicit Reader(const std::filesystem::path& path)
      : place_(path.string()),
        group_access_(within_the_file(H5P_GROUP_ACCESS), H5Pclose),
        data_access_(within_the_file(H5P_DATASET_ACCESS), H5Pclose),
        file_(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose) {
    if (!file_.open()) fail("not an HDF5 file, or cut off");
  }

  TensorMap read() {
    // A whole model keeps its weights in a group of their own.
    const bool whole_model = H5Aexists(file_, "layer_names") <= 0;
    if (whole_model && (H5Lexists(file_, "model_weights", H5P_DEFAULT) <= 0)) {
      fail("no weights as Keras 2 saves them (neither 'layer_names' nor 'model_weights')");
    }
    const Handle root(H5Gopen2(file_, whole_model ? "model_weights" : "/", group_access_),
                      H5Gclose);
    if (!root.open()) fail("the group of the weights cannot be opened");
    for (const std::string& layer : names(root, "layer_names", "the file")) {
      const Handle group(H5Gopen2(root, layer.c_str(), group_access_), H5Gclose);
      if (!group.open()) fail("layer " + quote(layer) + " is missing");
      read_layer(group, layer);
    }
    return std::move(tensors_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { fail_input(place_ + ": " + what); }

  // A one-dimensional attribute of strings, of fixed or of variable length.
  std::vector<std::string> names(hid_t object, const char* attribute, const std::string& of) const {
    const Handle found(H5Aopen(object, attribute, H5P_DEFAULT), H5Aclose);
    if (!found.open()) fail(of + " has no '" + attribute + "'");
    const Handle type(H5Aget_type(found), H5Tclose), space(H5Aget_space(found), H5Sclose);
    const hssize_t count = H5Sget_simple_extent_npoints(space);
    if (count < 0 || count > kMaxNames) fail(std::string(attribute) + " of " + of + " is broken");
    std::vector<std::string> result;
    if (count == 0) return result;
    if (H5Tget_class(type) != H5T_STRING)
      fail(std::string(attribute) + " of " + of + " is no text");
    if (H5Tis_variable_str(type) > 0) {
      std::vector<char*> texts(static_cast<std::size_t>(count), nullptr);
      const Handle memory(H5Tcopy(H5T_C_S1), H5Tclose);
      H5Tset_size(memory, H5T_VARIABLE);
      H5Tset_cset(memory, H5Tget_cset(type));
      if (H5Aread(found, memory, texts.data()) < 0) fail("'" + of + "' cannot be read");
      for (const char* text : texts) result.emplace_back(text == nullptr ? "" : text);
      H5Dvlen_reclaim(memory, space, H5P_DEFAULT, texts.data());
      return result;
    }
    const std::size_t length = H5Tget_size(type);
    if (length == 0 || length > kMaxName) fail(std::string(attribute) + " of " + of + " is broken");
    std::string bytes(length * static_cast<std::size_t>(count), '\0');
    if (H5Aread(found, type, bytes.data()) < 0) fail("'" + of + "' cannot be read");
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      result.emplace_back(bytes.substr(i * length, length).c_str());  // up to the padding
    }
    return result;
  }

  HostTensor dataset(hid_t group, const std::string& name) const {
    const Handle data(H5Dopen2(group, name.c_str(), data_access_), H5Dclose);
    if (!data.open()) fail("weight " + quote(name) + " is missing or cut off");
    const Handle type(H5Dget_type(data), H5Tclose), space(H5Dget_space(data), H5Sclose);
    const Handle created(H5Dget_create_plist(data), H5Pclose);
    const int rank = H5Sget_simple_extent_ndims(space);
    if (H5Tget_class(type) != H5T_FLOAT || rank < 1 || rank > 4) {
      fail("weight " + quote(name) + " is no array of numbers of one to four dimensions");
    }
    hsize_t extents[4] = {};
    H5Sget_simple_extent_dims(space, extents, nullptr);
    Shape shape(extents, extents + rank);
    for (const std::int64_t extent : shape) {
      if (extent < 0 || extent > kMaxElements) fail("weight " + quote(name) + " is too large");
    }
    const std::int64_t count = element_count(shape);
    const auto stored = static_cast<std::int64_t>(H5Dget_storage_size(data));
    if (count > kMaxElements || stored < count * static_cast<std::int64_t>(H5Tget_size(type)) ||
        H5Pget_external_count(created) != 0 || H5Pget_layout(created) == H5D_VIRTUAL) {
      fail("weight " + quote(name) + " " + to_string(shape) + " is not stored in the file");
    }
    HostTensor tensor = HostTensor::zeros(std::move(shape));
    if (H5Dread(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, tensor.floats().data()) <
        0) {
      fail("weight " + quote(name) + " cannot be read: the file is cut off or broken");
    }
    return tensor;
  }

  void read_layer(hid_t group, const std::string& layer) {
    // A net inside a net keeps all its layers in one group; their names stand before the slash.
    std::vector<std::pair<std::string, std::vector<HostTensor>>> parts;
    for (const std::string& name : names(group, "weight_names", "layer " + quote(layer))) {
      const std::size_t slash = name.rfind('/');
      const std::string owner = slash == std::string::npos ? layer : name.substr(0, slash);
      const std::string part = owner.substr(owner.rfind('/') + 1);
      if (parts.empty() || parts.back().first != part) parts.emplace_back(part, 0);
      parts.back().second.push_back(dataset(group, name));
    }
    for (auto& [name, weights] : parts) add(name, std::move(weights));
  }

  void add(const std::string& layer, std::vector<HostTensor> weights) {
    const auto put = [&](const char* suffix, HostTensor tensor) {
      if (!tensors_.emplace(layer + suffix, std::move(tensor)).second) {
        fail("layer " + quote(layer) + " stands twice");
      }
    };
    const std::size_t rank = weights[0].shape.size();
    if (rank == 1 && weights.size() == 4) {
      const char* suffixes[] = {".weight", ".bias", ".running_mean", ".running_var"};
      for (std::size_t i = 0; i < 4; ++i) put(suffixes[i], std::move(weights[i]));
    } else if ((rank == 2 || rank == 4) && weights.size() <= 2) {
      put(".weight", rank == 2 ? transposed(weights[0]) : oihw(weights[0]));
      if (weights.size() == 2) put(".bias", std::move(weights[1]));
    } else {
      fail("layer " + quote(layer) + " is no convolution, dense layer or batch norm");
    }
  }

  static HostTensor transposed(const HostTensor& from) {
    const std::int64_t rows = from.shape[0], columns = from.shape[1];
    HostTensor to = HostTensor::zeros({columns, rows});
    const auto x = from.floats();
    const auto y = to.floats();
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) y[c * rows + r] = x[r * columns + c];
    }
    return to;
  }

  static HostTensor oihw(const HostTensor& from) {
    const std::int64_t taps = from.shape[0] * from.shape[1], in = from.shape[2],
                       out = from.shape[3];
    HostTensor to = HostTensor::zeros({out, in, from.shape[0], from.shape[1]});
    const auto x = from.floats();
    const auto y = to.floats();
    for (std::int64_t t = 0; t < taps; ++t) {
      for (std::int64_t i = 0; i < in; ++i) {
        for (std::int64_t o = 0; o < out; ++o)
          y[(o * in + i) * taps + t] = x[(t * in + i) * out + o];
      }
    }
    return to;
  }

  std::string place_;
  Handle group_access_, data_access_;
  Handle file_;
  TensorMap tensors_;
};

}  // namespace

TensorMap read_keras_h5(const std::filesystem::path& path) {
  const QuietErrors quiet;
  return Reader(path).read();
}

}  // namespace fer
