// Sources as the pipeline sees them: files whole or in time, a stream that dies and returns.
#include "fer/live/capture.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fer/core/file.h"
#include "fer/core/text.h"
#include "fer/live/newest_slot.h"
#include "fer/vision/image_io.h"
#include "support/tone_classifier.h"

using namespace fer;
using namespace fer::test;

namespace {

void write_frames(const TemporaryFolder& folder, int count) {
  for (int i = 0; i < count; ++i) {
    write_image(folder / format("%03d.png", i), Image(32, 24, 3, static_cast<std::uint8_t>(i)));
  }
}

CaptureOptions options_for(const std::filesystem::path& source) {
  CaptureOptions options;
  options.source.source = source.string();
  options.first_pause = 0.05;
  return options;
}

// An MJPEG camera on the network that serves one client at a time and can be switched off.
// pictures: after so many it hangs up; delay: before it answers.
class NetworkCamera {
 public:
  explicit NetworkCamera(int port = 0, int pictures = 1 << 30, std::chrono::milliseconds delay = {})
      : pictures_(pictures), delay_(delay) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int yes = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    REQUIRE(::listen(listener_, 4) == 0);
    socklen_t size = sizeof(address);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~NetworkCamera() {
    stopping_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  int port() const { return port_; }
  int connections() const { return connections_; }

 private:
  void serve() {
    const auto jpeg = encode_image(corners(64, 48), ImageFormat::kJpeg);
    while (!stopping_) {
      const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) return;
      ++connections_;
      std::this_thread::sleep_for(delay_);
      std::string data =
          "HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n";
      for (int i = 0; i <= pictures_ && !stopping_ &&
                      ::send(client, data.data(), data.size(), MSG_NOSIGNAL) > 0;
           ++i) {
        data = format("--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %zu\r\n\r\n",
                      jpeg.size());
        data.append(jpeg.begin(), jpeg.end());
        data += "\r\n";
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
      ::close(client);
    }
  }
  int listener_ = -1, port_ = 0;
  int pictures_;
  std::chrono::milliseconds delay_;
  std::atomic<int> connections_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

// What the notices of a capture name as the pause before the next try, until the camera was opened
// so often; equal ones in a row are one.
std::vector<std::string> pauses_of(CaptureOptions options, const NetworkCamera& camera,
                                   int connections) {
  options.source.timeout = 2;
  const std::atomic<bool> paused{false};
  Capture capture(options, paused);
  std::vector<std::string> pauses;
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (camera.connections() < connections && std::chrono::steady_clock::now() < give_up) {
    const std::string notice = capture.notice();
    const std::size_t at = notice.find("next try in ");
    if (at != std::string::npos && (pauses.empty() || pauses.back() != notice.substr(at))) {
      pauses.push_back(notice.substr(at));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  CHECK(camera.connections() >= connections);
  return pauses;
}

}  // namespace

TEST_CASE("the slot keeps the newest value and counts what nobody took") {
  NewestSlot<int> slot;
  slot.put(1);
  slot.put(2);
  slot.put(3);
  CHECK(slot.take() == 3);
  CHECK(slot.dropped() == 2);
  CHECK_FALSE(slot.take_within(std::chrono::milliseconds(1)).has_value());
  slot.put(4);
  slot.close();
  slot.put(5);
  CHECK(slot.take() == 4);
  CHECK_FALSE(slot.take().has_value());
}

TEST_CASE("at full speed every frame of a folder comes, in order, and then the end") {
  const TemporaryFolder folder;
  write_frames(folder, 12);
  write_bytes(folder / "005-broken.png", std::vector<std::uint8_t>{1, 2, 3});
  CaptureOptions options = options_for(folder.path());
  options.full_speed = true;
  const std::atomic<bool> paused{false};
  Capture capture(options, paused);
  for (int i = 0; i < 12; ++i) {
    const auto captured = capture.next();
    REQUIRE(captured);
    CHECK(captured->frame.index == i);
    CHECK(captured->frame.image.at(0, 0) == i);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  CHECK_FALSE(capture.next());
  CHECK(capture.dropped() == 0);
}

TEST_CASE("in real time frames come when they are due and late ones are dropped and counted") {
  const TemporaryFolder folder;
  write_frames(folder, 11);
  CaptureOptions options = options_for(folder.path());
  options.source.fps = 20;
  const std::atomic<bool> paused{false};
  const auto begin = std::chrono::steady_clock::now();
  Capture capture(options, paused);
  std::int64_t taken = 0;
  while (const auto captured = capture.next()) {
    const double passed =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    CHECK(passed >= captured->frame.time);
    ++taken;
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
  }
  CHECK(capture.dropped() > 0);
  CHECK(taken + capture.dropped() == 11);
}

TEST_CASE("a file waits while paused and begins again when it loops") {
  const TemporaryFolder folder;
  write_frames(folder, 3);
  CaptureOptions options = options_for(folder.path());
  options.source.fps = 50;
  options.loop = true;
  std::atomic<bool> paused{true};
  const auto begin = std::chrono::steady_clock::now();
  Capture capture(options, paused);
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    paused = false;
  });
  double before = -1;
  std::int64_t last = -1;
  while (last < 7) {
    const auto captured = capture.next();
    REQUIRE(captured);
    CHECK(captured->at - begin >= std::chrono::milliseconds(60));
    CHECK(captured->frame.time > before);
    CHECK(captured->frame.index > last);
    before = captured->frame.time;
    last = captured->frame.index;
  }
  later.join();
  CHECK(capture.reconnections() == 0);
}

TEST_CASE("a source that does not exist is an error at once, naming it") {
  const std::atomic<bool> paused{false};
  CHECK(message_of([&] {
          Capture(options_for("/nowhere/clip.mp4"), paused);
        }).find("/nowhere/clip.mp4") != std::string::npos);
}

TEST_CASE("a folder of which no picture can be read ends with an error, also where it loops") {
  const TemporaryFolder folder;
  for (const char* name : {"0.png", "1.png"}) {
    write_bytes(folder / name, std::vector<std::uint8_t>{1, 2, 3});
  }
  for (const bool loop : {false, true}) {
    CaptureOptions options = options_for(folder.path());
    options.loop = loop;
    options.full_speed = true;
    const std::atomic<bool> paused{false};
    Capture capture(options, paused);
    CHECK(message_of([&] { capture.next(); }) ==
          folder.path().string() + ": holds no frame that can be read");
  }
}

TEST_CASE("a network camera that dies and returns is opened again, and its frames go on") {
  // Also one that takes its time to open, which their times have to count.
  const auto delay = GENERATE(std::chrono::milliseconds(0), std::chrono::milliseconds(1200));
  auto camera = std::make_unique<NetworkCamera>(0, 1 << 30, delay);
  const int port = camera->port();
  CaptureOptions options = options_for(format("http://127.0.0.1:%d/stream.mjpg", port));
  options.source.timeout = 3;
  const std::atomic<bool> paused{false};
  Capture capture(options, paused);
  const auto first = capture.next();
  REQUIRE(first);
  CHECK(first->frame.image.width == 64);
  camera.reset();
  std::optional<CapturedFrame> last;
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (capture.notice().empty() && std::chrono::steady_clock::now() < give_up) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  CHECK(capture.notice().find("127.0.0.1") != std::string::npos);
  std::this_thread::sleep_for(std::chrono::milliseconds(600));  // gone for longer than the margin
  camera = std::make_unique<NetworkCamera>(port);
  while (capture.reconnections() == 0 && std::chrono::steady_clock::now() < give_up) {
    last = capture.next();
  }
  last = capture.next();
  REQUIRE(last);
  CHECK(capture.reconnections() == 1);
  CHECK(last->frame.index > first->frame.index);
  // The time without a camera is part of the time.
  CHECK(last->frame.time - first->frame.time ==
        Approx(std::chrono::duration<double>(last->at - first->at).count()).margin(0.25));
  CHECK(capture.notice().empty());
}

TEST_CASE("a camera that is lost at once after each opening is tried with growing pauses") {
  // Also where opening alone takes more than a second.
  const auto delay = GENERATE(std::chrono::milliseconds(0), std::chrono::milliseconds(1200));
  NetworkCamera camera(0, 5, delay);
  CaptureOptions options = options_for(format("http://127.0.0.1:%d/stream.mjpg", camera.port()));
  options.first_pause = 0.1;
  options.longest_pause = 0.4;
  CHECK(pauses_of(options, camera, 5) ==
        std::vector<std::string>{"next try in 0.1 s", "next try in 0.2 s", "next try in 0.4 s"});
}

TEST_CASE("a camera that was there for more than a second is soon tried again each time") {
  NetworkCamera camera(0, 150);  // a second and a half
  CaptureOptions options = options_for(format("http://127.0.0.1:%d/stream.mjpg", camera.port()));
  options.first_pause = 0.1;
  CHECK(pauses_of(options, camera, 3) == std::vector<std::string>{"next try in 0.1 s"});
}

TEST_CASE("stop ends a capture that waits for its source") {
  auto camera = std::make_unique<NetworkCamera>();
  CaptureOptions options = options_for(format("http://127.0.0.1:%d/stream.mjpg", camera->port()));
  options.first_pause = 60;
  const std::atomic<bool> paused{false};
  Capture capture(options, paused);
  REQUIRE(capture.next());
  camera.reset();
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (capture.notice().find("next try") == std::string::npos) {
    REQUIRE(std::chrono::steady_clock::now() < give_up);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const auto begin = std::chrono::steady_clock::now();
  capture.stop();
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
  CHECK_FALSE(capture.next());  // not even one that waited
}
