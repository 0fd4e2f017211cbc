#include "fer/mcp/recognizer_tools.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <string>

#include "fer/batch/prediction_stream.h"
#include "fer/batch/result_writer.h"
#include "fer/batch/timeline.h"
#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/model/json_reader.h"

namespace fer {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// A call is to end before its client loses patience, and its answer to be short enough to be read.
constexpr std::int64_t kMaxPictures = 100, kMaxFrames = 2000;
constexpr std::size_t kMaxFollowed = 20;

constexpr const char *kIsVideo = " is a video: follow_video looks at those",
                     *kNoVideo = " is no video: classify_faces looks at photos";

constexpr const char* kMeaning =
    "A label names a facial expression category, what a face looks like to most observers, not "
    "what a person feels. 'uncertain' and faces without an answer are to be reported as such.";

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

  // The file or folder of that name, relative ones in the first folder that has it. Says of what
  // lies outside nothing but that.
  fs::path find(const std::string& name) const {
    const fs::path path(name);
    std::vector<fs::path> candidates = {path};
    if (path.is_relative()) {
      candidates.clear();
      for (const fs::path& folder : folders_) candidates.push_back(folder / path);
    }
    bool inside = false;
    for (fs::path& candidate : candidates) {
      candidate = candidate.lexically_normal();
      if (!candidate.has_filename()) candidate = candidate.parent_path();
      if (!holds(candidate)) continue;
      inside = true;
      std::error_code none;
      if (fs::exists(candidate, none)) return candidate;
    }
    fail_input(quote(name) +
               (inside ? ": there is no such file or folder in "
                       : ": lies outside of what is open to assistants, ") +
               names());
  }

  bool holds(const fs::path& path) const {
    std::error_code none;
    const fs::path place = fs::weakly_canonical(path, none);
    return !none && std::ranges::any_of(folders_, [&](const fs::path& folder) {
      const fs::path way = place.lexically_relative(folder);
      return !way.empty() && *way.begin() != "..";
    });
  }

  std::string names() const {
    std::vector<std::string> names;
    for (const fs::path& folder : folders_) names.push_back(folder.string());
    return join(names, ", ");
  }

 private:
  std::vector<fs::path> folders_;
};

// A recognizer without a detector takes each picture for a face.
PredictionOptions prediction_options(const Recognizer& recognizer) {
  PredictionOptions options;
  options.crops = recognizer.options().detector.kind == "none";
  return options;
}

std::vector<std::string> pictures(const Folders& folders, const std::vector<std::string>& paths,
                                  bool recursive) {
  std::vector<std::string> found;
  std::istringstream nothing;
  for (const std::string& name : paths) {
    const fs::path path = folders.find(name);
    std::error_code none;
    if (!fs::is_directory(path, none)) {
      if (has_video_extension(path)) fail_input(quote(name) + kIsVideo);
      if (!has_photo_extension(path)) fail_input(quote(name) + " is neither a photo nor a folder");
      found.push_back(path.string());
      continue;
    }
    InputList list({path.string()}, recursive, nothing);
    while (const auto input = list.next()) {
      if (!input->error.empty()) fail_input(input->path + ": " + input->error);
      if (has_photo_extension(input->path) && folders.holds(input->path))
        found.push_back(input->path);
    }
  }
  return found;
}

McpResult classify_faces(Recognizer& recognizer, const Folders& folders,
                         const nlohmann::json& arguments, const McpTool::Report& report) {
  JsonReader reader(arguments, "arguments");
  const std::vector<std::string> paths = reader.texts("paths");
  const bool recursive = reader.has("recursive") && reader.boolean("recursive");
  const std::int64_t skip = reader.has("skip") ? reader.integer("skip", 0, 1'000'000'000) : 0;
  reader.finish();
  if (paths.empty()) fail_input("arguments: 'paths' names nothing");

  std::vector<std::string> wanted = pictures(folders, paths, recursive);
  const auto all = static_cast<std::int64_t>(wanted.size());
  const std::int64_t first = std::min(skip, all), last = std::min(first + kMaxPictures, all);
  wanted = {wanted.begin() + first, wanted.begin() + last};

  std::ostringstream text;
  Json results = Json::array();
  const auto table = create_result_writer({.format = "table"}, recognizer, text);
  std::istringstream nothing;
  PredictionStream stream(recognizer, InputList(wanted, false, nothing),
                          prediction_options(recognizer));
  while (const auto prediction = stream.next()) {
    if (prediction->frame >= 0)
      fail_input(quote(prediction->path) + kIsVideo);  // whatever its name
    table->write(*prediction);
    results.push_back(prediction_json(*prediction, recognizer.head(), recognizer.labels()));
    report(static_cast<std::int64_t>(results.size()), last - first);
  }
  if (all == 0) text << "there is no photo\n";
  if (last < all) {
    text << format("%lld more photos: ask again with skip %lld\n",
                   static_cast<long long>(all - last), static_cast<long long>(last));
  }
  return {text.str(), {{"photos", all}, {"left", all - last}, {"results", results}}};
}

// What one face of a video showed.
struct Followed {
  double first = 0, last = 0;  // seconds
  std::int64_t frames = 0;
  std::map<std::string, std::int64_t> labels;  // frames with this answer; "" for none
};

McpResult follow_video(Recognizer& recognizer, const Folders& folders,
                       const nlohmann::json& arguments, const McpTool::Report& report) {
  JsonReader reader(arguments, "arguments");
  const std::string name = reader.text("path");
  const auto every = static_cast<int>(reader.has("every") ? reader.integer("every", 1, 10'000) : 5);
  reader.finish();
  const fs::path path = folders.find(name);
  if (!has_video_extension(path)) fail_input(quote(name) + kNoVideo);

  PredictionOptions options = prediction_options(recognizer);
  options.every = every;
  std::istringstream nothing;
  PredictionStream stream(recognizer, InputList({path.string()}, false, nothing), options);
  Timeline timeline(recognizer.head(), recognizer.labels(),
                    uncertain_below(recognizer.spec(), recognizer.head()));
  std::map<int, Followed> faces;
  std::int64_t frames = 0;
  double seconds = 0;
  bool whole = false;
  while (frames < kMaxFrames) {
    const auto prediction = stream.next();
    if (!prediction) {
      whole = true;
      break;
    }
    if (!prediction->error.empty()) {
      if (frames == 0) fail_input(path.string() + ": " + prediction->error);
      break;
    }
    if (prediction->frame < 0) fail_input(quote(name) + kNoVideo);
    timeline.add(*prediction);
    seconds = prediction->time;
    for (std::size_t i = 0; i < prediction->faces.size(); ++i) {
      Followed& face = faces[prediction->ids[i]];
      if (face.frames++ == 0) face.first = seconds;
      face.last = seconds;
      const FaceResult& result = prediction->faces[i];
      ++face.labels[result.uncertain && !result.label.empty() ? "uncertain" : result.label];
    }
    report(++frames, kMaxFrames);
  }

  std::vector<std::pair<int, Followed>> most(faces.begin(), faces.end());
  std::ranges::stable_sort(most, std::greater(),
                           [](const auto& face) { return face.second.frames; });
  const std::size_t others = most.size() > kMaxFollowed ? most.size() - kMaxFollowed : 0;
  most.resize(most.size() - others);
  std::string text = format("%lld frames to %.1f s%s; faces: %zu\n", static_cast<long long>(frames),
                            seconds, whole ? "" : ", not to the video's end", faces.size());
  Json followed = Json::array();
  for (const auto& [id, face] : most) {
    Json labels = Json::object();
    std::vector<std::string> words;
    for (const auto& [label, count] : face.labels) {
      const std::string shown = label.empty() ? "no answer" : label;
      labels[shown] = count;
      words.push_back(format("%s %lld", shown.c_str(), static_cast<long long>(count)));
    }
    text += format("face %d, %.1f to %.1f s, frames: ", id, face.first, face.last) +
            join(words, ", ") + "\n";
    followed.push_back({{"id", id},
                        {"from", face.first},
                        {"to", face.last},
                        {"frames", face.frames},
                        {"labels", labels}});
  }
  const std::string subtitles = timeline.srt();
  text += "of the face seen most:\n" + subtitles;
  return {text,
          {{"path", path.string()},
           {"frames", frames},
           {"seconds", seconds},
           {"whole", whole},
           {"faces", followed},
           {"other_faces", others},
           {"subtitles", subtitles}}};
}

McpResult describe_model(const Recognizer& recognizer, const Folders& folders,
                         const nlohmann::json& arguments) {
  JsonReader(arguments, "arguments").finish();
  const ModelSpec& spec = recognizer.spec();
  const double below = shortest_decimal(uncertain_below(spec, recognizer.head()));
  const std::string labels = join(recognizer.labels(), ", ");
  const std::string text = "architecture " + printable(spec.architecture) + ", head " +
                           recognizer.head() + "\nlabels: " + printable(labels) +
                           format("\nbelow %.2f an answer is uncertain", below) +
                           "\nfaces are found by " + recognizer.detector_name() +
                           "\nopen to assistants: " + folders.names() + "\n" + kMeaning + "\n";
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
                   "hundred photos at a time.",
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

  McpTool follow{"follow_video",
                 "Facial expressions over a video",
                 "Follows the faces of a video: how often each showed which expression, and "
                 "subtitles of the one seen most. Looks at two thousand frames at most.",
                 {},
                 {},
                 {}};
  follow.input_schema =
      schema_of({{"path", of_type("string", "the video")},
                 {"every", of_type("integer", "each n-th frame is looked at; 5 where not given")}},
                {"path"});
  const Json face = schema_of({{"id", whole},
                               {"from", of_type("number", "seconds")},
                               {"to", of_type("number", "seconds")},
                               {"frames", whole},
                               {"labels", of_type("object", "frames a label")}},
                              {"id", "from", "to", "frames", "labels"});
  follow.output_schema =
      schema_of({{"path", text},
                 {"frames", of_type("integer", "looked at")},
                 {"seconds", of_type("number", "where the last of them is")},
                 {"whole", of_type("boolean", "false where the video goes on")},
                 {"faces", list_of(face, "seen most first")},
                 {"other_faces", of_type("integer", "more that were seen less")},
                 {"subtitles", of_type("string", "SubRip, of the face seen most")}},
                {"path", "frames", "seconds", "whole", "faces", "other_faces", "subtitles"});
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
                                      {"folders", text},
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
