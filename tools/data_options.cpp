#include "data_options.h"

#include <algorithm>
#include <mutex>
#include <set>

#include "fer/core/error.h"
#include "fer/core/log.h"
#include "fer/core/text.h"
#include "fer/data/csv.h"
#include "fer/data/fer2013.h"
#include "fer/data/manifest.h"
#if FER_HAVE_VISION
#include "fer/vision/face_detector.h"
#include "fer/vision/image_io.h"
#endif

namespace fer::tools {

void add_data_options(Options& options, DataFlags& flags, DataUse use,
                      const std::string& data_flag) {
  const bool training = use == DataUse::kTraining;
  options.group("Data");
  options.add(
      data_flag, "data.path", &flags.data, &flags.more,
      std::string("a YAML of datasets/, a csv (FER2013 or path,label), a folder of classes, "
                  "or synthetic[:N[:hard]]") +
          (training ? "; repeat it to train on several" : ""));
  options.add(
      "--labels", "data.labels", &flags.labels,
      "six, fer2013, ferplus, auto, a list such as happy,sad,other=angry+fearful, or a YAML "
      "with such a list under 'labels'");
  options.add("--classes", "data.classes", &flags.classes,
              "what the data's class names mean, e.g. surprised=1,fearful=2");
  options.add("--targets", "data.targets", &flags.targets,
              "label (the data's own), or of FER+ votes: votes (soft), majority, argmax");
  if (training) {
    options.add(
        "--heads", "data.heads", &flags.heads,
        "several outputs at once, each labels:targets[:weight], e.g. fer2013:label ferplus:votes");
  }
  options.add("--votes", "data.votes", &flags.votes,
              "FER+ votes; default: fer2013new.csv beside the csv");
  options.add("--train-fraction", "data.train_fraction", &flags.train_fraction,
              "share that trains where the data has no splits of its own");
  options.add("--data-seed", "data.seed", &flags.seed, "seed of that split and of synthetic faces");
  options.add("--group-by", "data.group_by", &flags.group_by,
              "column of a manifest, e.g. source or subject: that split parts no clip or person");
  if (training) {
    options.add("--per-class", "data.per_class", &flags.per_class,
                "training images of each class at most, chosen by --data-seed; 0: all");
    options.add("--data-weight", "data.weight", &flags.weight,
                "several data sets: how often an image of the first stands in an epoch");
  } else {
    for (const char* key : {"data.heads", "data.per_class", "data.weight"}) options.ignore(key);
  }
  options.add("--detect", "data.detect", &flags.detect,
              "photos that are no crops: find the largest face and cut it out");
  options.add("--on-error", "data.on_error", &flags.on_error, "broken image files: stop or skip");
  options.expand_yaml("data.path", "data.");
}

namespace {

// A list in a file of its own.
std::string labels_text(const std::string& labels) {
  if (!labels.ends_with(".yaml") && !labels.ends_with(".yml")) return labels;
  const Config config = read_config(labels);
  const auto found = config.find("labels");
  if (found == config.end() || config.size() != 1) {
    fail_input(labels + ": expected one key, 'labels', with a list");
  }
  return join(found->second, ",");
}

#if FER_HAVE_VISION
// The largest face of a photo, upright and square. Detectors are not thread-safe, so that every
// thread borrows one.
class FaceCutter {
 public:
  FaceCutter(int side, float margin)
      : options_(resolve_face_detector({})), side_(side), margin_(margin) {}

  Image operator()(const std::filesystem::path& path) {
    const Image photo = read_image(path);
    auto detector = borrow();
    const std::vector<Face> faces = detector->detect(photo);
    {
      const std::lock_guard lock(mutex_);
      idle_.push_back(std::move(detector));
    }
    if (faces.empty()) {
      fail_input(path.string() + ": no face found (--on-error skip leaves such photos out)");
    }
    const Face& face = faces[0];
    return crop(photo, face_crop_box(face.box, margin_), side_, side_, face.roll);
  }

 private:
  std::unique_ptr<FaceDetector> borrow() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        auto detector = std::move(idle_.back());
        idle_.pop_back();
        return detector;
      }
    }
    return create_face_detector(options_);
  }

  const FaceDetectorOptions options_;
  const int side_;
  const float margin_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<FaceDetector>> idle_;
};
#endif

bool is_fer2013(const std::string& path) {
  if (!to_lower(path).ends_with(".csv") || !std::filesystem::is_regular_file(path)) return false;
  const std::vector<std::string> header = read_csv_header(path);
  return !is_manifest_header(header) && is_fer2013_header(header);
}

// The data set that `path` names, with the options as its YAML has them; how to split, to draw and
// to read, where it says nothing, as `common` has it.
DataFlags own_flags(const std::string& path, const DataFlags& common) {
  DataFlags flags;
  flags.train_fraction = common.train_fraction;
  flags.seed = common.seed;
  flags.group_by = common.group_by;
  flags.per_class = common.per_class;
  flags.detect = common.detect;
  flags.on_error = common.on_error;
  Options options("", "", "");
  add_data_options(options, flags, DataUse::kTraining);
  std::string program, data = "--data", value = path;
  char* arguments[] = {program.data(), data.data(), value.data()};
  options.parse(3, arguments);
  return flags;
}

// Faces of one clip or photo in several rows, which a draw image by image parts.
void warn_of_parted_sources(const std::string& path, const OpenedDataset& data) {
  if (data.drawn_splits.empty() || !data.drawn_splits[0].group_by.empty()) return;
  const auto column = find_column(data.train->columns(), "source");
  if (!column) return;
  std::set<std::string> seen;
  for (const auto& part : {data.train, data.val}) {
    for (std::int64_t i = 0; i < part->size(); ++i) {
      const std::string& source = part->value(i, *column);
      if (source.empty() || seen.insert(source).second) continue;
      log_warning(path + ": faces of one source (" + printable(source) +
                  ") may stand in train and in val; --group-by " + data.train->columns()[*column] +
                  " keeps every source in one part");
      return;
    }
  }
}

bool has_votes(const DataFlags& flags) {
  return is_fer2013(flags.data) &&
         (!flags.votes.empty() ||
          std::filesystem::exists(std::filesystem::path(flags.data).parent_path() /
                                  "fer2013new.csv"));
}

// Further data without FER+ votes answers the heads that learn from labels; the loss passes over
// the others.
void leave_out_votes(DatasetOptions& options) {
  std::vector<HeadRequest> labelled;
  std::vector<std::string> left_out;
  for (const HeadRequest& head : options.heads) {
    if (head.targets == TargetKind::kLabel) {
      labelled.push_back(head);
    } else {
      left_out.push_back(head.name);
    }
  }
  if (labelled.empty() || left_out.empty()) return;  // open_dataset() says that votes are missing
  log_info(options.path + ": no FER+ votes, so that it does not teach head " +
           join(left_out, ", "));
  options.heads = std::move(labelled);
}

OpenedDataset open_one(const DatasetOptions& options) {
  OpenedDataset data = open_dataset(options);
  warn_of_parted_sources(options.path, data);
  if (!options.group_by.empty() && data.drawn_splits.empty())
    log_info(options.path + ": no split is drawn here, so that --group-by changes nothing");
  return data;
}

}  // namespace

RequestedHeads requested_heads(const DataFlags& flags) {
  RequestedHeads result;
  if (flags.heads.empty()) {
    HeadRequest request;
    request.labels = labels_text(flags.labels);
    request.targets = target_kind_from_string(flags.targets);
    result.requests = {request};
    return result;
  }
  for (const std::string& text : flags.heads) {
    const auto parts = split(text, ':');
    double weight = 1.0;
    if (parts.size() < 2 || parts.size() > 3 ||
        (parts.size() == 3 && !parse_double(parts[2], weight))) {
      fail_input("--heads '" + text +
                 "': expected labels:targets[:weight], e.g. ferplus:votes:0.5");
    }
    HeadRequest request;
    request.labels = parts[0];
    request.targets = target_kind_from_string(parts[1]);
    request.name =
        label_preset(parts[0]) ? parts[0] : format("head%zu", result.requests.size() + 1);
    result.weights[request.name] = weight;
    result.requests.push_back(request);
  }
  return result;
}

DatasetOptions dataset_options(const DataFlags& flags, int image_size,
                               [[maybe_unused]] float crop_margin) {
  if (!flags.more.empty()) fail_input("--data " + flags.more[0] + ": one data set at a time here");
  DatasetOptions options;
  options.path = flags.data;
  options.heads = requested_heads(flags).requests;
  options.classes = flags.classes;
  options.votes = flags.votes;
  options.train_fraction = flags.train_fraction;
  options.seed = flags.seed;
  options.group_by = flags.group_by;
  options.per_class = flags.per_class;
  options.image_size = image_size;
  if (flags.on_error != "stop" && flags.on_error != "skip") {
    fail_input("--on-error '" + flags.on_error + "': expected stop or skip");
  }
  options.skip_broken = flags.on_error == "skip";
#if FER_HAVE_VISION
  options.decoder = image_decoder();
  if (flags.detect) {
    const auto cutter = std::make_shared<FaceCutter>(image_size, crop_margin);
    options.broken = "broken file, or no face found";
    options.decoder = [cutter](const std::filesystem::path& path) { return (*cutter)(path); };
  }
#else
  if (flags.detect) fail_input("--detect: this build has no face detector (it needs OpenCV)");
#endif
  return options;
}

OpenedDataset open_data(const DataFlags& flags, int image_size, float crop_margin) {
  DataFlags first_flags = flags;
  first_flags.more.clear();
  const DatasetOptions first = dataset_options(first_flags, image_size, crop_margin);
  std::vector<OpenedDataset> parts = {open_one(first)};
  if (flags.more.empty()) return std::move(parts[0]);
  std::vector<double> weights = {flags.weight};
  for (const std::string& path : flags.more) {
    const DataFlags own = own_flags(path, flags);
    weights.push_back(own.weight);
    DatasetOptions options = dataset_options(own, image_size, crop_margin);
    const std::vector<HeadRequest> asked = options.heads;
    options.heads = first.heads;
    for (std::size_t h = 0; h < options.heads.size(); ++h) {
      HeadRequest& head = options.heads[h];
      head.name = parts[0].train->heads()[h].name;
      head.partial = true;
      if (asked.size() == options.heads.size()) head.targets = asked[h].targets;
      // The classes that "auto" found are the labels of all.
      if (head.labels == "auto") {
        head.list = parts[0].train->heads()[h].labels;
        head.labels = join(head.list, ",");
      }
    }
    if (!has_votes(own)) leave_out_votes(options);
    parts.push_back(open_one(options));
  }
  return join_datasets(parts, weights, flags.seed);
}

OpenedDataset open_data_for(const ModelSpec& spec, const std::string& head, DataFlags& flags,
                            int image_size, const std::vector<HeadRequest>& further) {
  const bool own_labels = flags.labels.empty();
  if (own_labels) flags.labels = join(labels_of(spec, head), ",");
  if (flags.targets.empty()) {
    flags.targets = head == "ferplus" && is_fer2013(flags.data) ? "majority" : "label";
  }
  DatasetOptions options = dataset_options(flags, image_size);
  options.heads[0].name = head;
  if (own_labels) options.heads[0].list = labels_of(spec, head);
  options.heads.insert(options.heads.end(), further.begin(), further.end());
  try {
    return open_one(options);
  } catch (const Error& error) {
    if (!own_labels || !std::string(error.what()).starts_with("labels '")) throw;
    fail_input(flags.data + ": " + error.what() +
               "; name by --labels those that data and model both have");
  }
}

nlohmann::json split_facts(const DrawnSplit& drawn) {
  nlohmann::json facts = {{"train_fraction", drawn.train_fraction},
                          {"seed", drawn.seed},
                          {"images", drawn.images},
                          {"names", drawn.names}};
  if (!drawn.group_by.empty()) facts["group_by"] = drawn.group_by;  // as older files have none
  return facts;
}

void describe(const OpenedDataset& data) {
  log_info(data.description + format(": %lld train, %lld val, %lld test",
                                     static_cast<long long>(data.train->size()),
                                     static_cast<long long>(data.val->size()),
                                     static_cast<long long>(data.test->size())));
  for (std::size_t h = 0; h < data.train->heads().size(); ++h) {
    const auto& head = data.train->heads()[h];
    const auto counts = class_counts(*data.train, h);
    std::vector<std::string> parts;
    for (std::size_t c = 0; c < counts.size(); ++c) {
      parts.push_back(head.labels[c] + format(" %lld", static_cast<long long>(counts[c])));
    }
    log_info("  head " + head.name + ": " + join(parts, ", "));
    std::map<std::string, std::vector<std::string>> sources;
    for (const auto& [source, index] : data.label_maps[h].index_of) {
      if (source != head.labels[index]) sources[head.labels[index]].push_back(source);
    }
    for (const auto& [label, from] : sources) log_info("    " + label + " <- " + join(from, " + "));
    const auto validated = class_counts(*data.val, h);
    for (std::size_t c = 0; c < counts.size(); ++c) {
      if (counts[c] > 0 && validated[c] == 0 && data.val->size() > 0) {
        log_warning("label " + head.labels[c] + " has no validation image");
      }
    }
  }
  for (const auto& dropped : data.dropped) {
    log_info(format("  left out: %lld rows, ", static_cast<long long>(dropped.rows)) +
             dropped.reason);
  }
}

}  // namespace fer::tools
