#include "fer/live/web_api.h"

#include <map>
#include <nlohmann/json.hpp>

#include "fer/core/emotion.h"
#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/core/version.h"
#include "fer/live/events.h"
#include "fer/live/web_page.h"
#include "fer/vision/prediction.h"

namespace fer {

namespace {

using Json = nlohmann::ordered_json;

WebReply json_reply(const Json& body) { return {200, event_line(body) + '\n'}; }

}  // namespace

WebReply refusal(int status, const std::string& reason) {
  return {status, event_line({{"error", reason}}) + '\n'};
}

WebReply WebApi::answer(const WebCall& call, const WebCounts& counts) {
  if (call.method == "GET") {
    if (const WebFile* file = find_web_file(call.path)) {
      return {200, std::string(file->content), std::string(file->type)};
    }
    if (call.path == "/healthz") return {200, "ok\n", "text/plain; charset=utf-8"};
    if (call.path == "/metrics") {
      const auto pipeline = watched_.load().lock();
      return {200, metrics_text(counts, recognizer_.counts(), pipeline.get()),
              "text/plain; version=0.0.4"};
    }
    if (call.path == "/api/status") return json_reply(status());
  }
  if (call.method == "POST" && call.path == "/api/session") {
    // The guard saw a session or the token; only the token opens a new one.
    if (!guard_.bearer(call.authorization)) {
      return refusal(401, "a session is opened by the token alone");
    }
    WebReply reply = json_reply({{"session", "open"}});
    reply.cookie = guard_.open_session();
    controls_.visited = true;
    return reply;
  }
  if (call.method == "POST" && call.path == "/api/settings") {
    try {
      change_settings(call.body);
    } catch (const std::exception& error) {
      return refusal(400, "settings: " + std::string(error.what()));
    }
    return json_reply(status());
  }
  for (const char* known : {"/api/session", "/api/settings", "/api/analyze", "/api/status",
                            "/metrics", "/healthz", "/ws", "/stream.mjpg", "/api/events"}) {
    if (call.path == known) return refusal(call.path == "/ws" ? 426 : 405, "not this way");
  }
  return refusal(404, "there is nothing here");
}

WebReply WebApi::analyzed(const Analysis& analysis) const {
  if (!analysis.error.empty()) return refusal(400, analysis.error);
  Prediction prediction;
  prediction.path = "upload";
  prediction.width = analysis.image.width;
  prediction.height = analysis.image.height;
  prediction.faces = analysis.faces;
  const Recognizer& recognizer = recognizer_.recognizer();
  return json_reply(prediction_json(prediction, recognizer.head(), recognizer.labels()));
}

void WebApi::change_settings(std::span<const std::uint8_t> body) {
  const Json wanted = Json::parse(body.begin(), body.end());
  const std::map<std::string, std::atomic<bool>*> known = {
      {"blur", &controls_.blur}, {"figures", &controls_.figures}, {"paused", &controls_.paused}};
  if (!wanted.is_object()) fail_input("an object is expected");
  for (const auto& [key, value] : wanted.items()) {
    if (!known.contains(key)) fail_input("'" + key + "' is none of blur, figures, paused");
    if (!value.is_boolean()) fail_input("'" + key + "' is true or false");
  }
  for (const auto& [key, value] : wanted.items()) *known.at(key) = value.get<bool>();
}

Json WebApi::status() const {
  const Recognizer& r = recognizer_.recognizer();
  Json labels = Json::array();
  for (std::size_t c = 0; c < r.labels().size(); ++c) {
    const auto [red, green, blue] = label_colour(r.labels()[c], c);
    labels.push_back(
        {{"name", r.labels()[c]}, {"colour", format("#%02x%02x%02x", red, green, blue)}});
  }
  Json state = {{"version", version()},
                {"commit", commit()},
                {"labels", labels},
                {"head", r.head()},
                {"architecture", r.spec().architecture},
                {"detector", r.detector_name()},
                {"uncertain_below", uncertain_below(r.spec(), r.head())},
                {"settings",
                 {{"blur", controls_.blur.load()},
                  {"figures", controls_.figures.load()},
                  {"paused", controls_.paused.load()}}},
                {"recording", controls_.recording.load()},
                {"storing_answers", controls_.storing_answers.load()}};
  if (const auto pipeline = watched_.load().lock()) {
    const Capture& capture = pipeline->capture();
    state["camera"] = {
        {"name", capture.name()}, {"notice", capture.notice()}, {"ended", pipeline->finished()}};
  } else if (camera_) {
    state["camera"] = {{"name", ""}, {"notice", "the camera is being opened"}, {"ended", false}};
  } else {
    state["camera"] = nullptr;
  }
  return state;
}

}  // namespace fer
