// From pictures to lines of data, with an engine that says dark, middle or bright.
#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>

#include "fer/batch/crop_writer.h"
#include "fer/batch/prediction_stream.h"
#include "fer/batch/result_writer.h"
#include "fer/batch/timeline.h"
#include "fer/core/file.h"
#include "fer/core/text.h"
#include "fer/data/dataset.h"
#include "support/comma_locale.h"
#include "support/skip.h"
#include "support/temp_folder.h"
#include "support/tone_classifier.h"

using namespace fer;
using namespace fer::test;

namespace {

// A gray AVI of 30 frames of which the last `missing` bytes are not there.
void write_avi(const std::filesystem::path& path, std::size_t missing) {
  constexpr int kFrames = 30, kWidth = 16, kHeight = 16, kBytes = kWidth * kHeight * 3;
  const auto number = [](int n) {
    std::string bytes;
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(n >> (8 * i));
    return bytes;
  };
  const auto chunk = [&](const std::string& name, const std::string& body) {
    return name + number(static_cast<int>(body.size())) + body;
  };
  const std::string zero = number(0);
  const std::string main_header = chunk(
      "avih", number(100'000) + zero + zero + zero + number(kFrames) + zero + number(1) +
                  number(kBytes) + number(kWidth) + number(kHeight) + zero + zero + zero + zero);
  const std::string stream_header =
      chunk("strh", "vidsDIB " + zero + zero + zero + number(1) + number(10) + zero +
                        number(kFrames) + number(kBytes) + zero + zero + zero + zero);
  const std::string format =
      chunk("strf", number(40) + number(kWidth) + number(kHeight) + number(1 | 24 << 16) + zero +
                        number(kBytes) + zero + zero + zero + zero);
  std::string movie = "movi";
  for (int i = 0; i < kFrames; ++i) movie += chunk("00db", std::string(kBytes, '\x80'));
  const std::string body =
      "AVI " +
      chunk("LIST", "hdrl" + main_header + chunk("LIST", "strl" + stream_header + format)) +
      chunk("LIST", movie);
  std::string file = chunk("RIFF", body);
  file.resize(file.size() - missing);
  write_file_atomically(path, file);
}

PredictionOptions crops(int threads = 2) {
  PredictionOptions options;
  options.crops = true;
  options.threads = threads;
  return options;
}

std::vector<Prediction> predict(Recognizer& recognizer, std::vector<std::string> arguments,
                                const PredictionOptions& options) {
  std::istringstream none;
  PredictionStream stream(recognizer, InputList(std::move(arguments), false, none), options);
  std::vector<Prediction> all;
  while (auto prediction = stream.next()) all.push_back(std::move(*prediction));
  return all;
}

FaceResult answered(std::vector<float> p, const Box& box = {1, 2, 30, 40}) {
  static const LabelList kLabels = {"dark", "middle", "bright"};
  FaceResult face;
  face.face.box = box;
  face.face.score = 0.9f;
  const auto best = std::max_element(p.begin(), p.end()) - p.begin();
  face.label = kLabels[static_cast<std::size_t>(best)];
  face.confidence = p[static_cast<std::size_t>(best)];
  face.uncertain = face.confidence < 0.5f;
  face.probabilities["tone"] = std::move(p);
  return face;
}

std::string written(const std::string& format, const std::vector<Prediction>& predictions,
                    int top_k = 0) {
  const Recognizer recognizer = tone_recognizer();
  std::ostringstream out;
  const auto writer = create_result_writer({format, top_k}, recognizer, out);
  for (const Prediction& prediction : predictions) writer->write(prediction);
  return out.str();
}

std::vector<Prediction> three_predictions() {
  Prediction faces;
  faces.path = "a, \"b\".jpg";
  faces.width = 640;
  faces.height = 480;
  faces.faces = {answered({0.1f, 0.2f, 0.7f}), {}};
  faces.faces[1].issues = {QualityIssue::kTooSmall, QualityIssue::kBlurred};
  Prediction broken;
  broken.path = "c.jpg";
  broken.error = "the file is empty (0 bytes)";
  Prediction frame;
  frame.path = "clip.mp4";
  frame.frame = 12;
  frame.time = 0.48;
  frame.width = 32;
  frame.height = 16;
  return {faces, broken, frame};
}

}  // namespace

TEST_CASE(
    "two thousand files come back in order, every tenth broken and named, the rest answered in "
    "batches") {
  const TempFolder folder;
  const int n = 2000;
  std::vector<std::vector<std::uint8_t>> tones;
  for (const int value : {30, 128, 220})
    tones.push_back(
        encode_image(Image(8, 8, 1, static_cast<std::uint8_t>(value)), ImageFormat::kPng));
  for (int i = 0; i < n; ++i) {
    const auto& whole = tones[static_cast<std::size_t>(i % 3)];
    write_bytes(folder / (std::to_string(i) + ".png"),
                i % 10 == 9 ? std::span(whole).first(20) : std::span(whole));
  }
  ToneClassifier* engine = nullptr;
  Recognizer recognizer = tone_recognizer(&engine);
  engine->pause = std::chrono::milliseconds(10);
  const auto predictions = predict(recognizer, {folder.path().string()}, crops(4));
  REQUIRE(predictions.size() == n);
  const LabelList labels = {"dark", "middle", "bright"};
  for (int i = 0; i < n; ++i) {
    const Prediction& p = predictions[static_cast<std::size_t>(i)];
    REQUIRE(p.path == (folder / (std::to_string(i) + ".png")).string());
    if (i % 10 == 9) {
      CHECK(p.faces.empty());
      CHECK_THAT(p.error, Catch::StartsWith("broken PNG"));
    } else {
      CHECK(p.error.empty());
      REQUIRE(p.faces.size() == 1);
      CHECK(p.faces[0].label == labels[static_cast<std::size_t>(i % 3)]);
    }
  }
  // While the engine is busy up to sixteen files get ready (the window of prediction_stream.cpp):
  // a call answers fourteen faces or more.
  const int faces = n * 9 / 10;
  CHECK(engine->calls >= faces / 64);
  CHECK(engine->calls <= faces / 4);
}

TEST_CASE("a video gives each n-th frame with its time, between images in the order of the input") {
  const TempFolder folder;
  write_clip(folder / "clip.y4m", 9);
  write_image(folder / "a.png", Image(8, 8, 1, 30));
  write_file_atomically(folder / "b.mp4", std::string("\0\0\0\x18"
                                                      "ftypisom and nothing more",
                                                      29));
  Recognizer recognizer = tone_recognizer();
  PredictionOptions options = crops();
  options.every = 2;
  const auto all = predict(
      recognizer,
      {(folder / "a.png").string(), (folder / "clip.y4m").string(), (folder / "b.mp4").string()},
      options);
  REQUIRE(all.size() == 7);
  CHECK(all[0].frame == -1);
  const char* labels[] = {"dark", "bright", "middle", "dark", "bright"};
  for (int i = 0; i < 5; ++i) {
    const Prediction& p = all[static_cast<std::size_t>(i + 1)];
    INFO(i);
    CHECK(p.frame == 2 * i);
    CHECK(p.time == Approx(0.2 * i).margin(1e-3));
    CHECK(p.width == 32);
    REQUIRE(p.faces.size() == 1);
    CHECK(p.faces[0].label == labels[i]);
  }
  CHECK_FALSE(all[6].error.empty());
}

TEST_CASE("a face that sits still keeps its number when a frame in some seconds is looked at") {
  const TempFolder folder;
  write_clip(folder / "clip.y4m", 151);  // ten frames a second
  Recognizer recognizer = tone_recognizer();
  PredictionOptions options = crops();
  options.every = 50;
  const auto all = predict(recognizer, {(folder / "clip.y4m").string()}, options);
  REQUIRE(all.size() == 4);
  for (const Prediction& p : all) CHECK(p.ids == std::vector<int>{1});
}

TEST_CASE("a video that was cut off gives its frames and then an error") {
  const TempFolder folder;
  constexpr std::size_t kFrame = 8 + 16 * 16 * 3;
  write_avi(folder / "whole.avi", 0);
  write_avi(folder / "cut.avi", 20 * kFrame);
  write_avi(folder / "empty.avi", 30 * kFrame);
  Recognizer recognizer = tone_recognizer();
  for (const int every : {1, 7}) {
    PredictionOptions options = crops();
    options.every = every;
    const auto whole = predict(recognizer, {(folder / "whole.avi").string()}, options);
    CHECK(whole.size() == (every == 1 ? 30 : 5));
    CHECK(whole.back().error.empty());
    const auto cut = predict(recognizer, {(folder / "cut.avi").string()}, options);
    REQUIRE(cut.size() == (every == 1 ? 11 : 3));
    CHECK(cut[cut.size() - 2].error.empty());
    CHECK_THAT(cut.back().error, Catch::StartsWith("cut off: "));
    const auto empty = predict(recognizer, {(folder / "empty.avi").string()}, options);
    REQUIRE(empty.size() == 1);
    CHECK_FALSE(empty[0].error.empty());
  }
}

TEST_CASE("JSON lines hold one object an image with the same keys every time") {
  std::istringstream lines(written("jsonl", three_predictions()));
  std::vector<nlohmann::json> objects;
  for (std::string line; std::getline(lines, line);) objects.push_back(nlohmann::json::parse(line));
  REQUIRE(objects.size() == 3);
  for (const auto& object : objects) {
    CHECK(object.at("schema") == "fer.prediction/1");
    for (const char* key : {"path", "width", "height", "faces", "error"})
      CHECK(object.contains(key));
  }
  const auto& face = objects[0]["faces"][0];
  CHECK(face["box"] == nlohmann::json({1.0, 2.0, 30.0, 40.0}));
  CHECK(face["label"] == "bright");
  CHECK(face["confidence"] == Approx(0.7));
  CHECK(face["probabilities"]["dark"] == Approx(0.1));
  CHECK(face["uncertain"] == false);
  CHECK(face["detection_score"] == Approx(0.9));
  const auto& unclear = objects[0]["faces"][1];
  CHECK(unclear["label"].is_null());
  CHECK(unclear["uncertain"] == true);
  CHECK(unclear["issues"] == nlohmann::json({"too small", "blurred"}));
  CHECK(objects[0]["error"].is_null());
  CHECK(objects[1]["error"] == "the file is empty (0 bytes)");
  CHECK(objects[2]["frame"] == 12);
  CHECK(objects[2]["time"] == Approx(0.48));
  CHECK(objects[2]["faces"].empty());
  const auto two = nlohmann::ordered_json::parse(written("jsonl", {three_predictions()[0]}, 2));
  std::vector<std::string> names;  // the most probable first
  for (const auto& [name, p] : two["faces"][0]["probabilities"].items()) names.push_back(name);
  CHECK(names == std::vector<std::string>{"bright", "middle"});
}

TEST_CASE("a path of any bytes is still a line of JSON") {
  Prediction prediction;
  prediction.path = "caf\xE9\n.jpg";
  const std::string line = written("jsonl", {prediction});
  CHECK(std::count(line.begin(), line.end(), '\n') == 1);
  CHECK_NOTHROW(nlohmann::json::parse(line));
}

TEST_CASE("CSV has the same number of fields in every line") {
  const std::string text = written("csv", three_predictions());
  std::istringstream lines(text);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    INFO(line);
    int fields = 1;
    bool quoted = false;
    for (const char c : line) {
      if (c == '"') quoted = !quoted;
      if (c == ',' && !quoted) ++fields;
    }
    CHECK(fields == 20);
  }
  CHECK(count == 5);  // header, two faces, an error, a frame without a face
  CHECK_THAT(text, Catch::Contains("\"a, "
                                   "\"\"b\"\".jpg\",,,640,480,1,,1.0,2.0,30.0,40.0,0.9000,bright,0."
                                   "700000,false,,,0.100000,0.200000,0.700000\n"));
  CHECK_THAT(text, Catch::Contains("\"too small, blurred\""));
  CHECK_THAT(written("csv", {three_predictions()[0]}, 2),
             Catch::Contains(",bright,0.700000,false,,,,0.200000,0.700000\n"));
}

TEST_CASE("faces of a video keep their numbers, in JSON and CSV, and pictures have none") {
  Prediction frame = three_predictions()[0];
  frame.path = "clip.mp4";
  frame.frame = 3;
  frame.ids = {2, 1};
  const auto line = nlohmann::ordered_json::parse(written("jsonl", {frame}));
  CHECK(line["faces"][0].begin().key() == "id");
  CHECK(line["faces"][0]["id"] == 2);
  CHECK(line["faces"][1]["id"] == 1);
  CHECK_FALSE(
      nlohmann::json::parse(written("jsonl", {three_predictions()[0]}))["faces"][0].contains("id"));
  CHECK_THAT(written("csv", {frame}), Catch::Contains("clip.mp4,3,0.000,640,480,1,2,1.0,2.0,") &&
                                          Catch::Contains("clip.mp4,3,0.000,640,480,2,1,"));
}

TEST_CASE("a timeline follows the face that is seen most, though another is larger at times") {
  Timeline timeline("tone", {"dark", "middle", "bright"});
  // A dark face all the time, a bright one that comes near in the middle.
  for (int i = 0; i < 6; ++i) {
    Prediction frame;
    frame.frame = i;
    frame.time = 0.1 * i;
    frame.faces = {answered({0.8f, 0.1f, 0.1f}, {0, 0, 30, 30})};
    frame.ids = {1};
    if (i == 2 || i == 3) {
      frame.faces.insert(frame.faces.begin(), answered({0.1f, 0.1f, 0.8f}, {50, 0, 60, 60}));
      frame.ids = {2, 1};
    }
    if (i == 5) {  // alone, it counts
      frame.faces = {answered({0.1f, 0.1f, 0.8f}, {50, 0, 60, 60})};
      frame.ids = {2};
    }
    timeline.add(frame);
  }
  std::string labels;
  for (const std::string& row : split(trim(timeline.csv()), '\n')) labels += split(row, ',')[3][0];
  CHECK(labels == "ldddddb");
}

TEST_CASE("the table says no face, no answer and errors in words") {
  const std::string text = written("table", three_predictions());
  CHECK_THAT(text, Catch::Contains("bright        70 %"));
  CHECK_THAT(text, Catch::Contains("no answer: too small, blurred"));
  CHECK_THAT(text, Catch::Contains("error: the file is empty"));
  CHECK_THAT(text, Catch::Contains("no face"));
  CHECK_THAT(message_of([] { written("jsonn", {}); }), Catch::Contains("did you mean 'jsonl'?"));
}

TEST_CASE("the review loop: faces that are cut out are a data set that training takes back") {
  const TempFolder folder;
  const Recognizer recognizer = tone_recognizer();
  Prediction prediction;
  prediction.path = "group photo.jpg";
  prediction.image = Image(100, 100, 3, 200);
  for (int y = 40; y < 70; ++y) {
    for (int x = 40; x < 70; ++x) {
      for (int c = 0; c < 3; ++c) prediction.image.at(x, y, c) = 30;
    }
  }
  prediction.faces = {answered({0.1f, 0.2f, 0.7f}, {0, 0, 40, 50}),
                      answered({0.8f, 0.1f, 0.1f}, {40, 40, 30, 30}),
                      {}};
  for (const bool by_label : {false, true}) {
    const auto target = folder / (by_label ? "by_label" : "flat");
    CropWriter writer(target, by_label, recognizer);
    writer.add(prediction);
    writer.add(prediction);
    DatasetOptions options;
    options.path = (target / "manifest.csv").string();
    options.heads[0].labels = "auto";
    options.decoder = image_decoder();
    const OpenedDataset opened = open_dataset(options);
    // The face without an answer is not among them.
    CHECK(opened.train->size() + opened.val->size() == 4);
    CHECK(opened.train->heads()[0].labels == LabelList{"bright", "dark"});
    const auto middle = [&](const std::string& label, const std::string& name) {
      const Image face = read_image(by_label ? target / label / name : target / name);
      return face.at(face.width / 2, face.height / 2, 0);
    };
    CHECK(middle("bright", "000001_group_photo.png") == 200);
    CHECK(middle("dark", "000002_group_photo.png") == 30);
    CHECK_THAT(message_of([&] { CropWriter(target, by_label, recognizer); }),
               Catch::Contains("manifest.csv is there already"));
  }
}

TEST_CASE("a manifest's numbers are plain whatever the program's locale writes") {
  const TempFolder folder;
  const CommaLocale german;
  const Recognizer recognizer = tone_recognizer();
  Prediction prediction;
  prediction.path = "film.mp4";
  prediction.frame = 12345;
  prediction.image = Image(100, 100, 3, 200);
  prediction.faces = {answered({0.1f, 0.2f, 0.7f}, {0, 0, 40, 50})};
  CropWriter(folder / "faces", false, recognizer).add(prediction);
  CHECK_THAT(read_text_file(folder / "faces" / "manifest.csv"),
             Catch::Contains(",0.700000,false,film.mp4,12345,0.0,0.0,40.0,50.0\n"));
}

TEST_CASE("subtitles do not blink where frames are further apart than half a second") {
  // 29.97 frames a second, each 30th; the clock of the recording is not exact.
  for (const double late : {0.0, 0.02, -0.02}) {
    INFO("late by " << late);
    Timeline timeline("tone", {"dark", "middle", "bright"});
    for (int i = 0; i < 60; ++i) {
      Prediction prediction;
      prediction.frame = 30 * i;
      prediction.time = i * 1.001 + (i % 7 == 2 ? late : 0);
      if (i < 20 || i >= 30)
        prediction.faces = {i < 20 ? answered({0.9f, 0.1f, 0.0f}) : answered({0.0f, 0.2f, 0.8f})};
      timeline.add(prediction);
    }
    CHECK(timeline.srt() ==
          "1\n00:00:00,000 --> 00:00:20,020\ndark 90 %\n\n"
          "2\n00:00:30,030 --> 00:01:00,060\nbright 80 %\n\n");
  }
}

TEST_CASE("a timeline tells a video's expressions as lines, subtitles and a picture") {
  Timeline timeline("tone", {"dark", "middle", "bright"}, 0.6f);
  // Ten frames a second: a second dark, half a second without a face, a second bright with one
  // frame of doubt; then half a second of doubt.
  for (int i = 0; i < 30; ++i) {
    Prediction prediction;
    prediction.frame = i;
    prediction.time = i / 10.0;
    if (i < 10) prediction.faces = {answered({0.9f, 0.1f, 0.0f})};
    if (i >= 15)
      prediction.faces = {
          answered(i == 20 ? std::vector{0.5f, 0.1f, 0.4f} : std::vector{0.0f, 0.2f, 0.8f})};
    if (i >= 25) prediction.faces = {answered({0.1f, 0.35f, 0.55f})};
    timeline.add(prediction);
  }
  const std::string csv = timeline.csv();
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 31);
  CHECK_THAT(csv, Catch::StartsWith(
                      "frame,time,faces,label,confidence,uncertain,p_dark,p_middle,p_bright\n"
                      "0,0.000,1,dark,0.900000,false,"));
  CHECK_THAT(csv, Catch::Contains("\n12,1.200,0,,,,,,\n"));
  CHECK_THAT(csv, Catch::Contains("\n20,2.000,1,dark,0.500000,true,"));
  CHECK(timeline.srt() ==
        "1\n00:00:00,000 --> 00:00:01,000\ndark 90 %\n\n"
        "2\n00:00:01,500 --> 00:00:02,500\nbright 76 %\n\n"
        "3\n00:00:02,500 --> 00:00:03,000\nuncertain 55 %\n\n");
  const Image picture = timeline.picture();
  // The share of the plot in a colour is that label's mean probability over the video.
  const auto share = [&](const char* label, std::size_t index) {
    const auto colour = label_colour(label, index);
    int pixels = 0;
    for (int y = 0; y < picture.height; ++y) {
      for (int x = 61; x < 1009; ++x) {
        pixels += picture.at(x, y, 0) == colour[0] && picture.at(x, y, 1) == colour[1] &&
                  picture.at(x, y, 2) == colour[2];
      }
    }
    return pixels / (948.0 * 295);
  };
  CHECK(share("dark", 0) == Approx((10 * 0.9 + 0.5 + 5 * 0.1) / 30).margin(0.02));
  CHECK(share("bright", 2) == Approx((9 * 0.8 + 0.4 + 5 * 0.55) / 30).margin(0.02));
  const TempFolder folder;
  for (const char* name : {"t.csv", "t.srt", "t.png"}) {
    timeline.write(folder / name);
    CHECK(std::filesystem::file_size(folder / name) > 50);
  }
  CHECK_THAT(message_of([] { check_timeline_path("t.txt"); }), Catch::Contains("t.txt"));
}
