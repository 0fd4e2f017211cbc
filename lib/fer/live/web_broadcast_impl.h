// The camera's frames on their way to browsers: pictures (/stream.mjpg) and events (/api/events).
// Each is encoded once, in a thread of its own; a client that takes longer than a frame finds the
// newest one afterwards, not a queue. Internal to the server, in whose one thread everything here
// but put() and the encoding runs.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "fer/core/text.h"
#include "fer/live/newest_slot.h"
#include "fer/live/pipeline.h"
#include "fer/live/web_beast_impl.h"
#include "fer/live/web_metrics.h"

namespace fer::web {

class Broadcast {
 public:
  // All are to outlive it, and `counts` also the coroutines that `io` still holds.
  Broadcast(net::io_context& io, const Recognizer& recognizer, const Controls& controls,
            WebCounts& counts);
  Broadcast(const Broadcast&) = delete;
  ~Broadcast() { stop(); }

  void start();
  void stop();  // ends the encoding; before `io` is stopped
  void put(const LiveFramePtr& frame);

  // What a stream consists of. Browsers show a picture as soon as the head of the next one is
  // there, whose length nobody knows yet (kEarlyPictures); other programs go by the length.
  enum class Content { kEvents, kPictures, kEarlyPictures };

  // Until the client goes. longest: for sending one.
  template <class Stream>
  net::awaitable<void> send(Stream& stream, Content content, Clock::duration longest) {
    const bool pictures = content != Content::kEvents;
    const bool early = content == Content::kEarlyPictures;
    const std::string head = "--frame\r\nContent-Type: image/jpeg\r\n";
    std::string before = early ? head + "\r\n" : "";  // of the first one
    const std::string after = !pictures ? "" : early ? "\r\n" + head + "\r\n" : "\r\n";
    auto& socket = beast::get_lowest_layer(stream);
    std::optional<Counted<std::atomic<int>>> viewer;
    if (pictures) viewer.emplace(counts_.viewers);
    Place place;
    error_code error;
    while (!error) {
      const auto part = next_part(place, pictures);
      if (!part) {
        // No picture yet, of a camera that is lost or paused.
        if (pictures && !news_.jpeg && hung_up(socket.socket())) break;
        co_await bell_.async_wait(net::redirect_error(net::use_awaitable, error));
        error = {};
        continue;
      }
      if (pictures && !early) before = head + format("Content-Length: %zu\r\n\r\n", part->size());
      const std::array<net::const_buffer, 3> whole = {net::buffer(before), net::buffer(*part),
                                                      net::buffer(after)};
      socket.expires_after(longest);
      co_await net::async_write(stream, whole, net::redirect_error(net::use_awaitable, error));
      if (early) before.clear();
      place.written = Clock::now();
    }
  }

 private:
  using Part = std::shared_ptr<const std::string>;
  struct News {
    std::int64_t number = 0;
    bool blurred = false;
    Part jpeg, event;
  };
  // What a client has had.
  struct Place {
    std::int64_t seen = 0;
    Part shown;
    Clock::time_point written = Clock::now();
  };

  void encode();
  Part encoded(const Image& overlay);
  void publish(News news);
  net::awaitable<void> heartbeat();
  Part picture_on_show() const;
  Part next_part(Place& place, bool pictures) const;
  static bool hung_up(tcp::socket& socket);

  net::io_context& io_;
  const Recognizer& recognizer_;
  const Controls& controls_;
  WebCounts& counts_;
  NewestSlot<LiveFramePtr> newest_;
  bool warned_ = false;  // of a picture that cannot be encoded; the encoder's
  News news_;
  net::steady_timer bell_;  // rings when there is news
  std::thread encoder_;
};

}  // namespace fer::web
