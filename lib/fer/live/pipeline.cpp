#include "fer/live/pipeline.h"

#include <algorithm>
#include <opencv2/core/utility.hpp>
#include <utility>

#include "fer/live/draw.h"

namespace fer {

namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

FollowOptions follow_options(const PipelineOptions& options, const Capture& capture,
                             const Controls& controls) {
  FollowOptions follow;
  follow.every = options.detect_every;
  // Without a rate to hold every frame is looked at.
  if (follow.every == 0 && !capture.live() && options.capture.full_speed) follow.every = 1;
  if (const double fps = capture.fps(); fps > 0) follow.frame_time = 1 / fps;
  follow.always = &controls.blur;
  return follow;
}

}  // namespace

Pipeline::Pipeline(SharedRecognizer& recognizer, const PipelineOptions& options, Controls& controls,
                   std::vector<Sink*> sinks)
    : recognizer_(recognizer),
      controls_(controls),
      sinks_(std::move(sinks)),
      capture_(options.capture, controls.paused),
      detector_(make_following_detector(recognizer.recognizer().make_detector(),
                                        follow_options(options, capture_, controls))),
      memory_(recognizer.recognizer(), options.tracker, options.smoother) {
  wants_overlay_ = std::any_of(sinks_.begin(), sinks_.end(),
                               [](const Sink* sink) { return sink->wants_overlay(); });
  thread_ = std::thread([this] { run(); });
}

Pipeline::~Pipeline() {
  capture_.stop();
  if (thread_.joinable()) thread_.join();
}

void Pipeline::stop() {
  capture_.stop();
  if (thread_.joinable()) thread_.join();
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

Pipeline::Statistics Pipeline::statistics() const {
  const std::lock_guard lock(mutex_);
  Statistics now = statistics_;
  now.fps = rate(Clock::now());
  now.dropped = capture_.dropped();
  now.reconnections = capture_.reconnections();
  return now;
}

void Pipeline::run() {
  try {
    while (auto captured = capture_.next()) process(std::move(*captured));
  } catch (...) {
    error_ = std::current_exception();
  }
  for (Sink* sink : sinks_) {
    try {
      sink->finish();
    } catch (...) {
      if (!error_) error_ = std::current_exception();  // the first is told
    }
  }
  finished_ = true;
}

// Of the last second before `now`.
double Pipeline::rate(Clock::time_point now) const {
  const auto first = std::find_if(recent_.begin(), recent_.end(),
                                  [&](auto time) { return now - time <= std::chrono::seconds(1); });
  const auto frames = recent_.end() - first;
  if (frames < 2) return 0;
  return static_cast<double>(frames - 1) /
         std::chrono::duration<double>(recent_.back() - *first).count();
}

void Pipeline::process(CapturedFrame captured) {
  const Recognizer& recognizer = recognizer_.recognizer();
  auto frame = std::make_shared<LiveFrame>();
  frame->source = capture_.name();
  frame->image = std::move(captured.frame.image);
  frame->index = captured.frame.index;
  frame->time = captured.frame.time;

  const auto begin = Clock::now();
  std::vector<FaceCrop> crops = recognizer.find_faces(frame->image, *detector_);
  frame->detect_ms = ms_since(begin);
  const auto found = Clock::now();
  std::vector<FaceCrop*> pending;
  for (FaceCrop& crop : crops) pending.push_back(&crop);
  recognizer_.answer(pending);
  frame->answer_ms = ms_since(found);
  std::vector<FaceResult> results;
  for (FaceCrop& crop : crops) results.push_back(std::move(crop.result));
  frame->faces = memory_.update(std::move(results), frame->time);

  frame->blurred = controls_.blur;
  if (frame->blurred) {
    for (const Box& box : memory_.boxes()) blur_face(frame->image, box);
  }
  frame->source_fps = capture_.fps();
  frame->dropped = capture_.dropped();
  {
    const std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    while (!recent_.empty() && now - recent_.front() > std::chrono::seconds(1)) recent_.pop_front();
    recent_.push_back(now);
    frame->fps = rate(now);
  }
  if (wants_overlay_) {
    frame->overlay = frame->image;
    frame->latency_ms = ms_since(captured.at);
    draw_overlay(frame->overlay, *frame, recognizer, controls_);
  }
  frame->latency_ms = ms_since(captured.at);
  {
    const std::lock_guard lock(mutex_);
    ++statistics_.frames;
    statistics_.faces += static_cast<std::int64_t>(frame->faces.size());
    statistics_.latency.add(frame->latency_ms);
    statistics_.detect.add(frame->detect_ms);
    statistics_.answer.add(frame->answer_ms);
  }
  for (Sink* sink : sinks_) sink->put(frame);
}

}  // namespace fer
