// fer-mcp as an assistant's client runs it.
#if FER_HAVE_PREDICT
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "fer/core/png.h"
#include "support/program.h"
#include "support/real_data.h"
#include "support/tiny_model.h"

using namespace fer;
using namespace fer::test;

namespace {
const std::string kMcp = std::string(FER_BIN_DIR) + "/fer-mcp";
}

TEST_CASE("fer-mcp answers a session on standard input, with nothing else on standard output") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  std::filesystem::create_directory(scratch / "photos");
  write_png(scratch / "photos/a.png", Image(24, 24, 1, 90));
  write_png(scratch / "b.png", Image(24, 24, 1, 90));
  write_text(
      scratch / "session",
      R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
{"jsonrpc":"2.0","id":"b","method":"tools/call","params":{"name":"classify_faces","arguments":{"paths":["a.png"]}}}
{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"classify_faces","arguments":{"paths":["../b.png"]}}}
)");
  const auto result = run_shell(
      "cat session | " + kMcp + " photos -m m.safetensors --detector none", scratch.path());
  INFO(result.err);
  CHECK(result.exit_code == 0);
  const auto lines = objects(result.out);
  REQUIRE(lines.size() == 3);
  CHECK(lines[0]["result"]["serverInfo"]["name"] == "fer");
  CHECK(lines[1]["id"] == "b");
  const auto& photo = lines[1]["result"]["structuredContent"]["results"][0];
  CHECK(photo["schema"] == "fer.prediction/1");
  CHECK(photo["faces"][0]["probabilities"].size() == 3);
  CHECK(lines[2]["result"]["isError"] == true);
  CHECK_THAT(lines[2]["result"]["content"][0]["text"].get<std::string>(),
             Catch::Contains("lies outside"));
  CHECK_THAT(result.err, Catch::Contains("nothing is stored"));
}

TEST_CASE("fer-mcp finds faces on a photo and follows one over a clip") {
  const auto photo = sample_file("astronaut.png"), clip = sample_file("franck.mp4");
  if (photo.empty() || clip.empty()) return;
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  const auto call = [](const char* tool, const nlohmann::json& arguments) {
    return nlohmann::json{{"jsonrpc", "2.0"},
                          {"id", tool},
                          {"method", "tools/call"},
                          {"params", {{"name", tool}, {"arguments", arguments}}}}
               .dump() +
           "\n";
  };
  write_text(scratch / "session",
             call("classify_faces", {{"paths", {"astronaut.png"}}}) +
                 call("follow_video", {{"path", "franck.mp4"}, {"every", 10}}));
  const auto result = run_shell(
      "cat session | " + kMcp + " -m m.safetensors --guess '" + photo.parent_path().string() + "'",
      scratch.path());
  INFO(result.err);
  CHECK(result.exit_code == 0);
  const auto lines = objects(result.out);
  REQUIRE(lines.size() == 2);
  const auto faces = lines[0]["result"]["structuredContent"]["results"][0]["faces"];
  REQUIRE(faces.size() == 1);
  CHECK(faces[0]["box"][2] > 50);
  const auto video = lines[1]["result"]["structuredContent"];
  CHECK(video["whole"] == true);
  CHECK(video["frames"] > 30);
  CHECK(video["faces"][0]["id"] == 1);
  CHECK(video["faces"][0]["frames"] > 0.9 * video["frames"].get<double>());
}

TEST_CASE("fer-mcp answers for a hundred faces at a time") {
  const auto photo = sample_file("sample6.jpg");  // of four
  if (photo.empty()) return;
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  std::filesystem::create_directory(scratch / "photos");
  for (int i = 0; i < 30; ++i)
    std::filesystem::copy_file(photo, scratch / ("photos/" + std::to_string(i) + ".jpg"));
  write_text(scratch / "session",
             R"({"jsonrpc":"2.0","id":0,"method":"tools/call","params":{"name":"classify_faces",)"
             R"("arguments":{"paths":["."]}}}
)");
  const auto result =
      run_shell("cat session | " + kMcp + " -m m.safetensors photos", scratch.path());
  INFO(result.err);
  const auto lines = objects(result.out);
  REQUIRE(lines.size() == 1);
  const auto& told = lines[0]["result"]["structuredContent"];
  CHECK(told["photos"] == 30);
  std::size_t faces = 0, last = 0;
  for (const auto& photo_told : told["results"]) faces += last = photo_told["faces"].size();
  CHECK(faces >= 100);
  CHECK(faces - last < 100);
  CHECK(told["left"] == 30 - told["results"].size());
}

TEST_CASE("fer-mcp ends when it is asked to, while it waits and within a call") {
  const auto clip = sample_file("franck.mp4");
  if (clip.empty()) return;
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  const std::string call =
      R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"follow_video",)"
      R"("arguments":{"path":"franck.mp4","every":1},"_meta":{"progressToken":1}}})";
  write_text(scratch / "session", call + "\n" + call + "\n");
  const std::string serve = kMcp + " -m m.safetensors '" + clip.parent_path().string() +
                            "' <in >out 2>log & p=$!; exec 3<out; ";
  const std::string end = "kill -TERM $p; wait $p; echo $?; kill $s; rm in out";
  // The first progress shows that the call runs.
  const auto calling = run_shell("mkfifo in out; { cat session; exec sleep 60; } >in & s=$!; " +
                                     serve + "head -n 1 <&3; " + end,
                                 scratch.path());
  CHECK_THAT(calling.out, Catch::Contains("\"progress\":1}") && Catch::EndsWith("\n130\n"));
  const auto waiting =
      run_shell("mkfifo in out; sleep 60 >in & s=$!; " + serve +
                    "until grep -q 'waits for' log || ! kill -0 $p; do sleep 0.1; done; " + end,
                scratch.path());
  CHECK(waiting.out == "130\n");
}

TEST_CASE("fer-mcp leaves a call that its client cancels, and answers a ping meanwhile") {
  const auto clip = sample_file("franck.mp4");
  if (clip.empty()) return;
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  write_text(scratch / "call",
             R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"follow_video",)"
             R"("arguments":{"path":"franck.mp4","every":1},"_meta":{"progressToken":1}}}
)");
  write_text(scratch / "cancel",
             R"({"jsonrpc":"2.0","id":2,"method":"ping"}
{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}
{"jsonrpc":"2.0","id":3,"method":"ping"}
)");
  // The first progress shows that the call runs.
  const auto result =
      run_shell("mkfifo in; " + kMcp + " -m m.safetensors '" + clip.parent_path().string() +
                    "' <in >out 2>log & p=$!; exec 3>in; cat call >&3; "
                    "until grep -q progress out || ! kill -0 $p; do sleep 0.1; "
                    "done; cat cancel >&3; exec 3>&-; wait $p; echo $?; "
                    "grep -v progress out; rm in",
                scratch.path());
  CHECK(result.out ==
        "0\n{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}\n"
        "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}\n");
}

TEST_CASE("fer-mcp says in one line what is wrong with its command") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  for (const auto& [arguments, message] :
       {std::pair<std::string, std::string>{"-m m.safetensors", "name the folders that are open"},
        {"-m m.safetensors --detector none nowhere", "nowhere: is not a folder"}}) {
    const auto result = run_shell(kMcp + " " + arguments, scratch.path());
    CHECK(result.exit_code == 2);
    CHECK(result.out.empty());
    CHECK_THAT(result.err, Catch::StartsWith("error: fer-mcp: " + message));
  }
}
#endif
