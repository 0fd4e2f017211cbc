#include <cstdlib>

#include "fer/vision/frame_source.h"

#include "fer/vision/image_io.h"
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
