// fer-data: what is in a data set, what is wrong with it, and drawn faces as files.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "data_options.h"
#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/log.h"
#include "fer/core/png.h"
#include "fer/core/progress.h"
#include "fer/core/text.h"
#include "fer/core/version.h"
#include "fer/data/audit.h"
#include "fer/data/contact_sheet.h"
#include "program.h"
#if FER_HAVE_VISION
#include "fer/vision/face_detector.h"
#endif

namespace {

namespace fs = std::filesystem;
using namespace fer;
using namespace fer::tools;

#if FER_HAVE_VISION
// Face crops leave a detector no room around the face, so that the border goes on, by a quarter on
// each side, then by a half.
bool shows_face(const Image& image, const FaceDetectorOptions& options) {
  thread_local const std::unique_ptr<FaceDetector> detector = create_face_detector(options);
  const auto w = static_cast<float>(image.width), h = static_cast<float>(image.height);
  const int side = options.input_size;
  for (const float room : {0.25f, 0.5f}) {
    const Box around{-room * w, -room * h, (1 + 2 * room) * w, (1 + 2 * room) * h};
    if (!detector->detect(crop(image, around, side, side)).empty()) return true;
  }
  return false;
}
#endif

std::function<bool(const Image&)> face_test() {
#if FER_HAVE_VISION
  FaceDetectorOptions options;
  options.input_size = 192;
  options.score_threshold = 0.5f;
  options = resolve_face_detector(options);
  return [options](const Image& image) { return shows_face(image, options); };
#else
  fail_input("--faces: this build has no face detector (OpenCV)");
#endif
}

constexpr std::array kSplits = {Split::kTrain, Split::kVal, Split::kTest};
constexpr const char* kDataFlag = "-d,data,--data";
// Photos are reduced to gray squares of this side, so that any number of them fits into memory.
constexpr int kSide = 128;

DataFlags whole_data() {
  DataFlags flags;
  flags.labels = "auto";
  return flags;
}

bool wants_json(const std::string& format) {
  if (format != "text" && format != "json")
    fail_input("--format '" + format + "': expected text or json");
  return format == "json";
}

int audit_data(int argc, char** argv) {
  DataFlags flags = whole_data();
  AuditOptions audit_options;
  std::string format = "text", html;
  bool faces = false, fail_on_leak = false;
  Options options("fer-data audit",
                  "Finds duplicates, leaks between splits, conflicting labels and pictures that "
                  "show nothing.",
                  "  fer-data audit fer2013.csv --html audit.html\n"
                  "  fer-data audit photos/ --fail-on-leak --format json > audit.json\n");
  add_data_options(options, flags, DataUse::kLooking, kDataFlag);
  options.group("Audit");
  options.add("--hash-distance", "audit.hash_distance", &audit_options.hash_distance,
              "of 64 bits, 0 to 7: how far near duplicates may differ");
  options.add("--min-correlation", "audit.min_correlation", &audit_options.min_correlation,
              "that near duplicates have at least");
  options.add("--blank-deviation", "audit.blank_deviation", &audit_options.blank_deviation,
              "tones; a picture that varies less shows nothing");
  options.add("--faces", "audit.faces", &faces,
              "also look for a face in every picture; some minutes for FER2013");
  options.group("Output");
  options.add("-f,--format", "format", &format, "on standard output: text or json");
  options.add("--html", "html", &html, "file for a page with the findings as pictures");
  options.add("--fail-on-leak", "fail_on_leak", &fail_on_leak,
              "end with code 3 when an image of val or test also stands in training, byte by byte");
  options.add_config_options();
  options.parse(argc, argv);
  const bool json = wants_json(format);
  if (faces) audit_options.shows_face = face_test();
  check(audit_options);
  DatasetOptions wanted = dataset_options(flags, kSide);
  wanted.enlarge = false;  // so that a file is seen as its pixels in a csv are
  const OpenedDataset data = open_dataset(wanted);
  for (const DrawnSplit& drawn : data.drawn_splits) {
    log_info(fer::format(
                 "the data has no split of its own: drawn by --train-fraction %g, --data-seed %llu",
                 drawn.train_fraction, static_cast<unsigned long long>(drawn.seed)) +
             (drawn.group_by.empty() ? "" : ", --group-by " + drawn.group_by));
  }
  const Audit found = audit(data, audit_options);
  std::fputs((json ? audit_json(found, data) : audit_text(found, data)).c_str(), stdout);
  if (!html.empty()) write_file_atomically(html, audit_html(found, data));
  if (!fail_on_leak || !found.leaks()) return 0;
  log_error("fer-data: images of val or test also stand in training");
  return 3;
}

// Mean and standard deviation of the tones, 0 to 1: what a net's preprocessing subtracts and
// divides by.
std::pair<double, double> tones(const Dataset& part) {
  double sum = 0, squares = 0, pixels = 0;
  for (std::int64_t i = 0; i < part.size(); ++i) {
    const Image image = part.image(i);
    for (const std::uint8_t p : image.pixels) {
      sum += p / 255.0;
      squares += p / 255.0 * p / 255.0;
    }
    pixels += static_cast<double>(image.pixels.size());
  }
  if (pixels == 0) return {0, 0};
  const double mean = sum / pixels;
  return {mean, std::sqrt(std::max(0.0, squares / pixels - mean * mean))};
}

nlohmann::ordered_json describe_data(const OpenedDataset& data) {
  nlohmann::ordered_json facts = {{"schema", "fer.data.1"},
                                  {"data", data.description},
                                  {"fingerprint", data.fingerprint},
                                  {"labels", data.train->heads()[0].labels}};
  for (const Split split : kSplits) {
    const Dataset& part = data.split(split);
    const auto [mean, deviation] = tones(part);
    facts["splits"][to_string(split)] = {{"images", part.size()},
                                         {"classes", class_counts(part)},
                                         {"mean", mean},
                                         {"std", deviation}};
  }
  facts["columns"] = nlohmann::ordered_json::object();
  const auto& columns = data.train->columns();
  for (std::size_t c = 0; c < columns.size(); ++c) {
    std::map<std::string, std::int64_t> values;
    for (const Split split : kSplits) {
      const Dataset& part = data.split(split);
      for (std::int64_t i = 0; i < part.size(); ++i) ++values[part.value(i, c)];
    }
    facts["columns"][columns[c]] = values;
  }
  facts["left_out"] = nlohmann::ordered_json::array();
  for (const DroppedCount& dropped : data.dropped) {
    facts["left_out"].push_back({{"reason", dropped.reason}, {"rows", dropped.rows}});
  }
  return facts;
}

void print_facts(const nlohmann::ordered_json& facts) {
  std::size_t width = 16;
  for (const auto& label : facts["labels"])
    width = std::max(width, text_width(label.get<std::string>()));
  std::printf("%s\n\n%s", printable(facts["data"]).c_str(), padded_text("label", width).c_str());
  for (const Split split : kSplits) std::printf(" %9s", to_string(split).c_str());
  std::printf("  share of train\n");
  const auto& splits = facts["splits"];
  const auto row = [&](const std::string& name, const auto& count) {
    std::printf("%s", padded_text(name, width).c_str());
    for (const Split split : kSplits) std::printf(" %9lld", count(splits[to_string(split)]));
    const long long all = splits["train"]["images"];
    std::printf("  %13.1f %%\n", all > 0 ? 100.0 * count(splits["train"]) / all : 0.0);
  };
  for (std::size_t c = 0; c < facts["labels"].size(); ++c) {
    row(facts["labels"][c],
        [c](const auto& split) { return split["classes"][c].template get<long long>(); });
  }
  row("all images", [](const auto& split) { return split["images"].template get<long long>(); });
  std::printf("\ntones of train   mean %.3f, standard deviation %.3f of 1\n",
              splits["train"]["mean"].get<double>(), splits["train"]["std"].get<double>());
  for (const auto& [column, values] : facts["columns"].items()) {
    std::printf("column %s: %zu values", printable(column).c_str(), values.size());
    constexpr std::size_t kMost = 12;
    if (values.size() <= kMost) {
      std::vector<std::string> parts;
      for (const auto& [value, rows] : values.items())
        parts.push_back((value.empty() ? "(none)" : printable(value)) + " " + rows.dump());
      std::printf(" (%s)", join(parts, ", ").c_str());
    }
    std::printf("\n");
  }
  for (const auto& dropped : facts["left_out"]) {
    std::printf("left out: %s rows, %s\n", dropped["rows"].dump().c_str(),
                printable(dropped["reason"].get<std::string>()).c_str());
  }
  std::printf("fingerprint      %s (of train)\n", facts["fingerprint"].get<std::string>().c_str());
}

int data_info(int argc, char** argv) {
  DataFlags flags = whole_data();
  std::string format = "text";
  Options options("fer-data info", "Counts what a data set holds: splits, classes, columns, tones.",
                  "  fer-data info fer2013.csv\n  fer-data info faces.csv --format json\n");
  add_data_options(options, flags, DataUse::kLooking, kDataFlag);
  options.group("Output");
  options.add("-f,--format", "format", &format, "on standard output: text or json");
  options.add_config_options();
  options.parse(argc, argv);
  const bool json = wants_json(format);
  DatasetOptions wanted = dataset_options(flags, kSide);
  wanted.enlarge = false;  // tones of the pictures as they are
  const auto facts = describe_data(open_dataset(wanted));
  if (json) {
    std::puts(facts.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    print_facts(facts);
  }
  return 0;
}

int data_sheet(int argc, char** argv) {
  DataFlags flags = whole_data();
  std::string split = "train", output = "sheet.png";
  int columns = 12, cell = 72;
  Options options("fer-data sheet", "Draws a contact sheet: a row of pictures for every label.",
                  "  fer-data sheet fer2013.csv --split val -o val.png\n"
                  "  fer-data sheet synthetic:600:hard --columns 20\n");
  add_data_options(options, flags, DataUse::kLooking, kDataFlag);
  options.add("--split", "split", &split, "train, val or test");
  options.group("Output");
  options.add("-o,--output", "output", &output, "PNG file");
  options.add("--columns", "columns", &columns, "pictures a label");
  options.add("--cell", "cell", &cell, "pixels of a picture's side");
  options.add_config_options();
  options.parse(argc, argv);
  const Split wanted = split_from_string(split);
  if (columns < 1 || columns > 1000)
    fail_input(format("--columns %d is not between 1 and 1000", columns));
  if (cell < 8 || cell > 512) fail_input(format("--cell %d is not between 8 and 512", cell));
  const OpenedDataset data = open_dataset(dataset_options(flags, kSide));
  const Dataset& part = data.split(wanted);
  if (part.size() == 0) fail_input(flags.data + ": the split " + split + " is empty");
  write_png(output, contact_sheet(part, columns, cell));
  std::printf("%s: rows from the top are %s\n", output.c_str(),
              join(part.heads()[0].labels, ", ").c_str());
  return 0;
}

// <folder>/<split>/<label>/00001.png, as --data takes it.
int draw_faces(int argc, char** argv) {
  std::string folder = "faces", preset = "easy";
  int count = 600;
  double train_fraction = 0.8;
  std::uint64_t seed = 0;
  Options options("fer-data synth", "Writes drawn faces as a folder of PNG files.",
                  "  fer-data synth faces/ --count 1200 --preset hard\n"
                  "  fer-train --data faces/\n");
  options.group("Faces");
  options.add("-o,folder,--output", "output", &folder, "new folder");
  options.add("-n,--count", "count", &count, "faces, the six labels in turn");
  options.add("--preset", "preset", &preset, "easy or hard");
  options.add("--seed", "seed", &seed, "other faces");
  options.add("--train-fraction", "train_fraction", &train_fraction,
              "share in train; the rest is val and test, half and half");
  options.add_config_options();
  options.parse(argc, argv);
  if (fs::exists(folder) && !fs::is_empty(folder)) fail_input(folder + ": exists and is not empty");
  DatasetOptions wanted;
  wanted.path = format("synthetic:%d:", count) + preset;
  wanted.seed = seed;
  wanted.train_fraction = train_fraction;
  const OpenedDataset data = open_dataset(wanted);
  Progress progress("Writing", count, "images");
  std::int64_t done = 0;
  for (const Split split : kSplits) {
    const Dataset& part = data.split(split);
    const LabelList& labels = part.heads()[0].labels;
    std::vector<int> written(labels.size(), 0);
    for (std::int64_t i = 0; i < part.size(); ++i) {
      const auto label = static_cast<std::size_t>(part.target(i, 0).label);
      const fs::path place = fs::path(folder) / to_string(split) / labels[label];
      if (written[label] == 0) make_directories(place);
      write_png(place / format("%05d.png", ++written[label]), part.image(i));
      progress.update(++done);
    }
  }
  progress.finish();
  std::printf("%s: %lld train, %lld val, %lld test\n", folder.c_str(),
              static_cast<long long>(data.train->size()), static_cast<long long>(data.val->size()),
              static_cast<long long>(data.test->size()));
  return 0;
}

struct Command {
  const char* name;
  int (*run)(int, char**);
  const char* purpose;
};
constexpr Command kCommands[] = {
    {"audit", audit_data, "duplicates, leaks, conflicting labels, pictures that show nothing"},
    {"info", data_info, "splits, classes, columns, tones"},
    {"sheet", data_sheet, "a contact sheet: a row of pictures for every label"},
    {"synth", draw_faces, "drawn faces as a folder of PNG files"}};

int run_command(int argc, char** argv) {
  const std::string wanted = argc > 1 ? argv[1] : "";
  std::string help =
      "Looks into data sets.\n\nfer-data COMMAND [DATA] [OPTIONS]   (fer-data COMMAND --help)\n\n";
  std::string page = ".TH FER\\-DATA 1 \"\" \"fer " + std::string(version()) +
                     "\" \"User Commands\"\n.SH NAME\nfer\\-data \\- looks into data sets\n"
                     ".SH SYNOPSIS\n.B fer\\-data\n\\fICOMMAND\\fR [\\fIDATA\\fR] "
                     "[\\fIoptions\\fR]\n.SH COMMANDS\nEach has a page of its own.\n";
  std::vector<std::string> names;
  for (const Command& command : kCommands) {
    if (wanted == command.name) return command.run(argc - 1, argv + 1);
    page += format(".TP\n\\fBfer\\-data\\-%s\\fR(1)\n%s\n", command.name, command.purpose);
    help += format("  %-8s %s\n", command.name, command.purpose);
    names.push_back(command.name);
  }
  if (wanted == "--bash-completion") {
    // The flags of a command are asked of it.
    throw Options::Help{
        "_fer_data() {\n  local word=${COMP_WORDS[COMP_CWORD]} words='" + join(names, " ") +
        "'\n  ((COMP_CWORD == 1)) || words=\n"
        "  [[ $word != -* ]] || words=$(fer-data \"${COMP_WORDS[1]}\" --help 2>/dev/null | "
        "grep -o -- '--[a-z][a-z0-9-]*')\n"
        "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n}\n"
        "complete -o default -F _fer_data fer-data\n"};
  }
  if (wanted == "--help" || wanted == "-h") throw Options::Help{help};
  if (wanted == "--man-page") throw Options::Help{page};
  if (wanted == "--version") throw Options::Help{std::string("fer-data ") + version() + "\n"};
  fail_input((wanted.empty() ? "no command" : "unknown command '" + wanted + "'") + ": expected " +
             join(names, ", ") + did_you_mean(wanted, names));
}

}  // namespace

int main(int argc, char** argv) {
  outlive_reader();
  return run_program("fer-data", [&] { return run_command(argc, argv); });
}
