// fer-live: the expressions of the faces in front of a camera, now.
#include <sys/resource.h>

#include <csignal>
#include <iostream>
#include <optional>
#include <thread>

#include "fer/core/error.h"
#include "fer/core/log.h"
#include "fer/core/text.h"
#include "fer/live/doctor.h"
#include "fer/live/events.h"
#include "fer/live/pipeline.h"
#include "fer/live/recorder.h"
#include "fer/model/find_model.h"
#include "fer/predict/engine.h"
#include "options.h"

namespace {

using namespace fer;
using namespace fer::tools;
using Clock = std::chrono::steady_clock;

constexpr const char* kExamples =
    "  fer-live                                          the first camera, in a window or here\n"
    "  fer-live --list-cameras\n"
    "  fer-live --source clip.mp4 --view none --speed max --events -\n"
    "  fer-live --source rtsp://camera.local/stream --record calls.mp4 --blur-faces\n"
    "  fer-live --source clip.mp4 --bench\n"
    "  fer-live --doctor\n";

struct LiveFlags {
  std::string model, view = "auto", events, record, speed = "real", detect_every = "auto";
  bool list_cameras = false, doctor = false, bench = false, blur = false;
  double duration = 0;
  RecognizerOptions recognizer;
  PipelineOptions pipeline;
};

LiveFlags parse(int argc, char** argv) {
  LiveFlags flags;
  std::string detector_model;
  FrameSourceOptions& source = flags.pipeline.capture.source;
  Options options("fer-live", "Recognises facial expressions live: camera, stream or file.",
                  kExamples);
  options.group("Source");
  options.add("-s,--source", "source", &source.source,
              "camera number or device, video file, folder of images, rtsp:// or http:// address");
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
  options.group("Model");
  options.add("-m,--model", "model", &flags.model,
              "checkpoint (.safetensors); default: FER_MODEL or the shipped one");
  options.add("--head", "head", &flags.recognizer.head,
              "output whose label counts; default: the checkpoint's");
  options.group("Faces");
  options.add("--detector", "detector", &flags.recognizer.detector.kind, "auto, yunet or haar");
  options.add("--detector-model", "detector_model", &detector_model,
              "YuNet's .onnx or a cascade's .xml");
  options.add("--detector-size", "detector_size", &flags.recognizer.detector.input_size,
              "pixels of the longer side that the detector sees");
  options.add("--detect-every", "detect_every", &flags.detect_every,
              "detect in each n-th frame and follow in between; auto: to hold the frame rate");
  options.add("--min-face", "min_face", &flags.recognizer.quality.min_face,
              "pixels; smaller faces are 'too small'");
  options.add("--guess", "guess", &flags.recognizer.guess,
              "answer for small, blurred and turned faces, too");
  options.add("--smooth", "smooth", &flags.pipeline.smoother.time_constant,
              "seconds over which answers are averaged; 0: not at all");
  options.group("Output");
  options.add("--view", "view", &flags.view, "none");
  options.add("--events", "events", &flags.events, "JSON line a frame, to a file or - (stdout)");
  options.add("--record", "record", &flags.record, "what the views show, to a new .mp4");
  options.add("--blur-faces", "blur_faces", &flags.blur, "faces are unrecognisable everywhere");
  options.group("Checks");
  options.add("--bench", "", &flags.bench, "measures rate and latency on the source, without view");
  options.add("--doctor", "", &flags.doctor,
              "says what is there: cameras, displays, detectors, model, versions");
  options.add_config_options();
  options.parse(argc, argv);

  flags.recognizer.detector.model = detector_model;
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
  if (flags.duration < 0) fail_input(format("--duration %g is below 0", flags.duration));
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
    model = find_model(flags.model);
  } catch (const Error&) {
    // examine() says so.
  }
  for (const Finding& finding : examine(model, flags.recognizer.detector)) {
    std::cout << format("%-4s%-10s %s\n", finding.good ? "ok" : "--", finding.what.c_str(),
                        finding.found.c_str());
  }
  return 0;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
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
  std::signal(SIGPIPE, SIG_IGN);  // a reader that went away is told by write()

  // One thread for the engine: batches are small, and the other cores look for faces.
  SharedRecognizer recognizer(
      Recognizer(open_classifier(flags.model, 1), flags.recognizer));
  Controls controls;
  controls.blur = flags.blur;
  std::vector<std::unique_ptr<Sink>> sinks;
  std::optional<Pipeline> pipeline;
  if (flags.bench) sinks.push_back(std::make_unique<BenchView>());
  if (!flags.events.empty()) {
    sinks.push_back(std::make_unique<EventWriter>(
        flags.events, [source = flags.pipeline.capture.source.source] { return source; },
        recognizer.recognizer(), controls));
  }
  if (!flags.record.empty()) {
    sinks.push_back(std::make_unique<Recorder>(flags.record, 25, controls));
  }
  std::vector<Sink*> all;
  for (const auto& sink : sinks) all.push_back(sink.get());
  install_stop_handler();
  const auto begin = Clock::now();
  const double cpu_before = cpu_seconds();
  pipeline.emplace(recognizer, flags.pipeline, controls, all);
  const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  while (!pipeline->finished() && !stop_requested() && !controls.quit &&
         (flags.duration == 0 || elapsed() < flags.duration)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  const double seconds = elapsed(), cpu = cpu_seconds() - cpu_before;
  pipeline->stop();
  if (flags.bench) report(pipeline->statistics(), seconds, cpu);
  return stop_requested() ? 130 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program("fer-live", [&] { return live(argc, argv); });
}
