// A browser that sends its own camera over a WebSocket (/ws): a binary message a picture in, a JSON
// text a picture out. One picture is looked at and one waits; a newer one takes the place of the
// one that waits, which is answered "dropped", so answers are never older than they must be.
// Internal to the server, in whose one thread everything here but reply() runs.
#pragma once

#include <deque>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "fer/live/analysis_pool.h"
#include "fer/live/events.h"
#include "fer/live/web_beast_impl.h"
#include "fer/live/web_guard.h"
#include "fer/live/web_metrics.h"
#include "fer/live/web_server.h"
#include "fer/track/face_memory.h"

namespace fer::web {

// What a visitor finds at the server, which outlives it.
struct Host {
  net::io_context& io;
  AnalysisPool& pool;
  const Recognizer& recognizer;
  const WebLimits& limits;
  const SmootherOptions& smoother;
  WebCounts& counts;
};

// Stream: plain TCP or TLS. Made by std::make_shared: jobs in the pool hold it.
template <class Stream>
class Visitor : public std::enable_shared_from_this<Visitor<Stream>> {
 public:
  Visitor(Stream stream, const Host& host)
      : host_(host),
        socket_(std::move(stream)),
        bell_(host.io, net::steady_timer::time_point::max()),
        rate_(host.limits.frames),
        memory_(host.recognizer, {}, host.smoother) {}

  // Until the client goes.
  net::awaitable<void> run(Request request) {
    const auto self = this->shared_from_this();
    if (!co_await open(request)) co_return;
    const Counted counted(host_.counts.websockets);
    // Answers come when they are there, so they have a coroutine of their own.
    net::co_spawn(
        host_.io, [self] { return self->write(); }, net::detached);
    co_await read();
    gone_ = true;
    bell_.cancel();
    error_code ignored;
    beast::get_lowest_layer(socket_).socket().close(ignored);
  }

 private:
  using Json = nlohmann::ordered_json;
  struct Picture {
    std::int64_t number = 0;
    Bytes bytes;
    Clock::time_point at;
  };

  net::awaitable<bool> open(const Request& request) {
    beast::get_lowest_layer(socket_).expires_never();
    websocket::stream_base::timeout timeouts{};
    timeouts.handshake_timeout = seconds(host_.limits.header_seconds);
    timeouts.idle_timeout = seconds(host_.limits.idle_seconds);
    timeouts.keep_alive_pings = true;
    socket_.set_option(timeouts);
    socket_.read_message_max(host_.limits.frame_bytes);
    error_code error;
    co_await socket_.async_accept(request, net::redirect_error(net::use_awaitable, error));
    if (!error) ++host_.counts.answers[101];
    co_return !error;
  }

  net::awaitable<void> read() {
    constexpr std::size_t kUnread = 64;  // answers that a client may leave unread
    std::int64_t number = 0;
    while (!gone_ && outgoing_.size() < kUnread) {
      beast::flat_buffer buffer;
      error_code error;
      co_await socket_.async_read(buffer, net::redirect_error(net::use_awaitable, error));
      if (error) co_return;
      ++number;
      const bool in_time = rate_.allow();  // text takes of the rate, too
      if (!in_time || !socket_.got_binary()) {
        ++host_.counts.frames_refused;
        say({{"type", "error"},
             {"frame", number},
             {"error", in_time ? "a frame is binary" : "too many frames a second"}});
        continue;
      }
      const auto data = buffer.cdata();
      const auto* bytes = static_cast<const std::uint8_t*>(data.data());
      Picture picture{number, Bytes(bytes, bytes + data.size()), Clock::now()};
      if (!busy_) {
        look_at(std::move(picture));
        continue;
      }
      if (waiting_) {
        ++host_.counts.frames_dropped;
        say({{"type", "dropped"}, {"frame", waiting_->number}});
      }
      waiting_ = std::move(picture);
    }
  }

  net::awaitable<void> write() {
    error_code error;
    while (!error) {
      if (outgoing_.empty()) {
        if (gone_) co_return;
        co_await bell_.async_wait(net::redirect_error(net::use_awaitable, error));
        error = {};
        continue;
      }
      const std::string message = std::move(outgoing_.front());
      outgoing_.pop_front();
      co_await socket_.async_write(net::buffer(message),
                                   net::redirect_error(net::use_awaitable, error));
    }
    gone_ = true;
  }

  void say(const Json& message) {
    outgoing_.push_back(event_line(message));
    bell_.cancel();
  }

  void look_at(Picture picture) {
    busy_ = true;
    ImageLimits limits;
    limits.max_pixels = host_.limits.frame_pixels;
    // In a thread of the pool. One picture of this visitor is there at a time, so its memory of
    // faces needs no lock.
    const auto done = [self = this->shared_from_this(), number = picture.number,
                       at = picture.at](Analysis analysis) {
      Json reply = self->reply(number, at, std::move(analysis));
      net::post(self->host_.io,
                [self, at, reply = std::move(reply)] { self->answered(at, reply); });
    };
    host_.pool.submit(std::move(picture.bytes), limits, done);
  }

  Json reply(std::int64_t number, Clock::time_point at, Analysis analysis) {
    if (!analysis.error.empty()) {
      return {{"type", "error"}, {"frame", number}, {"error", analysis.error}};
    }
    LiveFrame frame;
    frame.source = "client";
    frame.index = number;
    frame.time = std::chrono::duration<double>(at - begin_).count();
    frame.image = std::move(analysis.image);
    frame.faces = memory_.update(std::move(analysis.faces), frame.time);
    frame.latency_ms = since(at);
    Json result = event_json(frame, host_.recognizer);
    result["type"] = "result";
    return result;
  }

  void answered(Clock::time_point at, const Json& reply) {
    say(reply);
    if (reply["type"] == "result") {
      ++host_.counts.frames_answered;
      host_.counts.frame_latency.add(since(at));
    } else {
      ++host_.counts.frames_refused;
    }
    busy_ = false;
    if (waiting_ && !gone_) look_at(*std::exchange(waiting_, std::nullopt));
  }

  static double since(Clock::time_point at) {
    return std::chrono::duration<double, std::milli>(Clock::now() - at).count();
  }

  Host host_;
  websocket::stream<Stream> socket_;
  net::steady_timer bell_;  // rings when there is something to write, or the end
  RateLimit rate_;
  FaceMemory memory_;
  std::optional<Picture> waiting_;
  bool busy_ = false, gone_ = false;
  std::deque<std::string> outgoing_;
  Clock::time_point begin_ = Clock::now();
};

}  // namespace fer::web
