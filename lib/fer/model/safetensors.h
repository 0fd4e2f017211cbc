// The safetensors container: u64 little-endian header length, JSON header, raw tensor data.
// https://huggingface.co/docs/safetensors - read defensively: a file is hostile until checked.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "fer/model/host_tensor.h"

namespace fer {

struct SafetensorsFile {
  std::map<std::string, std::string> metadata;  // "__metadata__"
  TensorMap tensors;
};

// What a file says of itself, all checked, without the data.
struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::map<std::string, TensorType> tensors;  // as read_safetensors would return them
};

// Header padded with spaces to 8 bytes, tensors in name order, aligned as they come. Written to a
// temporary name and renamed.
void write_safetensors(const std::filesystem::path& path, const SafetensorsFile& file);
std::vector<std::uint8_t> encode_safetensors_header(const SafetensorsFile& file);

// Reads F64 (as F32), F32, F16, BF16, I64 and U8. Throws kInput, before memory for the data is
// taken, on: a header longer than the file or than 100 MB, JSON that is broken, deep or names a
// tensor twice, unknown dtypes, negative or overflowing shapes, offsets that overlap, leave gaps,
// are out of range or do not fit the shape.
// check: sees the header before that memory is taken, of the same file whatever is renamed over it
// meanwhile, and throws what it does not like.
SafetensorsFile read_safetensors(const std::filesystem::path& path,
                                 const std::function<void(const SafetensorsHeader&)>& check = {});
SafetensorsHeader read_safetensors_header(const std::filesystem::path& path);
std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path);
// Another text under `key` of the metadata; every byte of data stays. Atomic, and as careful with
// what it reads.
void replace_safetensors_metadata(const std::filesystem::path& path, const std::string& key,
                                  const std::string& text);

}  // namespace fer
