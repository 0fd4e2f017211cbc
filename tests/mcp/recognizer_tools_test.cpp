// What assistants may ask, with an engine that says dark, middle or bright.
#include "fer/mcp/recognizer_tools.h"

#include <algorithm>
#include <filesystem>

#include "fer/core/file.h"
#include "fer/core/png.h"
#include "fer/core/text.h"
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
  CHECK(one.structured["results"][1]["path"] == (other / "else.png").string());
  CHECK_THAT(one.text, Catch::Contains("dark"));
  CHECK(assistant.reports == std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 2}, {2, 2}});

  // The clip is no photo; the broken one is an error in its place.
  const auto shallow =
      assistant.ask("classify_faces", {{"paths", {(folder / "deep").string()}}}).structured;
  REQUIRE(shallow["results"].size() == 2);
  CHECK(shallow["results"][1]["path"] == (folder / "deep/bright.png").string());
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

TEST_CASE("nothing outside of the open folders is opened, whichever way leads there") {
  const TemporaryFolder folder, secret;
  write_tone(folder / "mine.png", 20);
  write_tone(secret / "other.png", 20);
  fs::create_symlink(secret / "other.png", folder / "link.png");
  fs::create_directory_symlink(secret.path(), folder / "way");
  write_file_atomically(folder / "list.txt", (secret / "other.png").string());
  Assistant assistant({folder.path()});
  const std::string outside = "lies outside of what is open to assistants";
  const std::string up = "../" + secret.path().filename().string();
  for (const std::string& path :
       {(secret / "other.png").string(), up + "/other.png", up, std::string("link.png"),
        std::string("way"), std::string("way/other.png"), std::string("/etc/passwd"),
        (secret / "nothing.png").string(), std::string("/")}) {
    CAPTURE(path);
    CHECK_THAT(assistant.refusal("classify_faces", {{"paths", {path}}}), Catch::Contains(outside));
    CHECK_THAT(assistant.refusal("follow_video", {{"path", path}}), Catch::Contains(outside));
  }
  for (const char* path :
       {"list.txt", "*.png", "-", "rtsp://camera/stream", "https://example.org/a.jpg", ""}) {
    CAPTURE(path);
    const std::string why = assistant.refusal("classify_faces", {{"paths", {path}}});
    if (*path != '\0')
      CHECK_THAT(why, Catch::Contains("no such file") || Catch::Contains("neither a photo"));
  }
  // A folder with links that lead out of it.
  for (const bool recursive : {false, true}) {
    const auto all =
        assistant.ask("classify_faces", {{"paths", {"."}}, {"recursive", recursive}}).structured;
    REQUIRE(all["results"].size() == 1);
    CHECK(fs::path(all["results"][0]["path"].get<std::string>()).filename() == "mine.png");
  }
}

TEST_CASE("an assistant's arguments are checked one by one") {
  const TemporaryFolder folder;
  write_tone(folder / "a.png", 20);
  write_clip(folder / "b.avi", 2);
  write_clip(folder / "c.png", 2);
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
  CHECK_THAT(why("classify_faces", {{"paths", {"b.avi"}}}), Catch::Contains("is a video"));
  CHECK_THAT(why("classify_faces", {{"paths", {"c.png"}}}), Catch::Contains("is a video"));
  CHECK_THAT(why("follow_video", {{"path", "a.png"}}), Catch::Contains("is no video"));
  CHECK_THAT(why("follow_video", {{"path", "d.avi"}}), Catch::Contains("is no video"));
  CHECK_THAT(why("follow_video", {{"path", "b.avi"}, {"every", 0}}), Catch::Contains("'every'"));
  CHECK_THAT(why("describe_model", {{"all", true}}), Catch::Contains("unknown key"));
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

  write_clip(folder / "long.avi", 2100, 8, 8);
  const auto cut = assistant.ask("follow_video", {{"path", "long.avi"}, {"every", 1}});
  CHECK(cut.structured["frames"] == 2000);
  CHECK(cut.structured["whole"] == false);
  CHECK_THAT(cut.text, Catch::Contains("not to the video's end"));
}

TEST_CASE("the model says what its answers mean") {
  const TemporaryFolder folder;
  Assistant assistant({folder.path()});
  const auto about = assistant.ask("describe_model", Json::object());
  CHECK(about.structured["labels"] == Json{"dark", "middle", "bright"});
  CHECK(about.structured["uncertain_below"] == 0.5);
  CHECK_THAT(about.text, Catch::Contains("labels: dark, middle, bright\n"));
  CHECK_THAT(about.text, Catch::Contains("not what a person feels"));
  CHECK_THAT(recognizer_instructions(), Catch::Contains("not what a person feels"));
}
