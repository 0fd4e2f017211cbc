// fer-live: the expressions of the faces in front of a camera, now.

#include <algorithm>
#include <atomic>
#include <csignal>
#include <iostream>
#include <memory>
#include <set>
#include <thread>

#include "fer/core/error.h"
#include "fer/core/log.h"
#include "fer/core/parallel.h"
#include "fer/core/profile.h"
#include "fer/core/text.h"
#include "fer/engine/light_engines.h"
#include "fer/live/doctor.h"
#include "fer/live/events.h"
#include "fer/live/pipeline.h"
#include "fer/live/recorder.h"
#include "fer/live/terminal_screen.h"
#include "fer/live/terminal_view.h"
#include "fer/live/web_server.h"
#include "fer/live/window_view.h"
#include "fer/model/find_model.h"
#include "program.h"
#include "recognizer_options.h"
#include "timing.h"

namespace {

using namespace fer;
using namespace fer::tools;
using Clock = std::chrono::steady_clock;

constexpr const char* kExamples =
    "  fer-live --view web                               this machine's camera, in a browser\n"
    "  fer-live                                          the first camera, in a window or here\n"
    "  fer-live --list-cameras\n"
    "  fer-live --source clip.mp4 --view none --speed max --events -\n"
    "  fer-live --source rtsp://camera.local/stream --record calls.mp4 --blur-faces\n"
    "  fer-live --source clip.mp4 --bench\n"
    "  fer-live --doctor\n";

struct LiveFlags {
  std::string view = "auto", events, record, speed = "real", detect_every = "auto";
  bool list_cameras = false, doctor = false, bench = false, profile = false, blur = false;
  double duration = 0;
  RecognizerFlags recognizer;
  PipelineOptions pipeline;
  WebOptions web;
  std::set<std::string> views;
};

// "window,web" -> the views; auto: the first that works here.
std::set<std::string> choose_views(const std::string& wanted) {
  const std::vector<std::string> known = {"window", "terminal", "web", "none", "auto"};
  std::set<std::string> views;
  for (const std::string& name : split(wanted, ',')) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      fail_input("--view " + name + ": one or several of " + join(known, ", ") +
                 did_you_mean(name, known));
    }
    views.insert(name);
  }
  if (views.size() > 1 && (views.contains("none") || views.contains("auto"))) {
    fail_input("--view " + wanted + ": none and auto stand alone");
  }
  if (views.contains("auto")) {
    return {display_works() ? "window" : terminal_exists() ? "terminal" : "web"};
  }
  if (views.contains("window") && !display_works()) {
    fail_input("no window can be opened here (no display): use --view terminal, web or none");
  }
  views.erase("none");
  return views;
}

LiveFlags parse(int argc, char** argv) {
  LiveFlags flags;
  FrameSourceOptions& source = flags.pipeline.capture.source;
  Options options("fer-live", "Recognises facial expressions live: camera, stream or file.",
                  kExamples);
  options.group("Source");
  options.add(
      "-s,--source", "source", &source.source,
      "camera number or device, video file, folder of images, rtsp:// or http:// address; none");
  options.add("--list-cameras", "", &flags.list_cameras, "names the cameras and ends");
  options.add("--width", "width", &source.width, "pixels asked of a camera; 0: its own choice");
  options.add("--height", "height", &source.height, "pixels asked of a camera");
  options.add("--fps", "fps", &source.fps, "frames a second asked of a camera; of a folder");
  options.add("--timeout", "timeout", &source.timeout,
              "seconds without a frame after which a stream counts as lost");
  options.add("--speed", "speed", &flags.speed,
              "of a file: real (time, late frames are dropped) or max (every frame)");
  options.add("--loop", "loop", &flags.pipeline.capture.loop, "a file begins again at its end");
  options.add("--duration", "duration", &flags.duration, "seconds after which to stop; 0: never");
  add_recognizer_options(options, flags.recognizer);
  options.add("--detect-every", "detect_every", &flags.detect_every,
              "detect in each n-th frame and follow in between; auto: to hold the frame rate");
  options.add("--smooth", "smooth", &flags.pipeline.smoother.time_constant,
              "seconds over which answers are averaged; 0: not at all");
  options.group("Output");
  options.add("--view", "view", &flags.view,
              "window, terminal, web (several: terminal,web), none; auto: the first that works");
  options.add("--events", "events", &flags.events, "JSON line a frame, to a file or - (stdout)");
  options.add("--record", "record", &flags.record, "what the views show, to a new .mp4");
  options.add("--blur-faces", "blur_faces", &flags.blur,
              "found faces are unrecognisable everywhere; detects in every frame");
  options.group("Web");
  options.add("--host", "host", &flags.web.host,
              "address to listen on; another than loopback needs TLS or --insecure");
  options.add("--port", "port", &flags.web.port, "0: any that is free");
  options.add("--tls-cert", "tls_cert", &flags.web.tls_cert, "certificate chain (PEM)");
  options.add("--tls-key", "tls_key", &flags.web.tls_key, "its key (PEM)");
  options.add("--insecure", "insecure", &flags.web.insecure,
              "faces and token may cross the network unencrypted");
  options.add("--token-file", "token_file", &flags.web.token_file,
              "holds a fixed token; default: a new one each start");
  options.add("--host-name", "host_name", &flags.web.names,
              "further names under which browsers reach this server; with :PORT behind a proxy");
  options.group("Checks");
  options.add("--bench", "", &flags.bench, "measures rate and latency on the source, without view");
  options.add("--profile", "profile", &flags.profile,
              "say at the end what each stage cost, on standard error");
  options.add("--doctor", "", &flags.doctor,
              "says what is there: cameras, displays, detectors, model, engines, versions");
  options.add_config_options();
  options.parse(argc, argv);

  if (flags.speed != "real" && flags.speed != "max") {
    fail_input("--speed " + flags.speed + ": real or max");
  }
  flags.pipeline.capture.full_speed = flags.speed == "max";
  long long every = 0;
  if (flags.detect_every != "auto" &&
      (!parse_int(flags.detect_every, every) || every < 1 || every > 1000)) {
    fail_input("--detect-every " + flags.detect_every + ": auto or a number from 1 to 1000");
  }
  flags.pipeline.detect_every = static_cast<int>(every);
  if (!flags.bench && !flags.list_cameras && !flags.doctor) flags.views = choose_views(flags.view);
  if (source.source == "none" && flags.views != std::set<std::string>{"web"}) {
    fail_input("--source none: only for --view web, where visitors bring their own camera");
  }
  if (source.source == "none" && !(flags.record.empty() && flags.events.empty())) {
    fail_input(std::string(flags.record.empty() ? "--events" : "--record") +
               ": with --source none there is no camera of which it could be");
  }
  flags.web.camera = source.source != "none";
  flags.web.smoother = flags.pipeline.smoother;
  const auto at_least_0 = [](const char* flag, double value) {
    if (!(value >= 0)) fail_input(format("%s %g is below 0", flag, value));
  };
  at_least_0("--duration", flags.duration);
  at_least_0("--smooth", flags.pipeline.smoother.time_constant);
  at_least_0("--width", source.width);
  at_least_0("--height", source.height);
  at_least_0("--fps", source.fps);
  if (!(source.timeout > 0 && source.timeout <= 3600))
    fail_input(format("--timeout %g is not from 0 to 3600", source.timeout));
  return flags;
}

int list_cameras_now() {
  const std::vector<Camera> cameras = list_cameras();
  if (cameras.empty()) log_warning("no camera was found");
  for (const Camera& camera : cameras) {
    std::cout << camera.index << '\t' << camera.device << '\t' << camera.name << '\n';
  }
  return cameras.empty() ? 1 : 0;
}

int doctor(const LiveFlags& flags) {
  std::filesystem::path model;
  try {
    model = find_model(flags.recognizer.model);
  } catch (const Error&) {
    // examine() says so.
  }
  std::vector<Finding> findings = examine(model, flags.recognizer.detector());
  std::vector<std::string> engines;
  for (const Engine& engine : light_engines())
    engines.push_back(engine.name + " (" + join(engine.precisions, ", ") + ")");
  findings.push_back({"engines", join(engines, ", ") + format("; %d threads", hardware_threads())});
  bool usable = true;
  for (const Finding& finding : findings) {
    std::cout << format("%-4s%-10s %s\n", finding.good ? "ok" : "--", finding.what.c_str(),
                        finding.found.c_str());
    usable &= finding.good || finding.what != "model";
  }
  return usable ? 0 : 1;  // without a model nothing goes; the rest has another way
}

// Draws every frame as a view would, for nobody.
class BenchView : public Sink {
 public:
  bool wants_overlay() const override { return true; }
  void put(const LiveFramePtr&) override {}
};

void report(const Pipeline::Statistics& s, double seconds, double cpu) {
  const auto line = [](const char* what, const Latencies& l) {
    std::cout << format("%-20s mean %6.2f   p50 %6.2f   p95 %6.2f   max %6.2f ms\n", what, l.mean(),
                        l.quantile(0.5), l.quantile(0.95), l.max());
  };
  std::cout << format(
      "%lld frames in %.1f s: %.1f frames/s, %lld dropped, %.2f faces a frame\n",
      static_cast<long long>(s.frames), seconds, static_cast<double>(s.frames) / seconds,
      static_cast<long long>(s.dropped),
      static_cast<double>(s.faces) / static_cast<double>(std::max<std::int64_t>(1, s.frames)));
  line("find faces", s.detect);
  line("classify", s.answer);
  line("capture to overlay", s.latency);
  std::cout << format("%.2f cores busy\n", cpu / seconds);
}

int live(int argc, char** argv) {
  const LiveFlags flags = parse(argc, argv);
  if (flags.list_cameras) return list_cameras_now();
  if (flags.doctor) return doctor(flags);
  if (flags.profile) start_profile();
  std::signal(SIGPIPE, SIG_IGN);  // a reader that went away is told by write()

  SharedRecognizer recognizer(open_recognizer(flags.recognizer));
  const Recognizer& known = recognizer.recognizer();
  Controls controls;
  controls.blur = flags.blur;
  std::atomic<std::weak_ptr<Pipeline>> running;
  ViewHooks hooks;
  hooks.source = [&] {
    const auto pipeline = running.load().lock();
    return pipeline ? pipeline->capture().name() : std::string();
  };
  hooks.notice = [&] {
    const auto pipeline = running.load().lock();
    return pipeline ? pipeline->capture().notice() : std::string();
  };
  hooks.next_camera = [&]() -> std::string {
    const std::vector<Camera> cameras = list_cameras();
    const auto pipeline = running.load().lock();
    const std::string camera = pipeline ? pipeline->capture().source() : "";
    const auto now = std::find_if(cameras.begin(), cameras.end(), [&](const Camera& c) {
      return camera == c.device || camera == std::to_string(c.index);
    });
    const auto next = now == cameras.end() || now + 1 == cameras.end() ? cameras.begin() : now + 1;
    if (next == cameras.end() || next == now || !pipeline) return "no other camera was found";
    pipeline->capture().switch_to(next->device);
    return "camera " + next->name;
  };

  // Views are made before the pipeline runs and go after it.
  std::vector<std::unique_ptr<Sink>> sinks;
  const auto add = [&](auto sink) {
    auto* raw = sink.get();
    sinks.push_back(std::move(sink));
    return raw;
  };
  WindowView* window = nullptr;
  WebServer* web = nullptr;
  if (flags.bench) add(std::make_unique<BenchView>());
  if (!flags.events.empty()) {
    add(std::make_unique<EventWriter>(flags.events, known, controls));
  }
  if (!flags.record.empty()) add(std::make_unique<Recorder>(flags.record, controls));
  if (flags.views.contains("web")) {
    web = add(std::make_unique<WebServer>(recognizer, controls, flags.web));
    const std::string& file = flags.web.token_file;  // a secret that lasts stays out of the log
    const std::string address =
        file.empty() ? web->url() : web->address() + "#token= and the content of " + file;
    std::cerr << "open " << address << std::endl;
    hooks.address = [&controls, address] { return controls.visited ? std::string() : address; };
  }
  if (flags.views.contains("window")) window = add(std::make_unique<WindowView>(controls, hooks));

  install_stop_handler();
  // After the stop handler, which it calls: the terminal is given back first.
  if (flags.views.contains("terminal")) {
    add(std::make_unique<TerminalView>(known, controls, hooks));
  }
  std::vector<Sink*> all;
  for (const auto& sink : sinks) all.push_back(sink.get());

  std::shared_ptr<Pipeline> pipeline;
  // However it ends, nobody waits for a reader of the events any more.
  const std::unique_ptr<Controls, void (*)(Controls*)> end(
      &controls, [](Controls* ending) { ending->quit = true; });
  if (flags.pipeline.capture.source.source != "none") {
    try {
      pipeline = std::make_shared<Pipeline>(recognizer, flags.pipeline, controls, all);
    } catch (const Error&) {
      if (stop_requested()) return 130;  // while the source was being opened
      throw;
    }
    running = pipeline;
    if (web != nullptr) web->watch(pipeline);
  }
  // Opening the source is no part of what is measured, nor of --duration.
  const auto begin = Clock::now();
  const double cpu_before = cpu_seconds();
  const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  const auto going_on = [&] {
    return !stop_requested() && !controls.quit &&
           (flags.duration == 0 || elapsed() < flags.duration);
  };
  if (!flags.views.contains("terminal")) {  // which shows it itself
    std::cerr << "fer-live names facial expressions, not what a person feels; "
              << what_is_stored(controls) << (flags.record.empty() ? "" : ": " + flags.record)
              << (controls.storing_answers ? ": " + flags.events : "") << std::endl;
  }
  while (going_on() && !(pipeline && pipeline->finished())) {
    if (window != nullptr) {
      window->step();
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  const double seconds = elapsed(), cpu = cpu_seconds() - cpu_before;
  controls.quit = true;
  if (pipeline) pipeline->stop();
  if (flags.bench) report(pipeline->statistics(), seconds, cpu);
  pipeline.reset();
  all.clear();
  sinks.clear();  // the terminal is given back
  if (flags.profile) std::cerr << profile_table();
  return stop_requested() ? 130 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program("fer-live", [&] { return live(argc, argv); });
}
