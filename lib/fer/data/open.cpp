#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "fer/core/error.h"
#include "fer/core/hash.h"
#include "fer/core/random.h"
#include "fer/core/text.h"
#include "fer/data/csv.h"
#include "fer/data/dataset.h"
#include "fer/data/fer2013.h"
#include "fer/data/image_folder.h"
#include "fer/data/manifest.h"
#include "fer/data/synthetic.h"
#include "fer/data/table.h"
#include "fer/data/votes.h"

namespace fer {
namespace {

namespace fs = std::filesystem;

// The rows of a table for which at least one head has an answer.
class TableDataset : public Dataset {
 public:
  TableDataset(FaceTable table, std::vector<HeadLabels> heads)
      : table_(std::move(table)), heads_(std::move(heads)) {}

  void add(std::int64_t row, std::vector<Target> targets) {
    rows_.push_back(row);
    targets_.push_back(std::move(targets));
  }
  // Frees the pictures of rows that were not added.
  void drop_unused() {
    std::vector<Image> used(table_.images.size());
    for (const std::int64_t row : rows_) used[index(row)] = std::move(table_.images[index(row)]);
    table_.images = std::move(used);
  }

  const FaceTable& table() const { return table_; }
  std::int64_t row(std::int64_t i) const { return rows_.at(index(i)); }

  std::int64_t size() const override { return static_cast<std::int64_t>(rows_.size()); }
  const std::vector<HeadLabels>& heads() const override { return heads_; }
  Image image(std::int64_t i) const override { return table_.images[index(row(i))]; }
  const Target& target(std::int64_t i, std::size_t head) const override {
    return targets_.at(index(i)).at(head);
  }
  std::string origin(std::int64_t i) const override { return table_.origin(row(i)); }
  const std::vector<std::string>& columns() const override { return table_.columns; }
  const std::string& value(std::int64_t i, std::size_t column) const override {
    return table_.values.at(column)[index(row(i))];
  }

 private:
  static std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

  FaceTable table_;
  std::vector<HeadLabels> heads_;
  std::vector<std::int64_t> rows_;
  std::vector<std::vector<Target>> targets_;
};

bool needs_votes(const HeadRequest& head) { return head.targets != TargetKind::kLabel; }

FaceTable read_csv_faces(const fs::path& path, const DatasetOptions& options) {
  if (!fs::is_regular_file(path)) {
    fail_input(path.string() + ": no regular file; a csv is read more than once");
  }
  const std::vector<std::string> header = read_csv_header(path);
  if (is_manifest_header(header)) return read_manifest(path, options);
  if (!is_fer2013_header(header)) {
    fail_input(path.string() +
               ": neither FER2013 (columns emotion, pixels) nor a manifest (path, label); " +
               "its columns are " + join(header, ", "));
  }
  FaceTable table = read_fer2013(path);
  if (std::any_of(options.heads.begin(), options.heads.end(), needs_votes)) {
    const fs::path votes =
        options.votes.empty() ? path.parent_path() / "fer2013new.csv" : fs::path(options.votes);
    if (!fs::exists(votes)) {
      fail_input(votes.string() + ": no such file, and targets from FER+ votes need it");
    }
    join_votes(table, votes, path.filename().string());
    table.description += " with FER+ votes";
  }
  return table;
}

FaceTable read_table(const DatasetOptions& options) {
  const fs::path path = options.path;
  if (options.path == "synthetic" || options.path.starts_with("synthetic:")) {
    return synthetic_table(options.path, options.train_fraction, options.seed);
  }
  if (options.path.empty()) fail_input("no data given: expected a .csv, a folder or 'synthetic'");
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    fail_input(options.path + ": no such file or folder" +
               did_you_mean(options.path, {"synthetic"}));
  }
  if (to_lower(path.extension().string()) == ".csv") return read_csv_faces(path, options);
  if (fs::is_directory(path)) return read_image_folder(path, options);
  fail_input(options.path + ": expected a .csv, a folder or 'synthetic[:N[:easy|hard]]'");
}

// Gives the classes the names that options.classes says.
void rename_classes(FaceTable& table, const std::string& classes) {
  const LabelMap map = make_class_map(classes, table.vocabulary);
  const LabelList known_as = class_names(table.vocabulary);
  LabelList names;
  std::vector<int> renumbered;
  for (std::size_t c = 0; c < known_as.size(); ++c) {
    const auto found = map.index_of.find(known_as[c]);
    const std::string& name = found == map.index_of.end()
                                  ? table.vocabulary[c]
                                  : map.labels[static_cast<std::size_t>(found->second)];
    const auto known = std::find(names.begin(), names.end(), name);
    renumbered.push_back(static_cast<int>(known - names.begin()));
    if (known == names.end()) names.push_back(name);
  }
  table.vocabulary = std::move(names);
  for (int& label : table.labels) label = renumbered[static_cast<std::size_t>(label)];
}

struct Heads {
  std::vector<HeadLabels> labels;
  std::vector<LabelMap> maps;
};

Heads make_heads(const DatasetOptions& options, const FaceTable& table) {
  if (options.heads.empty()) fail_input("no head asked of the data");
  Heads heads;
  std::set<std::string> names;
  for (const HeadRequest& request : options.heads) {
    if (needs_votes(request) && table.votes.empty()) {
      fail_input("targets '" + to_string(request.targets) +
                 "' need FER+ votes, which only a FER2013 csv has");
    }
    const LabelList found = needs_votes(request) ? *label_preset("ferplus") : table.vocabulary;
    heads.maps.push_back(request.list.empty()
                             ? make_label_map(request.labels, found, request.partial)
                             : named_label_map(request.list, found, request.partial));
    std::string name = request.name;
    if (name.empty()) name = label_preset(trim(request.labels)) ? trim(request.labels) : "labels";
    if (!names.insert(name).second)
      fail_input("two heads are called '" + name + "'; give each its name");
    heads.labels.push_back({name, heads.maps.back().labels});
  }
  return heads;
}

// classes: the names of the data's.
Target label_target(int label, const LabelMap& map, const LabelList& classes) {
  Target target;
  const auto found = map.index_of.find(classes[static_cast<std::size_t>(label)]);
  if (found != map.index_of.end()) {
    target.label = found->second;
    target.distribution.assign(map.labels.size(), 0.0f);
    target.distribution[static_cast<std::size_t>(target.label)] = 1.0f;
  }
  return target;
}

std::string dropped_reason(const HeadRequest& request, const std::string& name) {
  switch (request.targets) {
    case TargetKind::kLabel:
      return "label " + name + " is not among " +
             (label_preset(request.labels) ? "the preset " : "") + request.labels;
    case TargetKind::kVotes:
      return "FER+ votes lead to none of the labels";
    case TargetKind::kMajority:
      return "no FER+ majority for one of the labels";
    case TargetKind::kArgmax:
      return "no single FER+ winner among the labels";
  }
  return "";
}

// Which column options.group_by names.
std::size_t group_column(const FaceTable& table, const DatasetOptions& options) {
  const std::string place = options.path + ": group_by '" + options.group_by + "'";
  if (!is_utf8(options.group_by)) fail_input(place + " is no UTF-8");
  if (table.columns.empty()) {
    fail_input(place + " needs a manifest with this column beside path and label");
  }
  const auto column = find_column(table.columns, options.group_by);
  if (!column) {
    fail_input(place + ": no such column (there are " + join(table.columns, ", ") + ")" +
               did_you_mean(options.group_by, table.columns));
  }
  return *column;
}

// The group of each of `rows`, numbered as they come.
std::vector<std::int64_t> group_rows(const std::vector<std::string>& values,
                                     const std::vector<std::size_t>& rows) {
  std::map<std::string, std::int64_t> known;
  std::vector<std::int64_t> groups;
  std::int64_t next = 0;
  for (const std::size_t row : rows) {
    std::int64_t group = next;
    if (!values[row].empty()) group = known.try_emplace(values[row], next).first->second;
    if (group == next) ++next;
    groups.push_back(group);
  }
  return groups;
}

// Of an image within its data, wherever that lies: "happy/003.jpg", or "row 17".
std::string own_name(const std::string& origin, const std::string& data) {
  const fs::path path(data);
  for (const std::string& place :
       {(path / "").string(), path.filename().string() + " ", (path.parent_path() / "").string()}) {
    if (place.size() > 1 && origin.starts_with(place)) return origin.substr(place.size());
  }
  return origin.starts_with("/") ? fs::path(origin).filename().string() : origin;
}

// Cuts validation off data that has none of its own; nothing where that is not to be. By the
// classes of the data itself, so that the same images validate whatever labels are made of them.
std::optional<DrawnSplit> draw_split(FaceTable& table, const DatasetOptions& options) {
  if (options.train_fraction == 1) return {};
  if (table.splits.empty()) table.splits.assign(table.images.size(), Split::kTrain);
  if (std::ranges::count(table.splits, Split::kVal) > 0) return {};
  const LabelList names = class_names(table.vocabulary);
  std::vector<std::string> classes;
  std::vector<std::size_t> rows;
  for (std::size_t row = 0; row < table.splits.size(); ++row) {
    if (table.splits[row] != Split::kTrain) continue;
    rows.push_back(row);
    classes.push_back(names[static_cast<std::size_t>(table.labels[row])]);
  }
  if (rows.empty()) return {};
  Fingerprint images, origins;
  for (const std::string& name : classes) images.add(name + "\n");
  for (const std::size_t row : rows) {
    origins.add(own_name(table.origin(static_cast<std::int64_t>(row)), options.path) + "\n");
  }
  DrawnSplit drawn{options.train_fraction, options.seed, "", "", origins.hex()};
  std::pair<std::vector<std::int64_t>, std::vector<std::int64_t>> parts;
  if (options.group_by.empty()) {
    parts = stratified_split(classes, options.train_fraction, options.seed);
  } else {
    const std::size_t column = group_column(table, options);
    drawn.group_by = table.columns[column];
    const std::vector<std::int64_t> groups = group_rows(table.values[column], rows);
    for (const std::int64_t group : groups) images.add(std::to_string(group) + "\n");
    const std::string place = options.path + ": group_by '" + drawn.group_by + "'";
    if (std::ranges::max(groups) == 0) {
      fail_input(place + ": all images are one group; training and validation need one each");
    }
    parts = grouped_split(classes, groups, options.train_fraction, options.seed);
    if (parts.second.empty()) {
      fail_input(place + ": each group holds a class that no other has, so that none can validate");
    }
  }
  for (const std::int64_t i : parts.second)
    table.splits[rows[static_cast<std::size_t>(i)]] = Split::kVal;
  drawn.images = images.hex();
  return drawn;
}

// Both parts of a split that was drawn need each label. Where groups stay whole a label of one
// group cannot but train, and some other must validate.
void check_no_lonely_label(const TableDataset& all, const std::vector<std::int64_t>& train,
                           const std::vector<std::int64_t>& val, const std::string& path,
                           const std::string& group_by) {
  const LabelList& labels = all.heads()[0].labels;
  const auto count = [&](const std::vector<std::int64_t>& part) {
    std::vector<std::int64_t> counts(labels.size(), 0);
    for (const std::int64_t i : part) {
      if (const int label = all.target(i, 0).label; label >= 0)
        ++counts[static_cast<std::size_t>(label)];
    }
    return counts;
  };
  const auto trains = count(train), validates = count(val);
  if (!group_by.empty()) {
    if (std::ranges::count(validates, 0) < std::ssize(validates)) return;
    fail_input(path + ": group_by '" + group_by +
               "': no label has a group that could validate while another one trains it");
  }
  for (std::size_t c = 0; c < labels.size(); ++c) {
    if ((trains[c] == 0) == (validates[c] == 0)) continue;
    fail_input(path + ": label '" + labels[c] + "' has " +
               (trains[c] + validates[c] == 1 ? "one image" : "one image of each of its classes") +
               "; training and validation need one each (--train-fraction 1: no validation)");
  }
}

// A seeded choice of options.per_class samples of each of the first head's classes, in order.
std::vector<std::int64_t> first_of_each_class(const TableDataset& all,
                                              const std::vector<std::int64_t>& train,
                                              const DatasetOptions& options) {
  std::vector<std::int64_t> taken(all.heads()[0].labels.size(), 0), chosen;
  for (const std::int64_t p :
       permutation(static_cast<std::int64_t>(train.size()), Rng{options.seed, 0x636c617373ull})) {
    const std::int64_t i = train[static_cast<std::size_t>(p)];
    const int label = all.target(i, 0).label;
    if (label >= 0 && taken[static_cast<std::size_t>(label)]++ < options.per_class)
      chosen.push_back(i);
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

// drawn: by draw_split().
OpenedDataset assemble(FaceTable source, const DatasetOptions& options,
                       const std::optional<DrawnSplit>& drawn) {
  Heads heads = make_heads(options, source);
  OpenedDataset opened;
  opened.description = source.description + ", " + with_thousands(source.size()) + " images";
  opened.label_maps = std::move(heads.maps);
  opened.dropped = source.dropped;

  const auto all = std::make_shared<TableDataset>(std::move(source), heads.labels);
  const FaceTable& table = all->table();
  const LabelList classes = class_names(table.vocabulary);
  std::map<std::string, std::int64_t> dropped;
  for (std::size_t row = 0; row < table.images.size(); ++row) {
    std::vector<Target> targets;
    for (std::size_t h = 0; h < heads.labels.size(); ++h) {
      const HeadRequest& request = options.heads[h];
      targets.push_back(
          needs_votes(request)
              ? target_from_votes(table.votes[row], request.targets, opened.label_maps[h])
              : label_target(table.labels[row], opened.label_maps[h], classes));
    }
    if (std::any_of(targets.begin(), targets.end(), [](const Target& t) { return t.known(); })) {
      all->add(static_cast<std::int64_t>(row), std::move(targets));
    } else {
      ++dropped[dropped_reason(options.heads[0],
                               classes[static_cast<std::size_t>(table.labels[row])])];
    }
  }
  for (const auto& [reason, rows] : dropped) opened.dropped.push_back({reason, rows});
  all->drop_unused();

  for (std::size_t h = 0; h < heads.labels.size(); ++h) {
    const std::vector<std::int64_t> counts = class_counts(*all, h);
    const auto present =
        std::count_if(counts.begin(), counts.end(), [](std::int64_t n) { return n > 0; });
    if (present < (options.heads[h].partial ? 1 : 2)) {
      const auto only = std::max_element(counts.begin(), counts.end()) - counts.begin();
      fail_input(options.path + ": " +
                 (present == 0 ? "no image has a label of head '" + heads.labels[h].name + "'"
                               : "every image is '" +
                                     heads.labels[h].labels[static_cast<std::size_t>(only)] + "'") +
                 "; at least two classes are needed");
    }
  }

  std::vector<std::int64_t> parts[3];
  for (std::int64_t i = 0; i < all->size(); ++i) {
    const auto row = static_cast<std::size_t>(all->row(i));
    const Split split = table.splits.empty() ? Split::kTrain : table.splits[row];
    parts[static_cast<std::size_t>(split)].push_back(i);
  }
  auto& [train, val, test] = parts;
  if (drawn) {
    opened.drawn_splits = {*drawn};
    if (!options.heads[0].partial)
      check_no_lonely_label(*all, train, val, options.path, drawn->group_by);
  }
  if (options.per_class > 0) train = first_of_each_class(*all, train, options);
  opened.train = subset(all, train);
  opened.val = subset(all, val);
  opened.test = subset(all, test);
  opened.fingerprint = fingerprint(*opened.train);
  return opened;
}

}  // namespace

OpenedDataset open_dataset(const DatasetOptions& options) {
  if (!(options.train_fraction > 0 && options.train_fraction <= 1)) {
    fail_input(
        format("train_fraction is %g, expected more than 0 and at most 1", options.train_fraction));
  }
  if (options.per_class < 0) {
    fail_input(format("per_class is %lld, expected 0 (all) or more",
                      static_cast<long long>(options.per_class)));
  }
  FaceTable table = read_table(options);
  for (const std::string& name : table.vocabulary) {
    if (!is_utf8(name)) fail_input(options.path + ": the class name '" + name + "' is no UTF-8");
  }
  const auto drawn = draw_split(table, options);
  if (!options.classes.empty()) rename_classes(table, options.classes);
  return assemble(std::move(table), options, drawn);
}

void check_every_class_trains(const OpenedDataset& data) {
  const LabelList& labels = data.train->heads()[0].labels;
  const auto train = class_counts(*data.train), val = class_counts(*data.val),
             test = class_counts(*data.test);
  for (std::size_t c = 0; c < labels.size(); ++c) {
    if (train[c] == 0 && val[c] + test[c] > 0) {
      fail_input(data.description + ": label '" + labels[c] + "' has no training image, but " +
                 std::to_string(val[c] + test[c]) + " elsewhere");
    }
  }
}

}  // namespace fer
