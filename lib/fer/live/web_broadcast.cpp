#include <poll.h>

#include <utility>

#include "fer/core/log.h"
#include "fer/core/profile.h"
#include "fer/live/events.h"
#include "fer/live/web_broadcast_impl.h"
#include "fer/vision/image_io.h"

namespace fer::web {
namespace {

std::shared_ptr<const std::string> as_jpeg(const Image& picture) {
  const Bytes bytes = encode_image(picture, ImageFormat::kJpeg, 80);
  return std::make_shared<const std::string>(bytes.begin(), bytes.end());
}

}  // namespace

Broadcast::Broadcast(net::io_context& io, const Recognizer& recognizer, const Controls& controls,
                     WebCounts& counts)
    : io_(io),
      recognizer_(recognizer),
      controls_(controls),
      counts_(counts),
      bell_(io, net::steady_timer::time_point::max()) {}

void Broadcast::start() {
  net::co_spawn(io_, heartbeat(), net::detached);
  encoder_ = std::thread([this] { encode(); });
}

void Broadcast::stop() {
  newest_.close();
  if (encoder_.joinable()) encoder_.join();
}

void Broadcast::put(const LiveFramePtr& frame) { newest_.put(frame); }

void Broadcast::encode() {
  std::int64_t number = 0;
  while (const auto frame = newest_.take()) {
    try {
      News fresh;
      fresh.number = ++number;
      fresh.blurred = (*frame)->blurred;
      fresh.event =
          std::make_shared<const std::string>(event_line(event_json(**frame, recognizer_)));
      if (counts_.viewers > 0) fresh.jpeg = encoded((*frame)->overlay);
      net::post(io_, [this, fresh = std::move(fresh)]() mutable { publish(std::move(fresh)); });
    } catch (const std::bad_alloc&) {  // this frame is passed over
    }
  }
}

// Nothing where it cannot be a JPEG: a side may be too long.
Broadcast::Part Broadcast::encoded(const Image& overlay) {
  const ProfileScope scope("encode");
  try {
    return as_jpeg(overlay);
  } catch (const std::exception& error) {
    if (!std::exchange(warned_, true))
      log_warning(std::string("/stream.mjpg has no picture: ") + error.what());
    return nullptr;
  }
}

void Broadcast::publish(News fresh) {
  news_ = std::move(fresh);
  bell_.cancel();
}

// Rings once a second, so that a stream without news notices that its client is gone.
net::awaitable<void> Broadcast::heartbeat() {
  net::steady_timer timer(io_);
  for (;;) {
    timer.expires_after(std::chrono::seconds(1));
    error_code error;
    co_await timer.async_wait(net::redirect_error(net::use_awaitable, error));
    bell_.cancel();
  }
}

// The newest picture; a gray one in place of one whose faces are to be blurred and are not.
Broadcast::Part Broadcast::picture_on_show() const {
  static const auto gray = as_jpeg(Image(64, 48, 3, 90));
  return news_.jpeg && controls_.blur && !news_.blurred ? gray : news_.jpeg;
}

// Nothing where there is nothing new to say; something at least every five seconds, so that a
// client that is gone shows.
Broadcast::Part Broadcast::next_part(Place& place, bool pictures) const {
  const bool quiet = Clock::now() - place.written > std::chrono::seconds(5);
  if (pictures) {
    const Part picture = picture_on_show();
    if (picture == place.shown && !quiet) return nullptr;
    return place.shown = picture;
  }
  if (news_.number != place.seen) {
    place.seen = news_.number;
    return std::make_shared<const std::string>("data: " + *news_.event + "\n\n");
  }
  return quiet ? std::make_shared<const std::string>(": quiet\n\n") : nullptr;
}

// Whether the other side has closed the connection, where nothing is written that would tell.
bool Broadcast::hung_up(tcp::socket& socket) {
  pollfd state{socket.native_handle(), POLLRDHUP, 0};
  return ::poll(&state, 1, 0) > 0;
}

}  // namespace fer::web
