#include "fer/mcp/recognizer_tools.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <sstream>
#include <string>

#include "fer/batch/prediction_stream.h"
#include "fer/batch/result_writer.h"
#include "fer/batch/timeline.h"
#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/model/json_reader.h"
#include "fer/vision/video_probe.h"

namespace fer {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// A call is to end before its client loses patience, and its answer to be short enough to be read.
// The time is looked at between frames.
constexpr std::int64_t kMostPictures = 100, kMostFrames = 2000, kMostSkipped = 250;
constexpr std::size_t kMostFaces = 100;
constexpr std::chrono::seconds kMostTime{30};
constexpr std::size_t kMostFollowed = 20;

constexpr const char* kIsVideo = "a video: follow_video looks at those";

constexpr const char* kMeaning =
    "A label names a facial expression category, what a face looks like to most observers, not "
    "what a person feels. 'uncertain' and faces without an answer are to be reported as such.";

using Clock = std::chrono::steady_clock;

// The folders that are open to an assistant.
class Folders {
 public:
  explicit Folders(const std::vector<fs::path>& folders) {
    for (const fs::path& folder : folders) {
      std::error_code none;
      const fs::path place = fs::canonical(folder, none);
      if (none || !fs::is_directory(place, none))
        fail_input(folder.string() + ": is not a folder that can be opened to an assistant");
      folders_.push_back(place);
    }
    if (folders_.empty()) fail_input("no folder is opened to the assistant");
  }

  // The canonical path of the file or folder of that name, relative ones in the first folder that
  // has it. Says of what lies outside nothing but that.
  fs::path find(const std::string& name) const {
    // The system would take the name to end there, and what looks at its end would not.
    if (name.find('\0') != std::string::npos) fail_input("a name has a zero byte in it");
    const fs::path path(name);
    bool inside = false;
    for (const fs::path& folder : folders_) {
      fs::path candidate = (folder / path).lexically_normal();  // an absolute path as it is
      if (!candidate.has_filename()) candidate = candidate.parent_path();
      if (auto place = canonical_inside(candidate)) return *place;
      inside = inside || could_be_inside(candidate);
    }
    fail_input(quote(name) +
               (inside ? ": there is no such file or folder in "
                       : ": lies outside of what is open to assistants, ") +
               join(names(), ", "));
  }

  // What is there, wherever links lead; nothing where that is outside, or nowhere.
  std::optional<fs::path> canonical_inside(const fs::path& path) const {
    std::error_code none;
    fs::path place = fs::canonical(path, none);
    if (none || !holds(place)) return std::nullopt;
    return place;
  }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const fs::path& folder : folders_) names.push_back(folder.string());
    return names;
  }

 private:
  bool holds(const fs::path& canonical) const {
    return std::ranges::any_of(folders_, [&](const fs::path& folder) {
      const fs::path way = canonical.lexically_relative(folder);
      return !way.empty() && *way.begin() != "..";
    });
  }
  // Whether a file of that name could be made there: a link that leads nowhere says nothing of
  // where it leads.
  bool could_be_inside(const fs::path& path) const {
    std::error_code none;
    if (fs::symlink_status(path, none).type() != fs::file_type::not_found) return false;
    return canonical_inside(path.parent_path()) || could_be_inside(path.parent_path());
  }

  std::vector<fs::path> folders_;
};

// A recognizer without a detector takes each picture for a face.
PredictionOptions prediction_options(const Recognizer& recognizer) {
  PredictionOptions options;
  options.crops = recognizer.options().detector.kind == "none";
  return options;
}

// The photos that are asked for, each a regular file in the folders, or why there is none. A folder
// that can be listed gives all that it has but what its links lead to outside.
std::vector<Input> photos_of(const Folders& folders, const std::vector<std::string>& names,
                             bool recursive, Clock::time_point end, const McpTool::Report& report) {
  std::vector<Input> photos;
  std::error_code none;
  for (const std::string& name : names) {
    const fs::path path = folders.find(name);
    if (!fs::is_directory(path, none)) {
      const bool photo = has_photo_extension(path) || has_video_extension(path);
      if (!photo || !fs::is_regular_file(path, none))
        fail_input(quote(name) + " is neither a photo nor a folder");
      photos.push_back({path.string(), ""});
      continue;
    }
    std::istringstream nothing;
    InputList list({path.string()}, recursive, nothing);
    while (const auto input = list.next()) {
      report(0, 0);
      if (Clock::now() > end) fail_input(quote(name) + " takes too long to list: name its folders");
      const auto place = folders.canonical_inside(input->path);
      if (!place) continue;
      const bool photo = has_photo_extension(*place) && fs::is_regular_file(*place, none);
      if (photo || !input->error.empty()) photos.push_back({place->string(), input->error});
    }
  }
  return photos;
}

McpResult classify_faces(Recognizer& recognizer, const Folders& folders,
                         const nlohmann::json& arguments, const McpTool::Report& report) {
  const auto begin = Clock::now(), end = begin + kMostTime;
  JsonReader reader(arguments, "arguments");
  const std::vector<std::string> names = reader.texts("paths");
  const bool recursive = reader.has("recursive") && reader.boolean("recursive");
  const std::int64_t skip = reader.has("skip") ? reader.integer("skip", 0, 1'000'000'000) : 0;
  reader.finish();
  if (names.empty()) fail_input("arguments: 'paths' names nothing");

  const std::vector<Input> photos =
      photos_of(folders, names, recursive, begin + kMostTime / 2, report);
  const auto all = static_cast<std::int64_t>(photos.size());
  const std::int64_t first = std::min(skip, all), last = std::min(first + kMostPictures, all);
  std::vector<Input> wanted(photos.begin() + first, photos.begin() + last);
  for (Input& photo : wanted) {
    if (photo.error.empty() && is_video_file(photo.path)) photo.error = kIsVideo;
  }

  std::ostringstream text;
  Json results = Json::array();
  const auto table = create_result_writer({.format = "table"}, recognizer, text);
  PredictionStream stream(recognizer, InputList::as_they_are(wanted),
                          prediction_options(recognizer));
  std::int64_t done = first;
  std::size_t faces = 0;
  do {
    const auto prediction = stream.next();
    if (!prediction) break;
    faces += prediction->faces.size();
    table->write(*prediction);
    results.push_back(prediction_json(*prediction, recognizer.head(), recognizer.labels()));
    report(++done - first, last - first);
  } while (Clock::now() < end && faces < kMostFaces);
  if (all == 0) text << "there is no photo\n";
  if (done < all) {
    text << format("%lld more photos: ask again with skip %lld\n",
                   static_cast<long long>(all - done), static_cast<long long>(done));
  }
  return {text.str(), {{"photos", all}, {"left", all - done}, {"results", results}}};
}

// What one face of a video showed.
struct Followed {
  double first = 0, last = 0;  // seconds
  std::int64_t frames = 0;
  std::map<std::string, std::int64_t> labels;  // frames with this answer
};

// The frames of one face alone, with those in which it is not seen.
Timeline timeline_of(int id, const std::vector<Prediction>& frames, const Recognizer& recognizer) {
  Timeline timeline(recognizer.head(), recognizer.labels(),
                    uncertain_below(recognizer.spec(), recognizer.head()));
  for (const Prediction& frame : frames) {
    Prediction one;
    one.frame = frame.frame;
    one.time = frame.time;
    for (std::size_t i = 0; i < frame.faces.size(); ++i) {
      if (frame.ids[i] != id) continue;
      one.faces.push_back(frame.faces[i]);
      one.ids.push_back(id);
    }
    timeline.add(one);
  }
  return timeline;
}

McpResult follow_video(Recognizer& recognizer, const Folders& folders,
                       const nlohmann::json& arguments, const McpTool::Report& report) {
  const auto end = Clock::now() + kMostTime;
  JsonReader reader(arguments, "arguments");
  const std::string name = reader.text("path");
  PredictionOptions options = prediction_options(recognizer);
  options.every =
      static_cast<int>(reader.has("every") ? reader.integer("every", 1, kMostSkipped) : 5);
  reader.finish();
  const fs::path path = folders.find(name);
  if (!is_video_file(path)) fail_input(quote(name) + " is no video");
  // FFmpeg takes it for a pattern of the names of pictures, which may be links.
  if (path.string().find('%') != std::string::npos && !has_video_extension(path))
    fail_input(quote(name) + ": a video with % in its path needs a video's extension");

  PredictionStream stream(recognizer, InputList::as_they_are({{path.string(), ""}}), options);
  std::vector<Prediction> frames;
  std::map<int, Followed> faces;
  bool whole = false;
  std::string error;
  while (Clock::now() < end) {
    auto frame = stream.next();
    whole = !frame;
    if (whole || static_cast<std::int64_t>(frames.size()) == kMostFrames) break;
    error = frame->error;
    if (!error.empty()) break;
    for (std::size_t i = 0; i < frame->faces.size(); ++i) {
      Followed& face = faces[frame->ids[i]];
      if (face.frames++ == 0) face.first = frame->time;
      face.last = frame->time;
      const FaceResult& result = frame->faces[i];
      ++face.labels[result.label.empty() ? "no answer"
                    : result.uncertain   ? "uncertain"
                                         : result.label];
    }
    frames.push_back(std::move(*frame));
    report(static_cast<std::int64_t>(frames.size()), 0);
  }
  if (frames.empty() && !error.empty()) fail_input(path.string() + ": " + error);

  const double seconds = frames.empty() ? 0 : frames.back().time;
  std::vector<std::pair<int, Followed>> most(faces.begin(), faces.end());
  std::ranges::stable_sort(most, std::greater(),
                           [](const auto& face) { return face.second.frames; });
  most.resize(std::min(most.size(), kMostFollowed));
  std::string text = format("%zu frames to %.1f s%s; faces: %zu\n", frames.size(), seconds,
                            whole ? "" : ", not to the video's end", faces.size());
  if (!error.empty()) text += "then: " + printable(error) + "\n";
  Json followed = Json::array();
  for (const auto& [id, face] : most) {
    std::vector<std::string> words;
    for (const auto& [label, count] : face.labels)
      words.push_back(printable(label) + format(" %lld", static_cast<long long>(count)));
    text += format("face %d, %.1f to %.1f s, frames: ", id, face.first, face.last) +
            join(words, ", ") + "\n";
    followed.push_back({{"id", id},
                        {"from", face.first},
                        {"to", face.last},
                        {"frames", face.frames},
                        {"labels", face.labels}});
  }
  std::string subtitles;
  if (!most.empty()) {
    subtitles = timeline_of(most[0].first, frames, recognizer).srt();
    text += format("face %d:\n", most[0].first) + subtitles;
  }
  return {text,
          {{"path", path.string()},
           {"frames", frames.size()},
           {"seconds", seconds},
           {"whole", whole},
           {"error", error},
           {"faces", followed},
           {"other_faces", faces.size() - most.size()},
           {"subtitles", subtitles}}};
}

McpResult describe_model(const Recognizer& recognizer, const Folders& folders,
                         const nlohmann::json& arguments) {
  JsonReader(arguments, "arguments").finish();
  const ModelSpec& spec = recognizer.spec();
  const double below = shortest_decimal(uncertain_below(spec, recognizer.head()));
  const std::string text =
      "architecture " + printable(spec.architecture) + ", head " + printable(recognizer.head()) +
      "\nlabels: " + printable(join(recognizer.labels(), ", ")) +
      format("\nbelow %.2f an answer is uncertain", below) + "\nfaces are found by " +
      recognizer.detector_name() + "\nopen to assistants: " + join(folders.names(), ", ") + "\n" +
      kMeaning + "\ntraining: " + spec.provenance.dump() + "\n";
  return {text,
          {{"architecture", spec.architecture},
           {"head", recognizer.head()},
           {"labels", recognizer.labels()},
           {"uncertain_below", below},
           {"detector", recognizer.detector_name()},
           {"folders", folders.names()},
           {"meaning", kMeaning},
           {"training", spec.provenance}}};
}

Json schema_of(const Json& properties, const std::vector<std::string>& required) {
  return {{"type", "object"},
          {"properties", properties},
          {"required", required},
          {"additionalProperties", false}};
}
Json of_type(const char* type, const char* description = nullptr) {
  Json schema = {{"type", type}};
  if (description != nullptr) schema["description"] = description;
  return schema;
}
Json list_of(const Json& items, const char* description = nullptr) {
  Json schema = of_type("array", description);
  schema["items"] = items;
  return schema;
}

}  // namespace

std::vector<McpTool> recognizer_tools(Recognizer& recognizer, const std::vector<fs::path>& opened) {
  const Folders folders(opened);
  const Json text = of_type("string"), number = of_type("number"), whole = of_type("integer");
  McpTool classify{"classify_faces",
                   "Facial expressions on photos",
                   "Finds the faces on photos and names their facial expression. Takes photos and "
                   "folders of photos, relative ones in the folders that are open; answers for a "
                   "hundred photos or faces, or half a minute, at a time.",
                   {},
                   {},
                   {}};
  classify.input_schema =
      schema_of({{"paths", list_of(text, "photos (JPEG, PNG, WebP, ...) or folders")},
                 {"recursive", of_type("boolean", "folders with their subfolders")},
                 {"skip", of_type("integer", "photos to leave out, answered in a call before")}},
                {"paths"});
  classify.output_schema =
      schema_of({{"photos", of_type("integer", "photos there are")},
                 {"left", of_type("integer", "photos behind those that are answered here")},
                 {"results", list_of(of_type("object",
                                             "fer.prediction/1: path, size, and of each "
                                             "face box, label and probabilities"))}},
                {"photos", "left", "results"});
  classify.call = [&recognizer, folders](const auto& arguments, const auto& report) {
    return classify_faces(recognizer, folders, arguments, report);
  };

  McpTool follow{
      "follow_video",
      "Facial expressions over a video",
      "Follows the faces of a video: how often each showed which expression, and "
      "subtitles of the one seen most. Looks at two thousand frames, or half a minute, at most.",
      {},
      {},
      {}};
  follow.input_schema = schema_of(
      {{"path", of_type("string", "the video")},
       {"every", of_type("integer", "each n-th frame is looked at, 1 to 250; 5 where not given")}},
      {"path"});
  const Json face = schema_of({{"id", whole},
                               {"from", of_type("number", "seconds")},
                               {"to", of_type("number", "seconds")},
                               {"frames", whole},
                               {"labels", of_type("object", "frames a label")}},
                              {"id", "from", "to", "frames", "labels"});
  follow.output_schema = schema_of(
      {{"path", text},
       {"frames", of_type("integer", "looked at")},
       {"seconds", of_type("number", "where the last of them is")},
       {"whole", of_type("boolean", "false where the video goes on, or cannot be read on")},
       {"error", of_type("string", "why it cannot be read on")},
       {"faces", list_of(face, "seen most first")},
       {"other_faces", of_type("integer", "more that were seen less")},
       {"subtitles", of_type("string", "SubRip, of the first of these faces")}},
      {"path", "frames", "seconds", "whole", "error", "faces", "other_faces", "subtitles"});
  follow.call = [&recognizer, folders](const auto& arguments, const auto& report) {
    return follow_video(recognizer, folders, arguments, report);
  };

  McpTool describe{"describe_model",
                   "The network and what its answers mean",
                   "Labels, threshold, face detector, how the network was trained and what it "
                   "reached, and the folders that are open.",
                   {},
                   {},
                   {}};
  describe.input_schema = schema_of(Json::object(), {});
  describe.output_schema = schema_of({{"architecture", text},
                                      {"head", text},
                                      {"labels", list_of(text)},
                                      {"uncertain_below", number},
                                      {"detector", text},
                                      {"folders", list_of(text)},
                                      {"meaning", text},
                                      {"training", of_type("object")}},
                                     {"architecture", "head", "labels", "uncertain_below",
                                      "detector", "folders", "meaning", "training"});
  describe.call = [&recognizer, folders](const auto& arguments, const auto&) {
    return describe_model(recognizer, folders, arguments);
  };
  return {classify, follow, describe};
}

std::string recognizer_instructions() {
  return std::string("Names the facial expressions on photos and videos of this machine. ") +
         kMeaning +
         " Not for judging people at work or in education, nor for decisions about them: in the "
         "European Union much of that is prohibited.";
}

}  // namespace fer
