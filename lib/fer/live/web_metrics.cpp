#include "fer/live/web_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iomanip>
#include <locale>
#include <sstream>

namespace fer {

namespace {

class Exposition {
 public:
  Exposition() {
    out_.imbue(std::locale::classic());  // whatever the host program's own is
    out_ << std::setprecision(12);
  }

  void head(const char* name, const char* type, const char* help) {
    out_ << "# HELP " << name << ' ' << help << "\n# TYPE " << name << ' ' << type << '\n';
  }
  void value(const std::string& name, double value) { out_ << name << ' ' << value << '\n'; }
  void metric(const char* name, const char* type, const char* help, double number) {
    head(name, type, help);
    value(name, number);
  }
  void histogram(const std::string& name, const char* help, const Latencies& latencies) {
    head(name.c_str(), "histogram", help);
    for (const double ms : {5.0, 10.0, 20.0, 33.0, 50.0, 100.0, 250.0, 500.0}) {
      out_ << name << "_bucket{le=\"" << ms / 1000 << "\"} " << latencies.below(ms) << '\n';
    }
    const auto count = static_cast<double>(latencies.count());
    value(name + "_bucket{le=\"+Inf\"}", count);
    value(name + "_sum", latencies.sum() / 1000);
    value(name + "_count", count);
  }
  std::string str() const { return out_.str(); }

 private:
  std::ostringstream out_;
};

void add_camera(Exposition& out, const Pipeline& pipeline) {
  const Pipeline::Statistics s = pipeline.statistics();
  out.metric("fer_frames_total", "counter", "Frames of the camera that were looked at.",
             static_cast<double>(s.frames));
  out.metric("fer_frames_dropped_total", "counter", "Frames that came too late to be looked at.",
             static_cast<double>(s.dropped));
  out.metric("fer_faces_total", "counter", "Faces in these frames.", static_cast<double>(s.faces));
  out.metric("fer_frames_per_second", "gauge", "Over the last second.", s.fps);
  out.metric("fer_reconnections_total", "counter", "Times the camera was lost and came back.",
             static_cast<double>(s.reconnections));
  out.histogram("fer_latency_seconds", "From the capture of a frame to its overlay.", s.latency);
}

void add_web(Exposition& out, const WebCounts& web) {
  out.metric("fer_web_clients", "gauge", "Connections.", web.clients);
  out.metric("fer_web_websockets", "gauge", "WebSockets among them.", web.websockets);
  out.metric("fer_web_viewers", "gauge", "Readers of /stream.mjpg.", web.viewers);
  out.head("fer_web_requests_total", "counter", "Answers by status.");
  for (const auto& [code, count] : web.answers) {
    out.value("fer_web_requests_total{code=\"" + std::to_string(code) + "\"}",
              static_cast<double>(count));
  }
  out.head("fer_web_frames_total", "counter", "Frames that clients sent, by what became of them.");
  out.value("fer_web_frames_total{outcome=\"answered\"}", static_cast<double>(web.frames_answered));
  out.value("fer_web_frames_total{outcome=\"dropped\"}", static_cast<double>(web.frames_dropped));
  out.value("fer_web_frames_total{outcome=\"refused\"}", static_cast<double>(web.frames_refused));
  out.histogram("fer_web_frame_seconds", "From the arrival of a client's frame to its answer.",
                web.frame_latency);
}

// The names that Prometheus' own client libraries use.
void add_process(Exposition& out) {
  long long pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  out.metric("process_resident_memory_bytes", "gauge", "Resident memory.",
             static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE)));
  const auto entries = [](const char* folder) {
    std::error_code none;
    return static_cast<double>(
        std::distance(std::filesystem::directory_iterator(folder, none), {}));
  };
  out.metric("process_open_fds", "gauge", "Open descriptors.", entries("/proc/self/fd"));
  out.metric("process_threads", "gauge", "Threads.", entries("/proc/self/task"));
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  out.metric("process_cpu_seconds_total", "counter", "User and system time.",
             static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
}

}  // namespace

std::string metrics_text(const WebCounts& web, const SharedRecognizer::Counts& batches,
                         const Pipeline* pipeline) {
  Exposition out;
  if (pipeline != nullptr) add_camera(out, *pipeline);
  out.metric("fer_batches_total", "counter", "Runs of the classifier.",
             static_cast<double>(batches.batches));
  out.metric("fer_batch_faces_total", "counter", "Faces in these runs.",
             static_cast<double>(batches.faces));
  out.metric("fer_shared_batches_total", "counter", "Runs with faces of several clients.",
             static_cast<double>(batches.shared));
  add_web(out, web);
  add_process(out);
  return out.str();
}

}  // namespace fer
