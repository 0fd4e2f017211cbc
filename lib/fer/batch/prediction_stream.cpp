#include "fer/batch/prediction_stream.h"

#include <new>

#include "fer/core/error.h"
#include "fer/core/ordered_parallel_map.h"
#include "fer/core/parallel.h"
#include "fer/core/profile.h"
#include "fer/core/text.h"
#include "fer/track/tracker.h"
#include "fer/vision/frame_source.h"
#include "fer/vision/video_probe.h"

namespace fer {

namespace {

// What a worker gets: a path to decode, or a frame of a video that is decoded already.
struct Item {
  std::string path;
  std::optional<Frame> frame;
  std::string error;
};

struct Found {
  Prediction prediction;
  std::vector<FaceCrop> faces;
};

std::string without_path(const std::string& message, const std::string& path) {
  return message.starts_with(path + ": ") ? message.substr(path.size() + 2) : message;
}

// Paths one by one, and videos frame by frame.
class ItemSource {
 public:
  ItemSource(InputList inputs, int every) : inputs_(std::move(inputs)), every_(every) {}

  std::optional<Item> operator()() {
    for (;;) {
      if (!video_) {
        const auto input = inputs_.next();
        if (!input) return std::nullopt;
        path_ = input->path;
        shown_ = without_secrets(path_);
        if (!input->error.empty() || !(is_address(path_) || is_video_file(path_)))
          return Item{shown_, {}, input->error};
      }
      try {
        if (!video_) {
          FrameSourceOptions options;
          options.source = path_;
          options.file = !is_address(path_);
          video_ = open_frame_source(options);
          any_ = false;
        } else {
          for (int i = 1; i < every_; ++i) video_->skip();
        }
        const ProfileScope scope("decode");
        if (auto frame = video_->next()) {
          any_ = true;
          return Item{shown_, std::move(frame), {}};
        }
        const std::string wrong = early_end();
        video_.reset();
        if (!wrong.empty()) return Item{shown_, {}, wrong};
      } catch (const Error& error) {
        video_.reset();
        return Item{shown_, {}, without_path(error.what(), shown_)};
      }
    }
  }

 private:
  // The decoder ends a file that was cut off as it ends a whole one.
  std::string early_end() const {
    if (!any_) return "a video without a frame that can be read";
    std::error_code none;
    const auto has = static_cast<std::int64_t>(std::filesystem::file_size(path_, none));
    if (none) return "";  // an address
    const std::int64_t wanted = declared_bytes(path_);
    if (wanted <= has) return "";
    return format("cut off: %lld of its %lld bytes are there", static_cast<long long>(has),
                  static_cast<long long>(wanted));
  }

  InputList inputs_;
  int every_;
  std::string path_, shown_;  // shown_: in results
  bool any_ = false;          // frame of the video came
  std::shared_ptr<FrameSource> video_;
};

// One for each thread.
class Finder {
 public:
  Finder(const Recognizer& recognizer, const PredictionOptions& options)
      : recognizer_(&recognizer), options_(options) {
    if (!options.crops) detector_ = recognizer.make_detector();
  }

  Found operator()(Item item) {
    Found found;
    Prediction& prediction = found.prediction;
    prediction.path = item.path;
    prediction.error = item.error;
    if (item.frame) {
      prediction.frame = item.frame->index;
      prediction.time = item.frame->time;
    }
    if (!prediction.error.empty()) return found;
    try {
      Image image = item.frame ? std::move(item.frame->image) : decode(item.path);
      if (options_.crops) {
        found.faces.push_back(recognizer_->whole_image(image));
      } else {
        found.faces = recognizer_->find_faces(image, *detector_);
      }
      prediction.width = image.width;
      prediction.height = image.height;
      if (options_.keep_images) prediction.image = std::move(image);
    } catch (const std::bad_alloc&) {
      prediction.error = "not enough memory for it";
    } catch (const std::exception& error) {
      prediction.error = without_path(error.what(), item.path);
    }
    return found;
  }

 private:
  Image decode(const std::string& path) const {
    const ProfileScope scope("decode");
    return read_image(path, options_.limits);
  }

  const Recognizer* recognizer_;
  PredictionOptions options_;
  std::shared_ptr<FaceDetector> detector_;
};

}  // namespace

struct PredictionStream::Pipeline {
  OrderedParallelMap<Item, Found> found;
  Tracker tracker;       // of the video under way
  double last_time = 0;  // of its last frame

  void number(Prediction& prediction) {
    if (prediction.frame < 0) return;
    if (prediction.frame == 0) tracker = Tracker();
    // With a frame in some seconds a face that sits still has been in sight all the same.
    const double apart = prediction.frame == 0 ? 0 : prediction.time - last_time;
    last_time = prediction.time;
    std::vector<Box> boxes;
    for (const FaceResult& face : prediction.faces) boxes.push_back(face.face.box);
    prediction.ids = tracker.update(boxes, prediction.time, 1.5 * apart);
  }
};

PredictionStream::PredictionStream(Recognizer& recognizer, InputList inputs,
                                   const PredictionOptions& options)
    : recognizer_(recognizer) {
  if (options.every < 1)
    fail_input("every " + std::to_string(options.every) + "th frame: at least 1");
  const int threads = options.threads > 0 ? options.threads : hardware_threads();
  // Room for a batch; few where each that waits holds its whole picture.
  const int window = options.keep_images ? threads + 2 : 2 * threads + 8;
  pipeline_.reset(new Pipeline{
      {ItemSource(std::move(inputs), options.every),
       [&recognizer, options] { return Finder(recognizer, options); }, threads, window},
      Tracker(),
      0});
}

PredictionStream::~PredictionStream() = default;

std::optional<Prediction> PredictionStream::next() {
  if (answered_.empty()) {
    // Whatever is ready shares a batch, and nothing waits for a batch to fill.
    std::vector<Found> batch;
    std::size_t faces = 0;
    const auto batch_size = static_cast<std::size_t>(recognizer_.options().batch_size);
    for (auto found = pipeline_->found.next(); found; found = pipeline_->found.next_if_ready()) {
      faces += found->faces.size();
      batch.push_back(std::move(*found));
      if (faces >= batch_size) break;
    }
    std::vector<FaceCrop*> pending;
    for (Found& found : batch) {
      for (FaceCrop& face : found.faces) pending.push_back(&face);
    }
    recognizer_.answer(pending);
    for (Found& found : batch) {
      for (FaceCrop& face : found.faces) found.prediction.faces.push_back(std::move(face.result));
      answered_.push_back(std::move(found.prediction));
    }
  }
  if (answered_.empty()) return std::nullopt;
  Prediction prediction = std::move(answered_.front());
  answered_.pop_front();
  pipeline_->number(prediction);
  return prediction;
}

}  // namespace fer
