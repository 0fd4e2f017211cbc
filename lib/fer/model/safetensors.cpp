#include "fer/model/safetensors.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <tuple>
#include <utility>

#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/model/json_reader.h"

namespace fer {

using nlohmann::json;

namespace {

constexpr const char* kMetadata = "__metadata__";
constexpr std::uint64_t kMaxHeader = 100'000'000;
constexpr int kMaxDepth = 4;  // header, tensor, its shape, an extent

struct StoredTensor {
  TensorType type;
  bool is_f64 = false;  // stored in double precision, read as F32
  std::int64_t begin = 0, end = 0;
};

// A file whose header is read and checked; the data follows in the stream.
struct OpenFile {
  std::ifstream stream;
  std::map<std::string, std::string> metadata;
  std::map<std::string, StoredTensor> tensors;
  std::int64_t data_begin = 0;
};

std::optional<DType> dtype_named(const std::string& name) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kI64, DType::kU8}) {
    if (to_string(dtype) == name) return dtype;
  }
  return {};
}

void read_exactly(std::ifstream& stream, void* target, std::int64_t size,
                  const std::string& place) {
  if (!stream.read(static_cast<char*>(target), size))
    fail_input(place + ": cannot be read to its end");
}

StoredTensor tensor_from_json(const json& value, const std::string& place, std::int64_t data_size) {
  JsonReader reader(value, place);
  const std::string dtype = reader.text("dtype");
  StoredTensor tensor;
  tensor.is_f64 = dtype == "F64";
  const auto known = tensor.is_f64 ? DType::kF32 : dtype_named(dtype);
  if (!known) fail_input(place + ": unknown dtype " + quote(dtype));
  constexpr auto kAny = std::numeric_limits<std::int64_t>::max();
  tensor.type = {*known, reader.integers("shape", 0, kAny)};
  const auto offsets = reader.integers("data_offsets", 0, kAny);
  reader.finish();
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data_size) {
    fail_input(place + ": data_offsets " + to_string(offsets) + " are not within the " +
               std::to_string(data_size) + " bytes of data");
  }
  tensor.begin = offsets[0];
  tensor.end = offsets[1];
  std::int64_t bytes = 0;
  const auto element = static_cast<std::int64_t>(tensor.is_f64 ? sizeof(double) : size_of(*known));
  try {
    if (__builtin_mul_overflow(element_count(tensor.type.shape), element, &bytes)) {
      fail_input("shape " + to_string(tensor.type.shape) + " overflows");
    }
  } catch (const Error& error) {
    fail_input(place + ": " + error.what());
  }
  if (bytes != tensor.end - tensor.begin) {
    fail_input(place + ": shape " + to_string(tensor.type.shape) + " of " + dtype + " needs " +
               std::to_string(bytes) + " bytes, data_offsets " + to_string(offsets) + " hold " +
               std::to_string(tensor.end - tensor.begin));
  }
  return tensor;
}

// Every byte of data belongs to exactly one tensor.
void check_layout(const std::map<std::string, StoredTensor>& tensors, std::int64_t data_size,
                  const std::string& place) {
  using Entry = std::pair<std::string, StoredTensor>;
  std::vector<Entry> entries(tensors.begin(), tensors.end());
  std::ranges::sort(entries, {}, [](const Entry& entry) {
    return std::pair(entry.second.begin, entry.second.end);
  });
  std::int64_t position = 0;
  for (const auto& [name, tensor] : entries) {
    if (tensor.begin != position) {
      fail_input(place + ": tensor " + quote(name) + " begins at byte " +
                 std::to_string(tensor.begin) + " of the data, the one before it ends at " +
                 std::to_string(position));
    }
    position = tensor.end;
  }
  if (position != data_size) {
    fail_input(place + ": " + std::to_string(data_size) + " bytes of data, the tensors fill " +
               std::to_string(position));
  }
}

OpenFile open_file(const std::filesystem::path& path) {
  const std::string place = path.string();
  std::error_code error;
  std::ignore = std::filesystem::file_size(path, error);  // says what is wrong with a folder, too
  if (error) fail_input(place + ": " + error.message());
  OpenFile file;
  file.stream.open(path, std::ios::binary | std::ios::ate);
  if (!file.stream) fail_input(place + ": " + std::generic_category().message(errno));
  const auto file_size = static_cast<std::uintmax_t>(file.stream.tellg());
  file.stream.seekg(0);

  std::uint64_t header_size = 0;
  if (file_size < sizeof header_size) {
    fail_input(place + ": " + std::to_string(file_size) + " bytes are no safetensors file");
  }
  read_exactly(file.stream, &header_size, sizeof header_size, place);
  if (header_size > file_size - sizeof header_size || header_size > kMaxHeader) {
    fail_input(place + ": not a safetensors file, or cut off: a header of " +
               std::to_string(header_size) + " bytes in a file of " + std::to_string(file_size));
  }
  std::string header(header_size, '\0');
  read_exactly(file.stream, header.data(), static_cast<std::int64_t>(header_size), place);
  file.data_begin = static_cast<std::int64_t>(sizeof header_size + header_size);
  const auto data_size = static_cast<std::int64_t>(file_size) - file.data_begin;

  const json entries = parse_json(header, place, kMaxDepth);
  if (!entries.is_object()) fail_input(place + ": the header is not an object");
  for (const auto& [name, value] : entries.items()) {
    if (name == kMetadata) {
      JsonReader metadata(value, place + ": metadata");
      for (const auto& [key, text] : value.items()) file.metadata[key] = metadata.text(key);
    } else {
      file.tensors[name] = tensor_from_json(value, place + ": tensor " + quote(name), data_size);
    }
  }
  check_layout(file.tensors, data_size, place);
  return file;
}

HostTensor read_tensor(OpenFile& file, const StoredTensor& tensor, const std::string& place) {
  file.stream.seekg(file.data_begin + tensor.begin);
  HostTensor result = HostTensor::zeros(tensor.type.shape, tensor.type.dtype);
  if (!tensor.is_f64) {
    read_exactly(file.stream, result.bytes.data(), tensor.end - tensor.begin, place);
    return result;
  }
  std::vector<double> values(result.count());
  read_exactly(file.stream, values.data(), tensor.end - tensor.begin, place);
  std::ranges::transform(values, result.floats().begin(),
                         [](double value) { return static_cast<float>(value); });
  return result;
}

SafetensorsHeader header_of(const OpenFile& file) {
  SafetensorsHeader header{file.metadata, {}};
  for (const auto& [name, tensor] : file.tensors) header.tensors[name] = tensor.type;
  return header;
}

// The JSON behind its length, padded.
std::vector<std::uint8_t> encode_header(const json& header) {
  std::string text;
  try {
    text = header.dump();
  } catch (const json::exception&) {
    fail_input("a name or a metadata text is not UTF-8");
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = text.size();
  std::vector<std::uint8_t> bytes(sizeof length + text.size());
  std::memcpy(bytes.data(), &length, sizeof length);
  std::memcpy(bytes.data() + sizeof length, text.data(), text.size());
  return bytes;
}

}  // namespace

std::vector<std::uint8_t> encode_safetensors_header(const SafetensorsFile& file) {
  json header = json::object();
  if (!file.metadata.empty()) header[kMetadata] = file.metadata;
  std::int64_t position = 0;
  for (const auto& [name, tensor] : file.tensors) {
    const auto size = static_cast<std::int64_t>(tensor.bytes.size());
    if (name == kMetadata ||
        size != tensor.count() * static_cast<std::int64_t>(size_of(tensor.dtype))) {
      fail_input("tensor " + quote(name) + " " + to_string(tensor.shape) + " of " +
                 std::to_string(size) + " bytes cannot be stored");
    }
    header[name] = {{"dtype", to_string(tensor.dtype)},
                    {"shape", tensor.shape},
                    {"data_offsets", {position, position + size}}};
    position += size;
  }
  return encode_header(header);
}

void write_safetensors(const std::filesystem::path& path, const SafetensorsFile& file) {
  const std::vector<std::uint8_t> header = encode_safetensors_header(file);
  std::vector<std::span<const std::uint8_t>> parts = {header};
  for (const auto& [name, tensor] : file.tensors) {
    parts.emplace_back(reinterpret_cast<const std::uint8_t*>(tensor.bytes.data()),
                       tensor.bytes.size());
  }
  write_file_atomically(path, parts);
}

SafetensorsFile read_safetensors(const std::filesystem::path& path,
                                 const std::function<void(const SafetensorsHeader&)>& check) {
  OpenFile file = open_file(path);
  if (check) check(header_of(file));
  SafetensorsFile result;
  for (const auto& [name, tensor] : file.tensors) {
    result.tensors[name] = read_tensor(file, tensor, path.string());
  }
  result.metadata = std::move(file.metadata);
  return result;
}

SafetensorsHeader read_safetensors_header(const std::filesystem::path& path) {
  return header_of(open_file(path));
}

std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path) {
  return read_safetensors_header(path).metadata;
}

void replace_safetensors_metadata(const std::filesystem::path& path, const std::string& key,
                                  const std::string& text) {
  const auto data_begin = open_file(path).data_begin;
  const std::vector<std::uint8_t> bytes = read_binary_file(path);
  const std::span<const std::uint8_t> data = std::span(bytes).subspan(data_begin);
  json header = json::parse(bytes.begin() + sizeof(std::uint64_t), bytes.begin() + data_begin);
  header[kMetadata][key] = text;
  const std::vector<std::uint8_t> head = encode_header(header);
  const std::array<std::span<const std::uint8_t>, 2> parts = {head, data};
  write_file_atomically(path, parts);
}

}  // namespace fer
