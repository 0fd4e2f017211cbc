#include "fer/vision/video_probe.h"

#include <filesystem>
#include <string>

#include "fer/core/file.h"
#include "support/sample_photos.h"
#include "support/temp_folder.h"
#include "support/tone_classifier.h"

using namespace fer;
using namespace fer::test;

namespace {

std::string text(std::initializer_list<int> bytes) {
  std::string result;
  for (const int b : bytes) result += static_cast<char>(b);
  return result;
}

std::int64_t declared(const std::string& bytes) {
  const TempFolder folder;
  write_file_atomically(folder / "v", bytes);
  return declared_bytes(folder / "v");
}

bool is_video(const std::string& bytes) {
  return looks_like_video({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

}  // namespace

TEST_CASE("a text is no video, whatever word it begins with") {
  // FFmpeg would play the files that such a list names.
  const std::string list =
      "<MPD "
      "profiles=\"urn:mpeg:dash:profile:isoff-live:2011\"><BaseURL>../other.mp4</BaseURL></MPD>";
  for (const char* box : {"ftyp", "wide", "moov", "mdat"}) {
    CAPTURE(box);
    CHECK_FALSE(is_video("<!--" + std::string(box) + "-->" + list));
    CHECK_FALSE(is_video("<!--" + std::string(box) + "-->" + list + std::string(100, '\0')));
    CHECK(is_video(text({0, 0, 0, 20}) + box + "isom and more"));
    CHECK(is_video(text({1, 'a', 'b', 'c'}) + box + std::string(80, 'x')));
  }
  // As a browser records: no zero for a while.
  CHECK(is_video(text({0x1A, 0x45, 0xDF, 0xA3, 0x9F, 0x42, 0x86, 0x81, 1, 0x42, 0xF7, 0x81, 1}) +
                 std::string(60, 'x')));
  CHECK_FALSE(is_video("short"));
}

TEST_CASE("a container says how many bytes its file should have") {
  const std::string ftyp = text({0, 0, 0, 16}) + "ftypisom" + text({0, 0, 0, 0});
  CHECK(declared(ftyp) == 16);
  CHECK(declared(ftyp + text({0, 0, 1, 0}) + "mdat and the rest is missing") == 16 + 256);
  CHECK(declared(ftyp + text({0, 0, 0, 1}) + "mdat" + text({0, 0, 0, 2, 0, 0, 0, 0}) + "x") ==
        16 + (std::int64_t{2} << 32));
  CHECK(declared(ftyp + text({0, 0, 0, 0}) + "mdat up to the end") == 16 + 4 + 18);
  CHECK(declared(ftyp + "mda") == 16 + 8);
  CHECK(declared(ftyp + text({0, 0, 0, 3}) + "odd!") == 0);

  // Notes of a camera behind a whole film are none of its boxes; a film in which something is
  // missing is told as before.
  const std::string moov = text({0, 0, 0, 8}) + "moov";
  const std::string mdat = text({0, 0, 0, 10}) + "mdat12";
  for (const std::string notes : {"", "abcd", "\n", "made by a camera, 2026"}) {
    CHECK(declared(ftyp + moov + mdat + notes) == 34);
    CHECK(declared(ftyp + mdat + moov + notes) == 34);
  }
  CHECK(declared(ftyp + moov + mdat + text({0, 0, 1, 0}) + "free") == 34 + 256);
  CHECK(declared(ftyp + moov + text({0, 0, 1, 0}) + "mdat12") == 24 + 256);
  CHECK(declared(ftyp + mdat + "moo") == 26 + 8);

  CHECK(declared("RIFF" + text({100, 1, 0, 0}) + "AVI LIST") == 8 + 356);
  CHECK(declared("RIFF" + text({0, 0, 0, 0}) + "AVI LIST") == 0);
  CHECK(declared("RIFF" + text({255, 255, 255, 255}) + "AVI LIST") == 0);

  const std::string ebml = text({0x1A, 0x45, 0xDF, 0xA3, 0x83}) + "abc";
  const std::string segment = text({0x18, 0x53, 0x80, 0x67});
  CHECK(declared(ebml + segment + text({0x41, 0x00}) + "...") == 8 + 4 + 2 + 256);
  CHECK(declared(ebml + segment + text({0x01, 255, 255, 255, 255, 255, 255, 255})) == 0);
  CHECK(declared(ebml + "else") == 0);
  CHECK(declared("YUV4MPEG2 W8 H8") == 0);
  CHECK(declared("") == 0);
  CHECK(declared_bytes("/nowhere/v") == 0);
}

TEST_CASE("transport streams are told by three packets, in cameras' files as well") {
  std::string stream(600, 'x');
  for (const std::size_t at : {0, 188, 376}) stream[at] = 0x47;
  CHECK(is_video(stream));
  CHECK_FALSE(is_video(stream.substr(0, 376)));
  std::string camera(600, 'x');
  for (const std::size_t at : {4, 196, 388}) camera[at] = 0x47;
  CHECK_FALSE(is_video(camera));  // a text could look so; a packet has a clock and a header
  camera[0] = '\0';
  CHECK(is_video(camera));
  std::string gif = "GIF89a" + std::string(600, 'x');
  gif[188] = 'G';
  CHECK_FALSE(is_video(gif));
  CHECK(is_video(text({0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11})));
}
