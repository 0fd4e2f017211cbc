// What a request to the live server means: its paths, the state and settings behind them. Knows
// nothing of sockets: WebServer reads requests, asks the Guard who may come in, and sends what is
// answered here. The paths are described in web/openapi.json.
#pragma once

#include <atomic>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

#include "fer/live/analysis_pool.h"
#include "fer/live/pipeline.h"
#include "fer/live/web_guard.h"
#include "fer/live/web_metrics.h"

namespace fer {

struct WebCall {
  std::string_view method;         // GET (HEAD counts as GET) or POST
  std::string_view path;           // without query
  std::string_view authorization;  // header field, "" where absent
  std::span<const std::uint8_t> body;
};

struct WebReply {
  int status = 200;
  std::string body;
  std::string type = "application/json";
  std::string cookie = {};  // Set-Cookie; empty: none
};

// {"error": reason}, for people and programs.
WebReply refusal(int status, const std::string& reason);

class WebApi {
 public:
  // All must outlive it. camera: whether there is going to be one to watch().
  WebApi(const SharedRecognizer& recognizer, Controls& controls, Guard& guard, bool camera)
      : recognizer_(recognizer), controls_(controls), guard_(guard), camera_(camera) {}

  // Whose state is shown, while it is there. From any thread.
  void watch(std::weak_ptr<const Pipeline> pipeline) { watched_ = std::move(pipeline); }

  // Of one thread. Everything but /ws, the streams and /api/analyze, which take their time.
  WebReply answer(const WebCall& call, const WebCounts& counts);
  // To POST /api/analyze: the line that fer-predict writes.
  WebReply analyzed(const Analysis& analysis) const;

 private:
  nlohmann::ordered_json status() const;
  void change_settings(std::span<const std::uint8_t> body);

  const SharedRecognizer& recognizer_;
  Controls& controls_;
  Guard& guard_;
  const bool camera_;
  std::atomic<std::weak_ptr<const Pipeline>> watched_;
};

}  // namespace fer
