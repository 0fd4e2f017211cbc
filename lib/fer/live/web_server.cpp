#include "fer/live/web_server.h"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>

#include "fer/core/emotion.h"
#include "fer/core/error.h"
#include "fer/core/log.h"
#include "fer/core/text.h"
#include "fer/core/version.h"
#include "fer/live/analysis_pool.h"
#include "fer/live/events.h"
#include "fer/live/newest_slot.h"
#include "fer/live/web_guard.h"
#include "fer/live/web_page.h"
#include "fer/vision/result_writer.h"

namespace fer {

namespace {

namespace net = boost::asio;
namespace ssl = net::ssl;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using tcp = net::ip::tcp;
using beast::error_code;
using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;
using Bytes = std::vector<std::uint8_t>;
using Request = http::request<http::vector_body<std::uint8_t>>;
using Response = http::response<http::string_body>;

Clock::duration seconds(double value) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(value));
}

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

// What a frame of the camera is for clients: encoded once, kept by those that still send it.
struct News {
  std::int64_t number = 0;
  std::shared_ptr<const std::string> jpeg, event;
};

// Counts something as long as it lives.
class Counted {
 public:
  explicit Counted(int& count) : count_(&count) { ++count; }
  Counted(Counted&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
  Counted& operator=(Counted&&) = delete;
  ~Counted() {
    if (count_ != nullptr) --*count_;
  }

 private:
  int* count_;
};

}  // namespace

struct WebServer::Impl {
  Impl(SharedRecognizer& shared, Controls& shared_controls, const WebOptions& web,
       const WebLimits& web_limits);
  ~Impl();

  // Listening and connections.
  void listen();
  net::awaitable<void> accept();
  net::awaitable<void> serve_tls(tcp::socket socket, Counted client);
  net::awaitable<void> serve_plain(tcp::socket socket, Counted client);
  template <class Stream>
  net::awaitable<void> serve(Stream stream);
  template <class Stream>
  net::awaitable<void> refuse(Stream& stream, Guard::Verdict verdict);
  template <class Stream>
  net::awaitable<void> finish(Stream& stream);

  // Requests.
  RequestFacts facts(const http::request_header<>& header, bool open) const;
  Response answer(const Request& request);
  net::awaitable<Response> analyze(const Request& request);
  Response text(const Request& request, http::status status, const std::string& body,
                const char* type = "text/plain; charset=utf-8") const;
  Response json(const Request& request, const Json& body) const;
  Response refusal(const Request& request, int status, const std::string& reason) const;
  Json status() const;
  std::string metrics() const;
  void change_settings(const Bytes& body);
  void set_common_fields(http::fields& fields) const;

  // Streams.
  template <class Stream>
  net::awaitable<void> stream_news(Stream& stream, const Request& request, bool pictures);
  template <class Stream>
  net::awaitable<void> serve_websocket(Stream stream, Request request);

  // The camera's frames.
  void encode();
  void publish(News news);
  net::awaitable<void> heartbeat();

  SharedRecognizer& recognizer;
  Controls& controls;
  WebOptions options;
  WebLimits limits;
  std::string token;
  std::unique_ptr<Guard> guard;

  std::atomic<std::weak_ptr<const Pipeline>> watched;

  NewestSlot<LiveFramePtr> newest;
  std::atomic<int> viewers{0};  // of /stream.mjpg

  // Of the server's own thread.
  int clients = 0, websockets = 0, event_listeners = 0;
  std::map<int, std::int64_t> answers;  // by status
  std::int64_t frames_answered = 0, frames_dropped = 0, frames_refused = 0;
  Latencies frame_latency;
  RateLimit logins;
  News news;

  net::io_context io{1};
  ssl::context tls{ssl::context::tls_server};
  tcp::acceptor acceptor{io};
  net::steady_timer bell{io, net::steady_timer::time_point::max()};  // rings when there is news

  // The threads last: they end first.
  std::unique_ptr<AnalysisPool> pool;
  std::thread encoder, thread;
};

WebServer::Impl::Impl(SharedRecognizer& shared, Controls& shared_controls, const WebOptions& web,
                      const WebLimits& web_limits)
    : recognizer(shared),
      controls(shared_controls),
      options(web),
      limits(web_limits),
      token(web.token_file.empty() ? random_token() : read_token(web.token_file)),
      logins(web_limits.logins) {
  const bool with_tls = !options.tls_cert.empty() || !options.tls_key.empty();
  if (with_tls && (options.tls_cert.empty() || options.tls_key.empty())) {
    fail_input("--tls-cert and --tls-key belong together");
  }
  if (!with_tls && !is_loopback(options.host) && !options.insecure) {
    fail_input("--host " + options.host +
               ": faces and the token would cross the network unencrypted; give --tls-cert and "
               "--tls-key, or --insecure");
  }
  if (options.port < 0 || options.port > 65535) {
    fail_input(format("--port %d is not from 0 to 65535", options.port));
  }
  if (with_tls) {
    tls.set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                    ssl::context::no_sslv3 | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
    error_code error;
    tls.use_certificate_chain_file(options.tls_cert, error);
    if (error) fail_input(options.tls_cert + ": not a certificate: " + error.message());
    tls.use_private_key_file(options.tls_key, ssl::context::pem, error);
    if (error) fail_input(options.tls_key + ": not the certificate's key: " + error.message());
  }
  listen();
  GuardOptions guarded;
  guarded.token = token;
  guarded.scheme = with_tls ? "https" : "http";
  guarded.port = options.port;
  guarded.hosts = host_names(options.host);
  for (const std::string& name : options.names) guarded.hosts.insert(to_lower(name));
  guard = std::make_unique<Guard>(guarded);

  pool = std::make_unique<AnalysisPool>(recognizer);
  net::co_spawn(io, accept(), net::detached);
  net::co_spawn(io, heartbeat(), net::detached);
  encoder = std::thread([this] { encode(); });
  thread = std::thread([this] { io.run(); });
}

WebServer::Impl::~Impl() {
  newest.close();
  encoder.join();
  io.stop();
  thread.join();
  pool.reset();
}

void WebServer::Impl::listen() {
  try {
    const auto address =
        net::ip::make_address(options.host == "localhost" ? "127.0.0.1" : options.host);
    const tcp::endpoint endpoint(address, static_cast<std::uint16_t>(options.port));
    acceptor.open(endpoint.protocol());
    acceptor.set_option(net::socket_base::reuse_address(true));
    acceptor.bind(endpoint);
    acceptor.listen();
    options.port = acceptor.local_endpoint().port();
  } catch (const boost::system::system_error& error) {
    if (error.code() == net::error::address_in_use) {
      fail_runtime(format("port %d is taken; --port 0 takes any that is free", options.port));
    }
    fail_input(format("--host %s --port %d: %s", options.host.c_str(), options.port,
                      error.code().message().c_str()));
  }
}

net::awaitable<void> WebServer::Impl::accept() {
  for (;;) {
    error_code error;
    tcp::socket socket =
        co_await acceptor.async_accept(net::redirect_error(net::use_awaitable, error));
    if (error) {
      // Out of descriptors, most likely: the clients that are there go on.
      net::steady_timer pause(io, std::chrono::milliseconds(100));
      co_await pause.async_wait(net::redirect_error(net::use_awaitable, error));
      continue;
    }
    if (clients >= limits.clients) continue;  // the socket is closed
    socket.set_option(tcp::no_delay(true), error);
    if (options.tls_cert.empty()) {
      net::co_spawn(io, serve_plain(std::move(socket), Counted(clients)), net::detached);
    } else {
      net::co_spawn(io, serve_tls(std::move(socket), Counted(clients)), net::detached);
    }
  }
}

net::awaitable<void> WebServer::Impl::serve_plain(tcp::socket socket, Counted) {
  co_await serve(beast::tcp_stream(std::move(socket)));
}

net::awaitable<void> WebServer::Impl::serve_tls(tcp::socket socket, Counted) {
  beast::ssl_stream<beast::tcp_stream> stream(beast::tcp_stream(std::move(socket)), tls);
  beast::get_lowest_layer(stream).expires_after(seconds(limits.header_seconds));
  error_code error;
  co_await stream.async_handshake(ssl::stream_base::server,
                                  net::redirect_error(net::use_awaitable, error));
  if (!error) co_await serve(std::move(stream));
}

// The last answer on a connection.
template <class Stream>
net::awaitable<void> WebServer::Impl::refuse(Stream& stream, Guard::Verdict verdict) {
  ++answers[verdict.status];
  Response reply = refusal({}, verdict.status, verdict.reason);
  reply.keep_alive(false);
  error_code error;
  co_await http::async_write(stream, reply, net::redirect_error(net::use_awaitable, error));
}

template <class Stream>
net::awaitable<void> WebServer::Impl::finish(Stream& stream) {
  error_code error;
  if constexpr (!std::is_same_v<Stream, beast::tcp_stream>) {
    beast::get_lowest_layer(stream).expires_after(seconds(limits.header_seconds));
    co_await stream.async_shutdown(net::redirect_error(net::use_awaitable, error));
  }
  auto& socket = beast::get_lowest_layer(stream);
  socket.socket().shutdown(tcp::socket::shutdown_send, error);
  // What the client still sends is read for a moment: closing over it would take our last answer
  // from it.
  socket.expires_after(std::chrono::seconds(1));
  std::array<char, 4096> rest;
  for (std::size_t total = 0; !error && total < limits.body_bytes;) {
    total += co_await socket.async_read_some(net::buffer(rest),
                                             net::redirect_error(net::use_awaitable, error));
  }
}

RequestFacts WebServer::Impl::facts(const http::request_header<>& header, bool open) const {
  RequestFacts facts;
  facts.open = open;
  facts.changes = header.method() != http::verb::get && header.method() != http::verb::head;
  facts.host = view(header[http::field::host]);
  facts.origin = view(header[http::field::origin]);
  facts.authorization = view(header[http::field::authorization]);
  facts.cookie = view(header[http::field::cookie]);
  return facts;
}

template <class Stream>
net::awaitable<void> WebServer::Impl::serve(Stream stream) {
  auto& socket = beast::get_lowest_layer(stream);
  beast::flat_buffer buffer;
  RateLimit rate(limits.requests);
  bool first = true;
  for (;;) {
    error_code error;
    // The header first: who is not let in sends no body.
    http::request_parser<http::vector_body<std::uint8_t>> parser;
    parser.header_limit(limits.header_bytes);
    parser.body_limit(limits.body_bytes);
    if (!first) {
      // Idle between requests is allowed for longer than a header may take.
      socket.expires_after(seconds(limits.idle_seconds));
      if (buffer.size() == 0) {
        const std::size_t got = co_await stream.async_read_some(
            buffer.prepare(1024), net::redirect_error(net::use_awaitable, error));
        if (error) break;
        buffer.commit(got);
      }
    }
    first = false;
    socket.expires_after(seconds(limits.header_seconds));
    co_await http::async_read_header(stream, buffer, parser,
                                     net::redirect_error(net::use_awaitable, error));
    if (error == http::error::end_of_stream) break;
    if (error == http::error::header_limit || error == http::error::body_limit) {
      co_await refuse(stream, error == http::error::header_limit
                                  ? Guard::Verdict{431, "the header is too large"}
                                  : Guard::Verdict{413, "the body is too large"});
    }
    if (error) break;
    const auto& header = parser.get();
    const std::string path = split(std::string(view(header.target())), '?').front();
    const bool get = header.method() == http::verb::get || header.method() == http::verb::head;
    const bool open = get && (path == "/healthz" || find_web_file(path) != nullptr);
    const bool upgrade = path == "/ws" && websocket::is_upgrade(header);

    RequestFacts request_facts = facts(header, open);
    request_facts.changes |= upgrade;
    Guard::Verdict verdict = guard->check(request_facts);
    if (verdict.status == 401 && !logins.allow()) verdict = {429, "too many wrong tokens"};
    if (verdict.status == 200 && !rate.allow()) verdict = {429, "too many requests"};
    if (verdict.status != 200) {
      co_await refuse(stream, verdict);
      break;
    }

    socket.expires_after(seconds(limits.body_seconds));
    if (beast::iequals(header[http::field::expect], "100-continue")) {
      http::response<http::empty_body> go_on(http::status::continue_, 11);
      co_await http::async_write(stream, go_on, net::redirect_error(net::use_awaitable, error));
    }
    co_await http::async_read(stream, buffer, parser,
                              net::redirect_error(net::use_awaitable, error));
    if (error == http::error::body_limit) {
      co_await refuse(stream, {413, "the body is too large"});
    }
    if (error) break;
    Request request = parser.release();

    if (upgrade) {
      co_await serve_websocket(std::move(stream), std::move(request));
      co_return;
    }
    if (get && (path == "/stream.mjpg" || path == "/api/events")) {
      co_await stream_news(stream, request, path == "/stream.mjpg");
      co_return;
    }
    Response reply;
    if (path == "/api/analyze" && request.method() == http::verb::post) {
      socket.expires_never();
      reply = co_await analyze(request);
    } else {
      reply = answer(request);
    }
    ++answers[static_cast<int>(reply.result_int())];
    socket.expires_after(seconds(limits.body_seconds));
    const bool keep = reply.keep_alive();
    co_await http::async_write(stream, reply, net::redirect_error(net::use_awaitable, error));
    if (error || !keep) break;
  }
  co_await finish(stream);
}

// ---- requests ----------------------------------------------------------------------------------

void WebServer::Impl::set_common_fields(http::fields& fields) const {
  fields.set(http::field::cache_control, "no-store");
  fields.set("X-Content-Type-Options", "nosniff");
  fields.set("Referrer-Policy", "no-referrer");
  fields.set("Cross-Origin-Resource-Policy", "same-origin");
  fields.set("Cross-Origin-Opener-Policy", "same-origin");
  fields.set("Permissions-Policy", "camera=(self), microphone=(), geolocation=()");
  fields.set("Content-Security-Policy",
             "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
             "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
             "frame-ancestors 'none'");
}

Response WebServer::Impl::text(const Request& request, http::status status, const std::string& body,
                               const char* type) const {
  Response reply(status, 11);
  set_common_fields(reply);
  reply.set(http::field::content_type, type);
  reply.keep_alive(request.keep_alive());
  reply.body() = request.method() == http::verb::head ? "" : body;
  reply.content_length(body.size());
  return reply;
}

Response WebServer::Impl::json(const Request& request, const Json& body) const {
  return text(request, http::status::ok, event_line(body) + '\n', "application/json");
}

Response WebServer::Impl::refusal(const Request& request, int status,
                                  const std::string& reason) const {
  Response reply = text(request, http::int_to_status(static_cast<unsigned>(status)),
                        event_line({{"error", reason}}) + '\n', "application/json");
  if (status == 401) reply.set(http::field::www_authenticate, "Bearer");
  return reply;
}

Response WebServer::Impl::answer(const Request& request) {
  const std::string path = split(std::string(view(request.target())), '?').front();
  const bool post = request.method() == http::verb::post;
  const bool get = request.method() == http::verb::get || request.method() == http::verb::head;
  if (get) {
    if (const WebFile* file = find_web_file(path)) {
      return text(request, http::status::ok, std::string(file->content),
                  std::string(file->type).c_str());
    }
    if (path == "/healthz") return text(request, http::status::ok, "ok\n");
    if (path == "/metrics") {
      return text(request, http::status::ok, metrics(), "text/plain; version=0.0.4");
    }
    if (path == "/api/status") return json(request, status());
  }
  if (post && path == "/api/session") {
    // The guard saw a session or the token; only the token opens a new one.
    if (!guard->bearer(view(request[http::field::authorization]))) {
      return refusal(request, 401, "a session is opened by the token alone");
    }
    Response reply = json(request, {{"session", "open"}});
    reply.set(http::field::set_cookie, guard->open_session());
    return reply;
  }
  if (post && path == "/api/settings") {
    try {
      change_settings(request.body());
    } catch (const std::exception& error) {
      return refusal(request, 400, "settings: " + std::string(error.what()));
    }
    return json(request, status());
  }
  for (const char* known : {"/api/session", "/api/settings", "/api/analyze", "/api/status",
                            "/metrics", "/healthz", "/ws", "/stream.mjpg", "/api/events"}) {
    if (path == known) return refusal(request, path == "/ws" ? 426 : 405, "not this way");
  }
  return refusal(request, 404, "there is nothing here");
}

void WebServer::Impl::change_settings(const Bytes& body) {
  const Json wanted = Json::parse(body.begin(), body.end());
  const std::map<std::string, std::atomic<bool>*> known = {
      {"blur", &controls.blur}, {"figures", &controls.figures}, {"paused", &controls.paused}};
  if (!wanted.is_object()) fail_input("an object is expected");
  for (const auto& [key, value] : wanted.items()) {
    const auto setting = known.find(key);
    if (setting == known.end()) fail_input("'" + key + "' is none of blur, figures, paused");
    if (!value.is_boolean()) fail_input("'" + key + "' is true or false");
  }
  for (const auto& [key, value] : wanted.items()) *known.at(key) = value.get<bool>();
}

net::awaitable<Response> WebServer::Impl::analyze(const Request& request) {
  // The pool's thread rings when it is done; the coroutine waits without holding up others.
  auto done = std::make_shared<net::steady_timer>(io, net::steady_timer::time_point::max());
  auto analysis = std::make_shared<std::optional<Analysis>>();
  ImageLimits image_limits;
  image_limits.max_pixels = limits.body_pixels;
  pool->submit(request.body(), image_limits, [this, done, analysis](Analysis result) {
    net::post(io, [done, analysis, result = std::move(result)]() mutable {
      *analysis = std::move(result);
      done->cancel();
    });
  });
  error_code error;
  while (!*analysis) {
    co_await done->async_wait(net::redirect_error(net::use_awaitable, error));
  }
  const Analysis& result = **analysis;
  if (!result.error.empty()) co_return refusal(request, 400, result.error);
  Prediction prediction;
  prediction.path = "upload";
  prediction.width = result.image.width;
  prediction.height = result.image.height;
  prediction.faces = result.faces;
  std::ostringstream line;
  create_result_writer({}, recognizer.recognizer(), line)->write(prediction);
  co_return text(request, http::status::ok, line.str(), "application/json");
}

Json WebServer::Impl::status() const {
  const Recognizer& r = recognizer.recognizer();
  Json labels = Json::array();
  for (std::size_t c = 0; c < r.labels().size(); ++c) {
    const auto [red, green, blue] = label_colour(r.labels()[c], c);
    labels.push_back(
        {{"name", r.labels()[c]}, {"colour", fer::format("#%02x%02x%02x", red, green, blue)}});
  }
  Json state = {{"version", version()},
                {"commit", commit()},
                {"labels", labels},
                {"head", r.head()},
                {"architecture", r.spec().architecture},
                {"detector", r.detector_name()},
                {"uncertain_below", uncertain_below(r.spec(), r.head())},
                {"settings",
                 {{"blur", controls.blur.load()},
                  {"figures", controls.figures.load()},
                  {"paused", controls.paused.load()}}},
                {"recording", controls.recording.load()}};
  if (const auto pipeline = watched.load().lock()) {
    const Capture& capture = pipeline->capture();
    state["camera"] = {
        {"name", capture.name()}, {"notice", capture.notice()}, {"ended", pipeline->finished()}};
  } else {
    state["camera"] = nullptr;
  }
  return state;
}

std::string WebServer::Impl::metrics() const {
  std::ostringstream out;
  const auto metric = [&](const char* name, const char* type, const char* help, double value) {
    out << "# HELP " << name << ' ' << help << "\n# TYPE " << name << ' ' << type << '\n'
        << name << ' ' << value << '\n';
  };
  const auto histogram = [&](const char* name, const char* help, const Latencies& latencies) {
    out << "# HELP " << name << ' ' << help << "\n# TYPE " << name << " histogram\n";
    for (const double ms : {5.0, 10.0, 20.0, 33.0, 50.0, 100.0, 250.0, 500.0}) {
      out << name << "_bucket{le=\"" << ms / 1000 << "\"} " << latencies.below(ms) << '\n';
    }
    out << name << "_bucket{le=\"+Inf\"} " << latencies.count() << '\n'
        << name << "_sum " << latencies.sum() / 1000 << '\n'
        << name << "_count " << latencies.count() << '\n';
  };
  out << std::setprecision(12);
  if (const auto pipeline = watched.load().lock()) {
    const Pipeline::Statistics s = pipeline->statistics();
    metric("fer_frames_total", "counter", "Frames of the camera that were looked at.",
           static_cast<double>(s.frames));
    metric("fer_frames_dropped_total", "counter", "Frames that came too late to be looked at.",
           static_cast<double>(s.dropped));
    metric("fer_faces_total", "counter", "Faces in these frames.", static_cast<double>(s.faces));
    metric("fer_frames_per_second", "gauge", "Over the last second.", s.fps);
    metric("fer_reconnections_total", "counter", "Times the camera was lost and came back.",
           static_cast<double>(s.reconnections));
    histogram("fer_latency_seconds", "From the capture of a frame to its overlay.", s.latency);
  }
  const SharedRecognizer::Counts counts = recognizer.counts();
  metric("fer_batches_total", "counter", "Runs of the classifier.",
         static_cast<double>(counts.batches));
  metric("fer_batch_faces_total", "counter", "Faces in these runs.",
         static_cast<double>(counts.faces));
  metric("fer_shared_batches_total", "counter", "Runs with faces of several clients.",
         static_cast<double>(counts.shared));
  metric("fer_web_clients", "gauge", "Connections.", clients);
  metric("fer_web_websockets", "gauge", "WebSockets among them.", websockets);
  metric("fer_web_viewers", "gauge", "Readers of /stream.mjpg.", viewers);
  out << "# HELP fer_web_requests_total Answers by status.\n# TYPE fer_web_requests_total "
         "counter\n";
  for (const auto& [code, count] : answers) {
    out << "fer_web_requests_total{code=\"" << code << "\"} " << count << '\n';
  }
  out << "# HELP fer_web_frames_total Frames that clients sent, by what became of them.\n"
         "# TYPE fer_web_frames_total counter\n"
      << "fer_web_frames_total{outcome=\"answered\"} " << frames_answered << '\n'
      << "fer_web_frames_total{outcome=\"dropped\"} " << frames_dropped << '\n'
      << "fer_web_frames_total{outcome=\"refused\"} " << frames_refused << '\n';
  histogram("fer_web_frame_seconds", "From the arrival of a client's frame to its answer.",
            frame_latency);
  long long pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  metric("process_resident_memory_bytes", "gauge", "Resident memory.",
         static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE)));
  const auto entries = [](const char* folder) {
    std::error_code none;
    return static_cast<double>(
        std::distance(std::filesystem::directory_iterator(folder, none), {}));
  };
  metric("process_open_fds", "gauge", "Open descriptors.", entries("/proc/self/fd"));
  metric("process_threads", "gauge", "Threads.", entries("/proc/self/task"));
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  metric("process_cpu_seconds_total", "counter", "User and system time.",
         static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
             static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
  return out.str();
}

// ---- the camera --------------------------------------------------------------------------------

void WebServer::Impl::encode() {
  std::int64_t number = 0;
  while (const auto frame = newest.take()) {
    News fresh;
    fresh.number = ++number;
    fresh.event = std::make_shared<const std::string>(
        event_line(event_json(**frame, recognizer.recognizer())));
    if (viewers > 0) {
      const Bytes jpeg = encode_image((*frame)->overlay, ImageFormat::kJpeg, 80);
      std::string part = fer::format(
          "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %zu\r\n\r\n", jpeg.size());
      part.append(jpeg.begin(), jpeg.end());
      fresh.jpeg = std::make_shared<const std::string>(part + "\r\n");
    }
    net::post(io, [this, fresh = std::move(fresh)]() mutable { publish(std::move(fresh)); });
  }
}

void WebServer::Impl::publish(News fresh) {
  news = std::move(fresh);
  bell.cancel();
}

// Rings once a second, so that a stream without news notices that its client is gone.
net::awaitable<void> WebServer::Impl::heartbeat() {
  net::steady_timer timer(io);
  for (;;) {
    timer.expires_after(std::chrono::seconds(1));
    error_code error;
    co_await timer.async_wait(net::redirect_error(net::use_awaitable, error));
    bell.cancel();
  }
}

template <class Stream>
net::awaitable<void> WebServer::Impl::stream_news(Stream& stream, const Request& request,
                                                  bool pictures) {
  auto& socket = beast::get_lowest_layer(stream);
  ++answers[200];
  error_code error;
  http::response<http::empty_body> head(http::status::ok, 11);
  set_common_fields(head);
  head.set(http::field::content_type,
           pictures ? "multipart/x-mixed-replace; boundary=frame" : "text/event-stream");
  head.keep_alive(false);
  http::response_serializer<http::empty_body> serializer(head);
  co_await http::async_write_header(stream, serializer,
                                    net::redirect_error(net::use_awaitable, error));
  if (error || request.method() == http::verb::head) co_return;

  struct Viewer {
    std::atomic<int>* count;
    explicit Viewer(std::atomic<int>* c) : count(c) {
      if (count) ++*count;
    }
    ~Viewer() {
      if (count) --*count;
    }
  };
  const Viewer viewer(pictures ? &viewers : nullptr);
  const Counted listener(event_listeners);
  std::int64_t seen = 0;
  auto written = Clock::now();
  while (!error) {
    // A client that takes longer than a frame finds the newest one afterwards, not a queue.
    std::shared_ptr<const std::string> part;
    if (news.number != seen && (!pictures || news.jpeg)) {
      part = pictures ? news.jpeg
                      : std::make_shared<const std::string>("data: " + *news.event + "\n\n");
      seen = news.number;
    } else if (Clock::now() - written > std::chrono::seconds(5)) {
      part = pictures ? news.jpeg : std::make_shared<const std::string>(": quiet\n\n");
    }
    if (!part) {
      co_await bell.async_wait(net::redirect_error(net::use_awaitable, error));
      error = {};
      continue;
    }
    socket.expires_after(seconds(limits.body_seconds));
    co_await net::async_write(stream, net::buffer(*part),
                              net::redirect_error(net::use_awaitable, error));
    written = Clock::now();
  }
}

// ---- frames of clients -------------------------------------------------------------------------

namespace {

// One browser that sends its camera. One frame is looked at, one waits; a newer one takes the place
// of the one that waits, which is answered "dropped".
template <class Stream>
struct Visitor {
  Visitor(Stream stream, net::io_context& io, const Recognizer& recognizer, double frames_a_second)
      : socket(std::move(stream)),
        bell(io, net::steady_timer::time_point::max()),
        rate(frames_a_second),
        memory(recognizer, {}, {}) {}

  struct Incoming {
    std::int64_t number = 0;
    Bytes bytes;
    Clock::time_point at;
  };
  websocket::stream<Stream> socket;
  net::steady_timer bell;  // rings when there is something to write, or the end
  RateLimit rate;
  FaceMemory memory;  // of the frame that is looked at
  std::optional<Incoming> waiting;
  bool busy = false, gone = false;
  std::deque<std::string> outgoing;
  Clock::time_point begin = Clock::now();
};

}  // namespace

template <class Stream>
net::awaitable<void> WebServer::Impl::serve_websocket(Stream stream, Request request) {
  beast::get_lowest_layer(stream).expires_never();
  const auto visitor = std::make_shared<Visitor<Stream>>(std::move(stream), io,
                                                         recognizer.recognizer(), limits.frames);
  auto& socket = visitor->socket;
  websocket::stream_base::timeout timeouts{};
  timeouts.handshake_timeout = seconds(limits.header_seconds);
  timeouts.idle_timeout = seconds(limits.idle_seconds);
  timeouts.keep_alive_pings = true;
  socket.set_option(timeouts);
  socket.read_message_max(limits.frame_bytes);
  error_code error;
  co_await socket.async_accept(request, net::redirect_error(net::use_awaitable, error));
  if (error) co_return;
  ++answers[101];
  const Counted counted(websockets);

  const auto say = [visitor](const Json& message) {
    visitor->outgoing.push_back(event_line(message));
    visitor->bell.cancel();
  };
  // The writer has a coroutine of its own: answers come when they are there.
  net::co_spawn(
      io,
      [visitor]() -> net::awaitable<void> {
        error_code failed;
        while (!failed) {
          if (visitor->outgoing.empty()) {
            if (visitor->gone) co_return;
            co_await visitor->bell.async_wait(net::redirect_error(net::use_awaitable, failed));
            failed = {};
            continue;
          }
          const std::string message = std::move(visitor->outgoing.front());
          visitor->outgoing.pop_front();
          co_await visitor->socket.async_write(net::buffer(message),
                                               net::redirect_error(net::use_awaitable, failed));
        }
        visitor->gone = true;
      },
      net::detached);

  // Recursive: the answer of one frame begins with the next.
  const auto begin = std::make_shared<std::function<void(typename Visitor<Stream>::Incoming)>>();
  *begin = [this, visitor, say,
            weak = std::weak_ptr(begin)](typename Visitor<Stream>::Incoming incoming) {
    visitor->busy = true;
    ImageLimits image_limits;
    image_limits.max_pixels = limits.frame_pixels;
    pool->submit(std::move(incoming.bytes), image_limits,
                 [this, visitor, say, next = weak.lock(), number = incoming.number,
                  at = incoming.at](Analysis analysis) {
                   Json reply;
                   if (analysis.error.empty()) {
                     LiveFrame frame;
                     frame.source = "client";
                     frame.index = number;
                     frame.time = std::chrono::duration<double>(at - visitor->begin).count();
                     frame.image = std::move(analysis.image);
                     frame.faces = visitor->memory.update(std::move(analysis.faces), frame.time);
                     frame.latency_ms =
                         std::chrono::duration<double, std::milli>(Clock::now() - at).count();
                     reply = event_json(frame, recognizer.recognizer());
                     reply["type"] = "result";
                   } else {
                     reply = {{"type", "error"}, {"frame", number}, {"error", analysis.error}};
                   }
                   net::post(io, [this, visitor, say, next, at, reply = std::move(reply)] {
                     say(reply);
                     const bool answered = reply["type"] == "result";
                     ++(answered ? frames_answered : frames_refused);
                     if (answered) {
                       frame_latency.add(
                           std::chrono::duration<double, std::milli>(Clock::now() - at).count());
                     }
                     visitor->busy = false;
                     if (visitor->waiting && !visitor->gone) {
                       (*next)(*std::exchange(visitor->waiting, std::nullopt));
                     }
                   });
                 });
  };

  std::int64_t number = 0;
  constexpr std::size_t kUnread = 64;  // answers that a client may leave unread
  while (!visitor->gone && visitor->outgoing.size() < kUnread) {
    beast::flat_buffer buffer;
    co_await socket.async_read(buffer, net::redirect_error(net::use_awaitable, error));
    if (error) break;
    ++number;
    if (!socket.got_binary() || !visitor->rate.allow()) {
      ++frames_refused;
      say({{"type", "error"},
           {"frame", number},
           {"error", socket.got_binary() ? "too many frames a second" : "a frame is binary"}});
      continue;
    }
    const auto data = buffer.cdata();
    const auto* bytes = static_cast<const std::uint8_t*>(data.data());
    typename Visitor<Stream>::Incoming incoming{number, Bytes(bytes, bytes + data.size()),
                                                Clock::now()};
    if (!visitor->busy) {
      (*begin)(std::move(incoming));
      continue;
    }
    if (visitor->waiting) {
      ++frames_dropped;
      say({{"type", "dropped"}, {"frame", visitor->waiting->number}});
    }
    visitor->waiting = std::move(incoming);
  }
  visitor->gone = true;
  visitor->bell.cancel();
  error_code ignored;
  beast::get_lowest_layer(socket).socket().close(ignored);
}

// ---- the sink ----------------------------------------------------------------------------------

WebServer::WebServer(SharedRecognizer& recognizer, Controls& controls, const WebOptions& options,
                     const WebLimits& limits)
    : impl_(std::make_unique<Impl>(recognizer, controls, options, limits)) {}

WebServer::~WebServer() = default;

std::string WebServer::url() const {
  const std::string& host = impl_->options.host;
  const bool anywhere = host == "0.0.0.0" || host == "::";
  return format("%s://%s:%d/#token=%s", impl_->options.tls_cert.empty() ? "http" : "https",
                anywhere                              ? "localhost"
                : host.find(':') != std::string::npos ? ('[' + host + ']').c_str()
                                                      : host.c_str(),
                impl_->options.port, impl_->token.c_str());
}

void WebServer::watch(std::weak_ptr<const Pipeline> pipeline) {
  impl_->watched = std::move(pipeline);
}

void WebServer::put(const LiveFramePtr& frame) { impl_->newest.put(frame); }

}  // namespace fer
