#include "fer/model/safetensors.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "fer/core/error.h"
#include "fer/core/file.h"
#include "support/temp_folder.h"

using namespace fer;
using Catch::Contains;

namespace {

using Floats = std::vector<float>;

// A file of this header, as it is, and `data` zero bytes.
std::filesystem::path raw_file(const test::TempFolder& folder, const std::string& header,
                               std::size_t data) {
  const std::uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  write_file_atomically(folder / "hostile", bytes + header + std::string(data, '\0'));
  return folder / "hostile";
}

std::string tensor(const std::string& name, const std::string& shape, int begin, int end,
                   const std::string& dtype = "F32") {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(end) + "]}";
}

std::string refusal(const std::filesystem::path& path) {
  for (const bool header_only : {true, false}) {
    try {
      header_only ? static_cast<void>(read_safetensors_header(path))
                  : static_cast<void>(read_safetensors(path));
    } catch (const Error& error) {
      CHECK(error.fault() == Fault::kInput);
      CHECK_THAT(error.what(), Contains(path.string()));
      CHECK_THAT(error.what(), !Contains("\n"));
      if (!header_only) return error.what();
      continue;
    }
    return "accepted";
  }
  return "accepted";
}

}  // namespace

TEST_CASE("safetensors: what is written reads back, byte by byte") {
  const test::TempFolder folder;
  SafetensorsFile file;
  file.metadata = {{"format", "x"}, {"note", "quotes \" and\nlines, ümläut"}};
  file.tensors["a"] = HostTensor::from_floats({2, 1, 3}, Floats{1, 2, 3, 4, 5, 6});
  file.tensors["b"] = file.tensors["a"].converted(DType::kF16);
  file.tensors["c"] = file.tensors["a"].converted(DType::kBF16);
  file.tensors["d"] = HostTensor::zeros({}, DType::kI64);
  file.tensors["e"] = HostTensor::zeros({3}, DType::kU8);
  file.tensors["f"] = HostTensor::zeros({0, 5});
  file.tensors["g"] = HostTensor::from_floats({1}, Floats{7});
  write_safetensors(folder / "x", file);

  const SafetensorsFile back = read_safetensors(folder / "x");
  CHECK(back.metadata == file.metadata);
  CHECK(read_safetensors_metadata(folder / "x") == file.metadata);
  const SafetensorsHeader header = read_safetensors_header(folder / "x");
  REQUIRE(back.tensors.size() == file.tensors.size());
  for (const auto& [name, written] : file.tensors) {
    const HostTensor& read = back.tensors.at(name);
    CHECK(read.dtype == written.dtype);
    CHECK(read.shape == written.shape);
    CHECK(read.bytes == written.bytes);
    CHECK(header.tensors.at(name).dtype == written.dtype);
    CHECK(header.tensors.at(name).shape == written.shape);
  }
}

TEST_CASE("safetensors: header and data are of one file, whatever takes its name meanwhile") {
  const test::TempFolder folder;
  SafetensorsFile one, other;
  one.metadata["run"] = "one";
  one.tensors["a"] = HostTensor::from_floats({2}, Floats{1, 2});
  other.tensors["b"] = HostTensor::from_floats({3}, Floats{3, 4, 5});
  write_safetensors(folder / "x", one);
  const SafetensorsFile read = read_safetensors(folder / "x", [&](const SafetensorsHeader& header) {
    CHECK(header.metadata.at("run") == "one");
    CHECK(header.tensors.at("a").shape == Shape{2});
    write_safetensors(folder / "x", other);  // as a training run does
  });
  REQUIRE(read.tensors.contains("a"));
  CHECK(read.tensors.at("a").bytes == one.tensors.at("a").bytes);
  CHECK_THROWS_WITH(
      read_safetensors(folder / "x", [](const SafetensorsHeader&) { fail_input("not wanted"); }),
      "not wanted");
}

TEST_CASE("safetensors: the bytes are those of the published format") {
  const test::TempFolder folder;
  SafetensorsFile file;
  file.metadata = {{"k", "v"}};
  file.tensors["t"] = HostTensor::from_floats({2}, Floats{1, -2});
  write_safetensors(folder / "x", file);
  const std::string json =
      R"({"__metadata__":{"k":"v"},"t":{"data_offsets":[0,8],"dtype":"F32","shape":[2]}})";
  const std::string padded = json + std::string((8 - json.size() % 8) % 8, ' ');
  const std::string length = {static_cast<char>(padded.size()), 0, 0, 0, 0, 0, 0, 0};
  const std::string data = {0, 0, '\x80', '\x3f', 0, 0, 0, '\xc0'};
  CHECK(read_text_file(folder / "x") == length + padded + data);
}

TEST_CASE("safetensors: double precision is read as single") {
  const test::TempFolder folder;
  const auto path = raw_file(folder, "{" + tensor("t", "[2]", 0, 16, "F64") + "}", 0);
  const double values[] = {1.5, -0.1};
  std::string bytes = read_text_file(path);
  bytes.append(reinterpret_cast<const char*>(values), sizeof values);
  write_file_atomically(path, bytes);
  const HostTensor t = read_safetensors(path).tensors.at("t");
  CHECK(t.dtype == DType::kF32);
  CHECK(t.to_floats() == Floats{1.5f, -0.1f});
  CHECK(read_safetensors_header(path).tensors.at("t").dtype == DType::kF32);
}

TEST_CASE("safetensors: tensors may stand in any order of offsets") {
  const test::TempFolder folder;
  const auto path =
      raw_file(folder, "{" + tensor("a", "[1]", 4, 8) + "," + tensor("b", "[1]", 0, 4) + "}", 8);
  CHECK(read_safetensors(path).tensors.size() == 2);
}

TEST_CASE("safetensors: hostile files are refused") {
  const test::TempFolder folder;
  const auto refused = [&](const std::string& header, std::size_t data) {
    return refusal(raw_file(folder, header, data));
  };
  SECTION("no file, a folder, too short") {
    CHECK_THAT(refusal(folder / "none"), Contains("No such file"));
    CHECK_THAT(refusal(folder.path()), Contains("directory"));
    write_file_atomically(folder / "short", "1234567");
    CHECK_THAT(refusal(folder / "short"), Contains("7 bytes are no safetensors file"));
  }
  SECTION("a header beyond the file or absurdly long") {
    const std::string ones(16, '\xff');
    write_file_atomically(folder / "long", ones);
    CHECK_THAT(refusal(folder / "long"),
               Contains("a header of 18446744073709551615 bytes in a file of 16"));
    std::string nearly = {9, 0, 0, 0, 0, 0, 0, 0};
    write_file_atomically(folder / "long", nearly + "{      }");
    CHECK_THAT(refusal(folder / "long"), Contains("a header of 9 bytes in a file of 16"));
    // As large as it says, but without a byte of it on disk.
    const std::string header = {0, 0, 0, 0x10, 0, 0, 0, 0};
    write_file_atomically(folder / "long", header);
    std::filesystem::resize_file(folder / "long", std::uintmax_t{1} << 33);
    CHECK_THAT(refusal(folder / "long"), Contains("a header of 268435456 bytes"));
  }
  SECTION("broken or deep JSON, no object") {
    CHECK_THAT(refused("{", 0), Contains("broken JSON"));
    CHECK_THAT(refused("", 0), Contains("broken JSON"));
    CHECK_THAT(refused("\x80\x02}q", 0), Contains("broken JSON"));
    CHECK_THAT(refused("[]", 0), Contains("not an object"));
    CHECK_THAT(refused("{\"t\":" + std::string(1'000'000, '['), 0), Contains("nested deeper"));
    CHECK_THAT(refused("{\"t\":1}", 0), Contains("expected an object"));
  }
  SECTION("a name twice") {
    CHECK_THAT(refused("{" + tensor("t", "[1]", 0, 4) + "," + tensor("t", "[1]", 4, 8) + "}", 8),
               Contains("key \"t\" stands twice"));
  }
  SECTION("metadata that is not texts") {
    CHECK_THAT(refused(R"({"__metadata__":{"a":1}})", 0), Contains("metadata: 'a' must be a text"));
    CHECK_THAT(refused(R"({"__metadata__":[]})", 0), Contains("metadata: expected an object"));
  }
  SECTION("unknown dtype, keys missing or surplus") {
    CHECK_THAT(refused("{" + tensor("t", "[1]", 0, 4, "F8") + "}", 4),
               Contains("tensor \"t\": unknown dtype \"F8\""));
    CHECK_THAT(refused(R"({"t":{"dtype":"F32","shape":[1]}})", 4),
               Contains("'data_offsets' is missing"));
    CHECK_THAT(refused(R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", 4),
               Contains("unknown key \"x\""));
  }
  SECTION("shapes that are negative, overflow or do not fit the bytes") {
    CHECK_THAT(refused("{" + tensor("t", "[-1]", 0, 4) + "}", 4), Contains("'shape' must be"));
    CHECK_THAT(refused("{" + tensor("t", "[1.0]", 0, 4) + "}", 4), Contains("'shape' must be"));
    CHECK_THAT(refused("{" + tensor("t", "[18446744073709551615]", 0, 4) + "}", 4),
               Contains("'shape' must be"));
    CHECK_THAT(refused("{" + tensor("t", "[4294967296,4294967296]", 0, 4) + "}", 4),
               Contains("overflows"));
    // 2^62 elements, whose bytes wrap around to 0.
    CHECK_THAT(refused("{" + tensor("t", "[4611686018427387904]", 0, 0) + "}", 0),
               Contains("overflows"));
    CHECK_THAT(refused("{" + tensor("t", "[2]", 0, 4) + "}", 4),
               Contains("shape [2] of F32 needs 8 bytes, data_offsets [0, 4] hold 4"));
  }
  SECTION("offsets out of range, backwards, overlapping, with gaps, short of the end") {
    CHECK_THAT(refused("{" + tensor("t", "[2]", 0, 8) + "}", 4),
               Contains("data_offsets [0, 8] are not within the 4 bytes"));
    CHECK_THAT(refused("{" + tensor("t", "[1]", 4, 0) + "}", 4), Contains("are not within"));
    CHECK_THAT(refused("{" + tensor("t", "[1]", -4, 0) + "}", 4), Contains("'data_offsets' must"));
    CHECK_THAT(refused("{" + tensor("a", "[2]", 0, 8) + "," + tensor("b", "[1]", 4, 8) + "}", 8),
               Contains("tensor \"b\" begins at byte 4 of the data, the one before it ends at 8"));
    CHECK_THAT(refused("{" + tensor("a", "[1]", 0, 4) + "," + tensor("b", "[1]", 0, 4) + "}", 4),
               Contains("begins at byte 0"));
    CHECK_THAT(refused("{" + tensor("a", "[1]", 0, 4) + "," + tensor("b", "[1]", 8, 12) + "}", 12),
               Contains("tensor \"b\" begins at byte 8"));
    CHECK_THAT(refused("{" + tensor("a", "[1]", 4, 8) + "}", 8), Contains("begins at byte 4"));
    CHECK_THAT(refused("{" + tensor("a", "[1]", 0, 4) + "}", 8),
               Contains("8 bytes of data, the tensors fill 4"));
    CHECK_THAT(refused("{}", 8), Contains("8 bytes of data, the tensors fill 0"));
  }
}

TEST_CASE("safetensors: what cannot be stored is refused before a file is touched") {
  const test::TempFolder folder;
  SafetensorsFile file;
  file.tensors["t"] = HostTensor{DType::kF32, {3}, std::vector<std::byte>(8)};
  CHECK_THROWS_WITH(write_safetensors(folder / "x", file), Contains("cannot be stored"));
  file.tensors = {{"__metadata__", HostTensor::zeros({1})}};
  CHECK_THROWS_WITH(write_safetensors(folder / "x", file), Contains("cannot be stored"));
  file.tensors.clear();
  file.metadata["x"] = "\xff";
  CHECK_THROWS_WITH(write_safetensors(folder / "x", file), Contains("not UTF-8"));
  CHECK(!std::filesystem::exists(folder / "x"));
}
