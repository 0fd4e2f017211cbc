#include "bench_pipeline.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>

#include "fer/batch/prediction_stream.h"
#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/png.h"
#include "fer/core/text.h"
#include "fer/data/dataset.h"
#include "fer/model/find_model.h"
#include "fer/predict/engine.h"
#include "fer/vision/image_io.h"
#include "timing.h"

namespace fer::tools {
namespace {

namespace fs = std::filesystem;

double seconds_of(const std::function<void()>& work) {
  const double begin = cpu_seconds();
  work();
  return cpu_seconds() - begin;
}

struct Cost {
  double seconds = 0;    // CPU
  double wall = 0;       // seconds
  double megabytes = 0;  // largest resident memory
};

// What --profile says of it.
double peak_memory(const std::string& said) {
  for (const std::string& line : split(said, '\n')) {
    double megabytes = 0;
    if (std::sscanf(line.c_str(), "peak memory %lf MB", &megabytes) == 1) return megabytes;
  }
  fail_runtime("fer-predict did not say what memory it took");
}

std::string ending(int status) {
  return WIFSIGNALED(status) ? format("was ended by signal %d", WTERMSIG(status))
                             : format("ended with %d", WEXITSTATUS(status));
}

// fer-predict from beside this program, its answers thrown away.
Cost run_predict(const std::vector<std::string>& arguments) {
  const fs::path program = fs::read_symlink("/proc/self/exe").parent_path() / "fer-predict";
  std::vector<std::string> words = {program.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  words.push_back("--profile");
  const TemporaryFolder folder;
  const std::string errors = (folder / "errors").string();
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  Cost cost;
  int status = 0;
  rusage usage{};
  const auto begin = std::chrono::steady_clock::now();
  const pid_t child = fork();
  if (child == 0) {
    const int nowhere = open("/dev/null", O_RDWR);
    for (const int end : {STDIN_FILENO, STDOUT_FILENO}) dup2(nowhere, end);
    dup2(open(errors.c_str(), O_WRONLY | O_CREAT, 0600), STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  if (child < 0 || wait4(child, &status, 0, &usage) < 0) fail_runtime("cannot run fer-predict");
  cost.wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  for (const timeval& time : {usage.ru_utime, usage.ru_stime}) {
    cost.seconds += static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  }
  const std::string said = read_text_file(errors);
  if (status != 0) {
    fail_runtime(join(words, " ") + " " + ending(status) + ": " + split(trim(said), '\n').back());
  }
  cost.megabytes = peak_memory(said);
  return cost;
}

void print(const std::string& what, double value, const char* unit) {
  std::printf("%-58s %10.3f %s\n", what.c_str(), value, unit);
  std::fflush(stdout);
}

std::vector<std::string> repeated(const std::vector<std::string>& paths, int count) {
  std::vector<std::string> result;
  for (int i = 0; i < count; ++i) result.push_back(paths[i % paths.size()]);
  return result;
}

class Pipeline {
 public:
  explicit Pipeline(const PipelineBench& options)
      : options_(options), model_(find_model(options.model).string()) {
    options_.detector = resolve_face_detector(options.detector);
    DatasetOptions drawn;
    drawn.path = "synthetic:200";
    const OpenedDataset data = open_dataset(drawn);
    for (std::int64_t i = 0; i < data.train->size(); ++i) {
      crops_.push_back((folder_ / format("%03d.png", static_cast<int>(i))).string());
      write_png(crops_.back(), data.train->image(i));
    }
  }

  void run() {
    measure_start();
    measure_many();
    measure_detector();
    measure_growth();
  }

 private:
  void measure_start() {
    std::vector<double> wall, seconds, megabytes;
    for (int i = 0; i < options_.rounds; ++i) {
      const Cost cost = run_predict(with_model({options_.photos[0]}));
      wall.push_back(cost.wall);
      seconds.push_back(cost.seconds);
      megabytes.push_back(cost.megabytes);
    }
    print("fer-predict, start to the answer for one photo: wall", median(wall), "s");
    print("    CPU", median(seconds), "s");
    print("    resident memory", median(megabytes), "MB");
  }

  std::vector<std::string> with_model(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(),
                     {"--model", model_, "--workers", "1", "--detector", options_.detector.kind,
                      "--detector-model", options_.detector.model.string()});
    return arguments;
  }

  // Whole pipelines in this process against the work that no classifier could save.
  void measure_many() {
    const auto photos = repeated(options_.photos, options_.images);
    const auto detector = recognizer(false).make_detector();
    compare(format("%zu photos: decode and detect alone", photos.size()),
            "found, cropped and classified, too", photos, false,
            [&](const std::string& path) { detector->detect(read_image(path)); });
    const auto crops = repeated(crops_, 10 * options_.images);
    compare(format("%zu crops: decode alone", crops.size()), "classified, too", crops, true,
            [](const std::string& path) { read_image(path); });
  }

  // By turns; neither side pays for opening model or detector.
  void compare(const std::string& part, const std::string& all,
               const std::vector<std::string>& paths, bool crops,
               const std::function<void(const std::string&)>& work) {
    std::vector<double> alone, whole, ratios;
    for (int i = 0; i < options_.rounds; ++i) {
      alone.push_back(seconds_of([&] {
        for (const auto& path : paths) work(path);
      }));
      Recognizer with = recognizer(crops);
      whole.push_back(seconds_of([&] { predict(with, paths, crops); }));
      ratios.push_back(whole.back() / alone.back());
    }
    print(part, median(alone), "s");
    print("    " + all, median(whole), "s");
    print("    ratio, median", median(ratios), "");
  }

  Recognizer recognizer(bool crops, int detector_size = 0) const {
    RecognizerOptions wanted;
    wanted.detector = options_.detector;
    if (crops) wanted.detector.kind = "none";
    if (detector_size > 0) wanted.detector.input_size = detector_size;
    EngineOptions engine;
    engine.threads = 1;
    return open_recognizer(model_, engine, wanted);
  }

  static void predict(Recognizer& with, const std::vector<std::string>& paths, bool crops) {
    PredictionOptions prediction;
    prediction.crops = crops;
    prediction.threads = 1;
    std::istringstream nothing;
    PredictionStream stream(with, InputList(paths, false, nothing), prediction);
    while (stream.next()) {
    }
  }

  // cv::dnn against the engine that the recognizer takes, by turns.
  void measure_detector() {
    const Image photo = read_image(options_.photos[0]);
    for (const int size : {320, 640}) {
      FaceDetectorOptions plain = options_.detector;
      plain.input_size = size;
      const auto opencv = create_face_detector(plain);
      const auto engine = recognizer(false, size).make_detector();
      std::vector<double> times, opencv_times, ratios;
      for (int i = 0; i < 1 + 10 * options_.rounds; ++i) {
        const double slow = 1e3 * seconds_of([&] { opencv->detect(photo); });
        const double fast = 1e3 * seconds_of([&] { engine->detect(photo); });
        if (i == 0) continue;  // prepares for the size
        opencv_times.push_back(slow);
        times.push_back(fast);
        ratios.push_back(fast / slow);
      }
      print(format("%s, %d px, cv::dnn", opencv->name().c_str(), size), median(opencv_times), "ms");
      print("    on the engine of the classifier", median(times), "ms");
      print("    ratio, median", median(ratios), "");
    }
  }

  void measure_growth() {
    std::printf("\n%-24s %10s %12s %10s\n", "growth", "seconds", "ms a face", "MB");
    const auto line = [](const std::string& what, double count, const Cost& cost) {
      std::printf("%-24s %10.3f %12.3f %10.1f\n", what.c_str(), cost.seconds,
                  1e3 * cost.seconds / count, cost.megabytes);
      std::fflush(stdout);
    };
    for (const int count : {10, 100, 1000, 10'000}) {
      std::string list;
      for (const std::string& path : repeated(crops_, count)) list += path + "\n";
      write_file_atomically(folder_ / "list.txt", list);
      line(format("%d crops", count), count,
           run_predict(with_model({"--crops", (folder_ / "list.txt").string()})));
    }
    for (const int count : {1, 10, 100, 1000}) {
      if (const auto picture = crowd(count)) {
        line(format("%d faces in a photo", count), count,
             run_predict(with_model(
                 {"--detector-size", std::to_string(picture->size), "--guess", picture->path})));
      }
    }
    const Image face = read_image(crops_[0]);
    for (const int count : {1, 10, 100, 1000}) {
      line(format("%d faces at once", count), count,
           classify_at_once(std::vector<Image>(static_cast<std::size_t>(count), face)));
    }
  }

  struct Crowd {
    std::string path;
    int size;  // pixels of its longer side
  };
  // The first photo's largest face, again and again; nothing where it has none.
  std::optional<Crowd> crowd(int count) {
    constexpr int kCell = 112;  // pixels, half of them face
    const Image photo = read_image(options_.photos[0]);
    const auto faces = create_face_detector(options_.detector)->detect(photo);
    if (faces.empty()) return std::nullopt;
    const Box& box = faces[0].box;
    const float side = 2 * box.height;
    const Image cell =
        crop(photo, {box.x + (box.width - side) / 2, box.y + (box.height - side) / 2, side, side},
             kCell, kCell);
    const int columns = static_cast<int>(std::ceil(std::sqrt(count)));
    const int rows = (count + columns - 1) / columns;
    Image all(columns * kCell, rows * kCell, cell.channels);
    const std::size_t bytes = static_cast<std::size_t>(kCell) * cell.channels;
    for (int i = 0; i < count; ++i) {
      for (int y = 0; y < kCell; ++y) {
        const std::size_t row = static_cast<std::size_t>(i / columns) * kCell + y;
        std::copy_n(cell.pixels.begin() + static_cast<std::ptrdiff_t>(y * bytes), bytes,
                    all.pixels.begin() +
                        static_cast<std::ptrdiff_t>((row * columns + i % columns) * bytes));
      }
    }
    const std::string path = (folder_ / format("crowd-%d.png", count)).string();
    write_image(path, all);
    return Crowd{path, std::max(all.width, all.height)};
  }

  Cost classify_at_once(const std::vector<Image>& faces) {
    EngineOptions engine;
    engine.threads = 1;
    const auto classifier = open_classifier(model_, engine);
    classifier->classify(faces);
    Cost cost;
    cost.seconds = seconds_of([&] { classifier->classify(faces); });
    // What is resident now: this process has done larger things before.
    long long pages = 0;
    std::ifstream("/proc/self/statm") >> pages >> pages;
    cost.megabytes = static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e6;
    return cost;
  }

  PipelineBench options_;
  std::string model_;
  TemporaryFolder folder_;
  std::vector<std::string> crops_;
};

}  // namespace

int bench_pipeline(const PipelineBench& options) {
  if (options.photos.empty()) fail_input("fer-bench pipeline: name at least one photo");
  Pipeline(options).run();
  return 0;
}

}  // namespace fer::tools
