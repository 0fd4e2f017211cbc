#include "data_options.h"

#include "fer/core/error.h"
#include "fer/core/log.h"
#include "fer/core/text.h"
#if FER_HAVE_VISION
#include "fer/vision/image_io.h"
#endif

namespace fer::tools {

void add_data_options(Options& options, DataFlags& flags, const std::string& data_flag) {
  options.group("Data");
  options.add(data_flag, "data.path", &flags.data,
              "a YAML of datasets/, a csv (FER2013 or path,label), a folder of classes, or "
              "synthetic[:N[:hard]]");
  options.add("--labels", "data.labels", &flags.labels,
              "six, fer2013, ferplus, auto, or a list such as happy,sad,other=angry+fearful");
  options.add("--targets", "data.targets", &flags.targets,
              "label (the data's own), or of FER+ votes: votes (soft), majority, argmax");
  options.add(
      "--heads", "data.heads", &flags.heads,
      "several outputs at once, each labels:targets[:weight], e.g. fer2013:label ferplus:votes");
  options.add("--votes", "data.votes", &flags.votes,
              "FER+ votes; default: fer2013new.csv beside the csv");
  options.add("--train-fraction", "data.train_fraction", &flags.train_fraction,
              "share that trains where the data has no splits of its own");
  options.add("--data-seed", "data.seed", &flags.seed, "seed of that split and of synthetic faces");
  options.add("--on-error", "data.on_error", &flags.on_error, "broken image files: stop or skip");
  options.expand_yaml("data.path", "data.");
}

RequestedHeads requested_heads(const DataFlags& flags) {
  RequestedHeads result;
  if (flags.heads.empty()) {
    HeadRequest request;
    request.labels = flags.labels;
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

DatasetOptions dataset_options(const DataFlags& flags, int image_size) {
  DatasetOptions options;
  options.path = flags.data;
  options.heads = requested_heads(flags).requests;
  options.votes = flags.votes;
  options.train_fraction = flags.train_fraction;
  options.seed = flags.seed;
  options.image_size = image_size;
  if (flags.on_error != "stop" && flags.on_error != "skip") {
    fail_input("--on-error '" + flags.on_error + "': expected stop or skip");
  }
  options.skip_broken = flags.on_error == "skip";
#if FER_HAVE_VISION
  options.decoder = image_decoder();
#endif
  return options;
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
  }
  for (const auto& dropped : data.dropped) {
    log_info(format("  left out: %lld rows, ", static_cast<long long>(dropped.rows)) +
             dropped.reason);
  }
}

}  // namespace fer::tools
