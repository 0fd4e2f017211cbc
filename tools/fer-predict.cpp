// fer-predict: which expression do the faces on these photos and videos show?
#include <unistd.h>

#include <iostream>
#include <optional>
#include <set>
#include <sstream>

#include "fer/batch/crop_writer.h"
#include "fer/batch/prediction_stream.h"
#include "fer/batch/result_writer.h"
#include "fer/batch/timeline.h"
#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/log.h"
#include "fer/core/profile.h"
#include "fer/core/progress.h"
#include "fer/core/text.h"
#include "fer/data/image_files.h"
#include "fer/vision/annotate.h"
#include "program.h"
#include "recognizer_options.h"
#include "stoppable_input.h"

namespace {

namespace fs = std::filesystem;
using namespace fer;
using namespace fer::tools;

constexpr const char* kExamples =
    "  fer-predict photo.jpg\n"
    "  fer-predict --recursive photos/ --format csv > results.csv\n"
    "  fer-predict 'holiday*.jpg' --save annotated/\n"
    "  find . -name '*.png' | fer-predict - | jq -r '.faces[].label' | sort | uniq -c\n"
    "  fer-predict clip.mp4 --every 5 --timeline clip.srt\n"
    "  fer-predict photos/ --crops-out review/ --by-label\n";

struct PredictFlags {
  std::vector<std::string> inputs;
  bool recursive = false;
  std::string format, save, crops_out, timeline;
  bool by_label = false, profile = false;
  int max_megapixels = 100;
  RecognizerFlags recognizer;
  PredictionOptions prediction;
  ResultWriterOptions writer;
};

PredictFlags parse(int argc, char** argv) {
  PredictFlags flags;
  Options options("fer-predict", "Classifies the facial expressions on photos, folders and videos.",
                  kExamples);
  options.add_positional(
      "inputs", &flags.inputs,
      "images, videos, folders, 'globs', lists of paths (.txt), or - for paths on standard input");
  options.group("Input");
  options.add("-r,--recursive", "recursive", &flags.recursive, "folders with their subfolders");
  options.add("--crops", "crops", &flags.prediction.crops, "each image is a face already");
  options.add("--every", "every", &flags.prediction.every, "of a video: each n-th frame");
  options.add("--max-megapixels", "max_megapixels", &flags.max_megapixels,
              "larger images are refused; of a video the frames are taken as they are");
  add_recognizer_options(options, flags.recognizer);
  options.group("Output");
  options.add("-f,--format", "format", &flags.format,
              "table, jsonl or csv; default: table on a terminal, else jsonl");
  options.add("-k,--top-k", "top_k", &flags.writer.top_k, "the most probable labels alone; 0: all");
  options.add("--save", "save", &flags.save, "folder for annotated pictures");
  options.add("--crops-out", "crops_out", &flags.crops_out,
              "folder for the faces and a manifest for fer-train");
  options.add("--by-label", "by_label", &flags.by_label, "the faces in a folder a label");
  options.add("--timeline", "timeline", &flags.timeline,
              "expressions of a video over time, as .csv, .srt or .png");
  options.group("Machine");
  options.add("-j,--workers", "workers", &flags.prediction.threads,
              "threads that decode and look for faces; 0: all cores");
  options.add("--profile", "profile", &flags.profile,
              "say at the end what each stage cost, on standard error");
  options.add_config_options();
  options.parse(argc, argv);

  if (flags.inputs.empty()) fail_input("nothing to look at: name photos, folders or videos");
  if (flags.prediction.every < 1) {
    fail_input(format("--every %d is not at least 1", flags.prediction.every));
  }
  if (flags.prediction.threads < 0)
    fail_input(format("--workers %d is below 0", flags.prediction.threads));
  if (flags.prediction.crops) {
    for (const char* flag : {"--detector", "--detector-model", "--min-face"}) {
      if (options.given(flag))
        fail_input(std::string(flag) + ": with --crops no face is looked for");
    }
  }
  if (flags.writer.top_k < 0) fail_input(format("--top-k %d is below 0", flags.writer.top_k));
  if (flags.max_megapixels < 1)
    fail_input(format("--max-megapixels %d is not at least 1", flags.max_megapixels));
  if (flags.by_label && flags.crops_out.empty()) fail_input("--by-label needs --crops-out");
  if (!flags.timeline.empty()) check_timeline_path(flags.timeline);
  ImageLimits& limits = flags.prediction.limits;
  const std::int64_t bytes_a_pixel = limits.max_file_bytes / limits.max_pixels;
  limits.max_pixels = std::int64_t{1'000'000} * flags.max_megapixels;
  limits.max_file_bytes = std::max(limits.max_file_bytes, bytes_a_pixel * limits.max_pixels);
  flags.prediction.keep_images = !flags.save.empty() || !flags.crops_out.empty();
  if (flags.prediction.crops) flags.recognizer.options.detector.kind = "none";
  flags.writer.format = !flags.format.empty()     ? flags.format
                        : ::isatty(STDOUT_FILENO) ? "table"
                                                  : "jsonl";
  return flags;
}

// File names in one folder, each given once: x.jpg, then x-2.jpg. Those in `occupied` are passed
// over: who knows whose pictures they are.
class OwnNames {
 public:
  std::string take(const std::string& stem, const std::string& extension,
                   const fs::path& occupied = {}) {
    std::string name = stem + extension;
    const auto there = [&] {
      std::error_code none;
      return !occupied.empty() && fs::exists(fs::symlink_status(occupied / name, none));
    };
    for (int n = 2; !taken_.insert(name).second || there(); ++n)
      name = format("%s-%d", stem.c_str(), n) + extension;
    return name;
  }

 private:
  std::set<std::string> taken_;
};

// Throws when a picture lies in the folder for annotated ones, where one may take its place.
void check_save_folder(const fs::path& folder, const fs::path& picture) {
  std::error_code none;
  const fs::path behind_links = fs::canonical(picture, none);
  if (none) return;  // not there: opening it says so
  for (const fs::path& path : {picture, behind_links}) {
    const fs::path parent = path.has_parent_path() ? path.parent_path() : ".";
    if (fs::equivalent(parent, folder, none)) {
      fail_input("--save " + folder.string() + ": the folder of " + picture.string() +
                 ", which could be overwritten; name another one");
    }
  }
}

// --recursive may not come upon what is being written.
void check_not_an_input(const PredictFlags& flags, const std::string& option,
                        const std::string& folder) {
  std::error_code none;
  const fs::path target = fs::weakly_canonical(fs::absolute(folder), none);
  for (const std::string& input : flags.inputs) {
    if (!flags.recursive || !fs::is_directory(input, none)) continue;
    const fs::path way = target.lexically_relative(fs::canonical(input, none));
    if (!way.empty() && *way.begin() != "..") {
      fail_input(option + " " + folder + ": lies in " + input +
                 ", which --recursive goes through; name another folder");
    }
  }
}

// The same of all pictures before the first is written, but for those that come on standard input:
// they are checked one by one.
void check_save_folder(const PredictFlags& flags) {
  check_not_an_input(flags, "--save", flags.save);
  std::istringstream nothing;
  InputList inputs(flags.inputs, flags.recursive, nothing);
  while (const auto input = inputs.next()) {
    if (has_image_extension(input->path)) check_save_folder(flags.save, input->path);
  }
}

// Annotated pictures under names of their own: a/x.jpg and b/x.jpg become x.jpg and x-2.jpg.
class PictureSaver {
 public:
  PictureSaver(std::string folder, const Recognizer& recognizer)
      : folder_(std::move(folder)), recognizer_(recognizer) {
    make_directories(folder_);
  }
  void add(Prediction& prediction) {
    if (prediction.image.empty()) return;
    if (prediction.frame < 0) check_save_folder(folder_, prediction.path);
    std::string stem = short_stem(prediction.path);
    if (prediction.frame >= 0) stem += format("_%06lld", static_cast<long long>(prediction.frame));
    {
      const ProfileScope scope("draw");
      draw_annotations(prediction.image,
                       annotations(prediction.faces, recognizer_.head(), recognizer_.labels()));
    }
    const ProfileScope scope("encode");
    // libjpeg takes no longer side.
    const bool jpeg = std::max(prediction.image.width, prediction.image.height) <= 65'500;
    write_image(folder_ / names_.take(stem, jpeg ? ".jpg" : ".png", folder_), prediction.image);
  }

 private:
  fs::path folder_;
  const Recognizer& recognizer_;
  OwnNames names_;
};

// One timeline a video: to the name that was asked for, those of further videos beside it under
// names of their own: out.srt, then out-clip.srt, out-clip-2.srt.
class TimelineSaver {
 public:
  TimelineSaver(fs::path path, const Recognizer& recognizer)
      : path_(std::move(path)), recognizer_(recognizer) {
    const fs::path folder = path_.has_parent_path() ? path_.parent_path() : ".";
    make_directories(folder);
    // Known before hours of video, not after.
    if (::access(folder.c_str(), W_OK) != 0)
      fail_runtime("cannot write " + path_.string() + ": " + std::strerror(errno));
  }
  void add(const Prediction& prediction) {
    if (prediction.frame < 0) return;
    if (!timeline_ || video_ != prediction.path || prediction.frame == 0) {
      finish();
      timeline_.emplace(recognizer_.head(), recognizer_.labels(),
                        uncertain_below(recognizer_.spec(), recognizer_.head()));
      video_ = prediction.path;
    }
    timeline_->add(prediction);
  }
  void finish() {
    if (!timeline_) return;
    std::string stem = path_.stem().string();
    if (written_++ > 0) stem += "-" + short_stem(video_);
    timeline_->write(path_.parent_path() / names_.take(stem, path_.extension().string()));
    timeline_.reset();
  }
  int written() const { return written_; }

 private:
  fs::path path_;
  const Recognizer& recognizer_;
  std::optional<Timeline> timeline_;
  std::string video_;
  OwnNames names_;
  int written_ = 0;
};

int predict(int argc, char** argv) {
  const PredictFlags flags = parse(argc, argv);
  if (!flags.save.empty()) check_save_folder(flags);
  if (!flags.crops_out.empty()) check_not_an_input(flags, "--crops-out", flags.crops_out);
  if (flags.profile) start_profile();
  Recognizer recognizer = open_recognizer(flags.recognizer);
  const auto writer = create_result_writer(flags.writer, recognizer, std::cout);
  std::optional<PictureSaver> pictures;
  if (!flags.save.empty()) pictures.emplace(flags.save, recognizer);
  std::optional<CropWriter> crops;
  if (!flags.crops_out.empty()) crops.emplace(flags.crops_out, flags.by_label, recognizer);
  std::optional<TimelineSaver> timelines;
  if (!flags.timeline.empty()) timelines.emplace(flags.timeline, recognizer);

  StoppableInput buffer;
  std::istream input(&buffer);
  InputList inputs(flags.inputs, flags.recursive, input);
  // Where the results themselves fill the terminal a bar would only flicker between them.
  std::optional<Progress> progress;
  if (!::isatty(STDOUT_FILENO))
    progress.emplace("predict", std::max<std::int64_t>(0, inputs.count()), "files");
  install_stop_handler();
  PredictionStream stream(recognizer, std::move(inputs), flags.prediction);
  // Before the stream waits for its threads, one of which may be waiting for input.
  struct StopOnExit {
    StoppableInput& input;
    ~StopOnExit() { input.stop(); }
  } const stop_on_exit{buffer};
  std::int64_t files = 0, failed = 0;
  bool any_answer = false;
  std::string video;  // whose frame came last
  while (!stop_requested()) {
    auto prediction = stream.next();
    if (!prediction) break;
    // A video counts with its first frame, and what is wrong with it later belongs to it.
    const bool begins = prediction->frame == 0, still = prediction->path == video;
    if (begins || (prediction->frame < 0 && !still)) ++files;
    video = prediction->frame >= 0 ? prediction->path : "";
    if (!prediction->error.empty()) ++failed;
    any_answer = any_answer || prediction->error.empty();
    writer->write(*prediction);
    std::cout.flush();
    if (!std::cout) fail_runtime("standard output cannot be written");
    if (crops) crops->add(*prediction);
    if (timelines) timelines->add(*prediction);
    if (pictures) pictures->add(*prediction);
    if (progress) {
      std::vector<std::string> notes;
      if (failed > 0) notes.push_back(format("%lld failed", static_cast<long long>(failed)));
      const bool frame = prediction->frame >= 0;
      if (frame) notes.push_back(format("frame %lld", static_cast<long long>(prediction->frame)));
      progress->update(frame ? files - 1 : files, join(notes, ", "));
    }
  }
  if (progress && !stop_requested()) progress->update(files);
  if (timelines) timelines->finish();
  progress.reset();
  if (flags.profile) std::cerr << profile_table();
  if (stop_requested()) return 130;
  if (files == 0) fail_input("no image or video among the inputs");
  if (timelines && timelines->written() == 0)
    log_warning("no video among the inputs: no timeline was written");
  if (failed > 0)
    log_warning(format("%lld of %lld files could not be read whole", static_cast<long long>(failed),
                       static_cast<long long>(files)));
  return failed == 0 ? 0 : any_answer ? 1 : 2;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program("fer-predict", [&] { return predict(argc, argv); });
}
