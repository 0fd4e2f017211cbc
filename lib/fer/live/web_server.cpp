#include "fer/live/web_server.h"

#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/live/analysis_pool.h"
#include "fer/live/web_api.h"
#include "fer/live/web_beast_impl.h"
#include "fer/live/web_broadcast_impl.h"
#include "fer/live/web_guard.h"
#include "fer/live/web_message_impl.h"
#include "fer/live/web_page.h"
#include "fer/live/web_strangers_impl.h"
#include "fer/live/web_visitor_impl.h"

namespace fer {

using namespace web;

namespace {

// By name: g++ 12 destroys what is made in a co_await's arguments twice.
const Guard::Verdict kLargeHeader{431, "the header is too large"};
const Guard::Verdict kLargeBody{413, "the body is too large"};

}  // namespace

struct WebServer::Impl {
  Impl(SharedRecognizer& shared, Controls& live_controls, const WebOptions& web,
       const WebLimits& web_limits);
  ~Impl();

  // Listening and connections.
  void listen();
  net::awaitable<void> accept();
  net::awaitable<void> serve_tls(tcp::socket socket, Counted<int> client);
  net::awaitable<void> serve_plain(tcp::socket socket, Counted<int> client);
  template <class Stream>
  net::awaitable<void> serve(Stream stream);
  template <class Stream>
  net::awaitable<void> refuse(Stream& stream, const Guard::Verdict& verdict);
  template <class Stream>
  net::awaitable<void> finish(Stream& stream);

  // Requests.
  RateLimit& guesses_of(tcp::socket& socket);
  net::awaitable<WebReply> analyze(const Request& request);

  // Streams.
  template <class Stream>
  net::awaitable<void> stream_news(Stream& stream, const Request& request,
                                   Broadcast::Content content);

  SharedRecognizer& recognizer;
  WebOptions options;
  WebLimits limits;
  std::string token;
  std::unique_ptr<Guard> guard;
  std::unique_ptr<WebApi> api;

  // Of the server's own thread.
  WebCounts counts;
  std::map<std::string, RateLimit> wrong_tokens;  // by the sender's network
  Strangers strangers;

  net::io_context io{1};
  ssl::context tls{ssl::context::tls_server};
  tcp::acceptor acceptor{io};
  Broadcast broadcast;

  // The threads last: they end first.
  std::unique_ptr<AnalysisPool> pool;
  std::thread thread;
};

WebServer::Impl::Impl(SharedRecognizer& shared, Controls& live_controls, const WebOptions& web,
                      const WebLimits& web_limits)
    : recognizer(shared),
      options(web),
      limits(web_limits),
      token(web.token_file.empty() ? random_token() : read_token(web.token_file)),
      broadcast(io, recognizer.recognizer(), live_controls, counts) {
  const bool with_tls = !options.tls_cert.empty() || !options.tls_key.empty();
  if (with_tls && (options.tls_cert.empty() || options.tls_key.empty())) {
    fail_input("tls_cert and tls_key belong together");
  }
  if (!with_tls && !is_loopback(options.host) && !options.insecure) {
    fail_input("host " + options.host +
               ": faces and the token would cross the network unencrypted; give tls_cert and "
               "tls_key, or allow it by insecure");
  }
  if (options.port < 0 || options.port > 65535) {
    fail_input(format("port %d is not from 0 to 65535", options.port));
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
  api = std::make_unique<WebApi>(recognizer, live_controls, *guard, options.camera);

  pool = std::make_unique<AnalysisPool>(recognizer);
  net::co_spawn(io, accept(), net::detached);
  broadcast.start();
  thread = std::thread([this] { io.run(); });
}

WebServer::Impl::~Impl() {
  broadcast.stop();
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
      fail_runtime(format("port %d is taken; port 0 takes any that is free", options.port));
    }
    fail_input(format("host %s, port %d: %s", options.host.c_str(), options.port,
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
    if (counts.clients >= limits.clients && !strangers.drop_oldest())
      continue;  // the socket is closed
    socket.set_option(tcp::no_delay(true), error);
    socket.set_option(net::socket_base::keep_alive(true), error);  // tells whose network is gone
    if (options.tls_cert.empty()) {
      net::co_spawn(io, serve_plain(std::move(socket), Counted(counts.clients)), net::detached);
    } else {
      net::co_spawn(io, serve_tls(std::move(socket), Counted(counts.clients)), net::detached);
    }
  }
}

net::awaitable<void> WebServer::Impl::serve_plain(tcp::socket socket, Counted<int>) {
  co_await serve(beast::tcp_stream(std::move(socket)));
}

net::awaitable<void> WebServer::Impl::serve_tls(tcp::socket socket, Counted<int>) {
  beast::ssl_stream<beast::tcp_stream> stream(beast::tcp_stream(std::move(socket)), tls);
  auto member = strangers.join(beast::get_lowest_layer(stream));
  beast::get_lowest_layer(stream).expires_after(seconds(limits.header_seconds));
  error_code error;
  co_await stream.async_handshake(ssl::stream_base::server,
                                  net::redirect_error(net::use_awaitable, error));
  member.leave();  // and serve() joins again
  if (!error) co_await serve(std::move(stream));
}

// The last answer on a connection.
template <class Stream>
net::awaitable<void> WebServer::Impl::refuse(Stream& stream, const Guard::Verdict& verdict) {
  ++counts.answers[verdict.status];
  Response reply = web_response({}, refusal(verdict.status, verdict.reason));
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

// Of an address, or of the /64 that a host of IPv6 has to itself.
RateLimit& WebServer::Impl::guesses_of(tcp::socket& socket) {
  error_code error;
  const auto address = socket.remote_endpoint(error).address();
  std::string network = address.to_string();
  if (address.is_v6() && !address.to_v6().is_v4_mapped()) {
    const auto bytes = address.to_v6().to_bytes();
    network.assign(bytes.begin(), bytes.begin() + 8);
  }
  constexpr std::size_t kMost = 4096;
  if (wrong_tokens.size() >= kMost) wrong_tokens.clear();
  return wrong_tokens.try_emplace(network, limits.logins).first->second;
}

template <class Stream>
net::awaitable<void> WebServer::Impl::serve(Stream stream) {
  auto& socket = beast::get_lowest_layer(stream);
  beast::flat_buffer buffer;
  RateLimit rate(limits.requests);
  auto member = strangers.join(socket);
  bool first = true;
  for (;;) {
    error_code error;
    // The header first: who is not let in sends no body, and no request more than it needs.
    http::request_parser<http::vector_body<std::uint8_t>> parser;
    parser.header_limit(limits.header_bytes);
    parser.body_limit(limits.body_bytes);
    if (!first) {
      // Idle between requests is allowed for longer than a header may take.
      socket.expires_after(
          seconds(member.stranger() ? limits.header_seconds : limits.idle_seconds));
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
      const bool header_too_large = error == http::error::header_limit;
      co_await refuse(stream, header_too_large ? kLargeHeader : kLargeBody);
    }
    if (error) break;
    const auto& header = parser.get();
    const std::vector<std::string> target = split(std::string(view(header.target())), '?');
    const std::string path = target.front();
    const bool get = header.method() == http::verb::get || header.method() == http::verb::head;
    const bool open = get && (path == "/healthz" || find_web_file(path) != nullptr);
    const bool upgrade = path == "/ws" && websocket::is_upgrade(header);

    RequestFacts facts = request_facts(header, open);
    facts.changes |= upgrade;
    // A token is compared only where its sender has not guessed too often.
    const bool shows_token = !open && !facts.authorization.empty();
    RateLimit& guesses = guesses_of(socket.socket());
    Guard::Verdict verdict = shows_token && !guesses.ready()
                                 ? Guard::Verdict{429, "too many wrong tokens"}
                                 : guard->check(facts);
    if (shows_token && verdict.status == 401) guesses.allow();
    if (verdict.status == 200 && !rate.allow()) verdict = {429, "too many requests"};
    if (verdict.status != 200) {
      co_await refuse(stream, verdict);
      break;
    }
    if (!open) member.leave();

    constexpr std::uint64_t kSmallBody = 4096;  // of settings
    const std::uint64_t most = get ? 0 : path == "/api/analyze" ? limits.body_bytes : kSmallBody;
    parser.body_limit(most);
    if (parser.content_length() && *parser.content_length() > most) {
      co_await refuse(stream, kLargeBody);
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
      co_await refuse(stream, kLargeBody);
    }
    if (error) break;
    Request request = parser.release();

    if (upgrade) {
      const Host host{io, *pool, recognizer.recognizer(), limits, options.smoother, counts};
      co_await std::make_shared<Visitor<Stream>>(std::move(stream), host)->run(std::move(request));
      co_return;
    }
    const bool of_camera = get && (path == "/stream.mjpg" || path == "/api/events");
    if (of_camera && options.camera) {
      const bool early = target.size() > 1 && target[1].starts_with("early");
      co_await stream_news(stream, request,
                           path == "/api/events" ? Broadcast::Content::kEvents
                           : early               ? Broadcast::Content::kEarlyPictures
                                                 : Broadcast::Content::kPictures);
      co_return;
    }
    WebReply answered;
    if (of_camera) {
      answered = refusal(404, "this server has no camera of its own");
    } else if (path == "/api/analyze" && request.method() == http::verb::post) {
      socket.expires_never();
      answered = co_await analyze(request);
    } else {
      answered = api->answer(web_call(request, path), counts);
    }
    ++counts.answers[answered.status];
    Response reply = web_response(request, answered);
    socket.expires_after(seconds(limits.body_seconds));
    const bool keep = reply.keep_alive();
    co_await http::async_write(stream, reply, net::redirect_error(net::use_awaitable, error));
    if (error || !keep) break;
  }
  co_await finish(stream);
}

// ---- requests ----------------------------------------------------------------------------------

net::awaitable<WebReply> WebServer::Impl::analyze(const Request& request) {
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
  co_return api->analyzed(**analysis);
}

template <class Stream>
net::awaitable<void> WebServer::Impl::stream_news(Stream& stream, const Request& request,
                                                  Broadcast::Content content) {
  ++counts.answers[200];
  error_code error;
  http::response<http::empty_body> head(http::status::ok, 11);
  set_common_fields(head);
  head.set(http::field::content_type, content == Broadcast::Content::kEvents
                                          ? "text/event-stream"
                                          : "multipart/x-mixed-replace; boundary=frame");
  head.keep_alive(false);
  http::response_serializer<http::empty_body> serializer(head);
  co_await http::async_write_header(stream, serializer,
                                    net::redirect_error(net::use_awaitable, error));
  if (error || request.method() == http::verb::head) co_return;

  co_await broadcast.send(stream, content, seconds(limits.body_seconds));
}

// ---- the sink ----------------------------------------------------------------------------------

WebServer::WebServer(SharedRecognizer& recognizer, Controls& controls, const WebOptions& options,
                     const WebLimits& limits)
    : impl_(std::make_unique<Impl>(recognizer, controls, options, limits)) {}

WebServer::~WebServer() = default;

std::string WebServer::address() const {
  const std::string& host = impl_->options.host;
  const bool anywhere = host == "0.0.0.0" || host == "::";
  return format("%s://%s:%d/", impl_->options.tls_cert.empty() ? "http" : "https",
                anywhere                              ? "localhost"
                : host.find(':') != std::string::npos ? ('[' + host + ']').c_str()
                                                      : host.c_str(),
                impl_->options.port);
}

std::string WebServer::url() const { return address() + "#token=" + percent_encoded(impl_->token); }

void WebServer::watch(std::weak_ptr<const Pipeline> pipeline) {
  impl_->api->watch(std::move(pipeline));
}

void WebServer::put(const LiveFramePtr& frame) { impl_->broadcast.put(frame); }

}  // namespace fer
