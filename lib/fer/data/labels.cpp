#include <algorithm>

#include "fer/core/error.h"
#include "fer/core/text.h"
#include "fer/data/dataset.h"

namespace fer {
namespace {

struct KindName {
  TargetKind kind;
  const char* name;
};
constexpr KindName kKinds[] = {{TargetKind::kLabel, "label"},
                               {TargetKind::kVotes, "votes"},
                               {TargetKind::kMajority, "majority"},
                               {TargetKind::kArgmax, "argmax"}};

LabelList without_repeats(const LabelList& names) {
  LabelList result;
  for (const std::string& name : names) {
    if (std::ranges::count(result, name) == 0) result.push_back(name);
  }
  return result;
}

// What `name` means among these.
std::string class_of(const std::string& name, const LabelList& classes) {
  const std::string spelled = spelled_label(name);
  return std::ranges::count(classes, spelled) > 0 ? spelled : canonical_label(spelled);
}

// "happy" of data that has "joy" and "smile" instead is both.
LabelList classes_meant(const std::string& source, const LabelList& classes) {
  if (std::ranges::count(classes, source) > 0) return {source};
  LabelList meant;
  for (const std::string& name : classes) {
    if (canonical_label(name) == source) meant.push_back(name);
  }
  return meant;
}

LabelMap identity_map(const LabelList& labels) {
  LabelMap map{labels, {}};
  for (std::size_t i = 0; i < labels.size(); ++i) map.index_of[labels[i]] = static_cast<int>(i);
  return map;
}

// option: what the text is the value of.
LabelMap parse_label_map(const std::string& option, const std::string& text,
                         const LabelList& classes, bool partial) {
  LabelMap map;
  const auto fail = [&](const std::string& what) {
    fail_input(option + " '" + text + "': " + what);
  };
  for (const std::string& entry : split(text, ',')) {
    const std::size_t equals = entry.find('=');
    const std::string target = class_of(entry.substr(0, equals), classes);
    const std::string sources = equals == std::string::npos ? entry : entry.substr(equals + 1);
    if (target.empty()) fail("a name is empty");
    if (std::find(map.labels.begin(), map.labels.end(), target) != map.labels.end()) {
      fail("'" + target + "' stands twice");
    }
    // A folder may be named a+b.
    const bool whole = std::ranges::count(classes, class_of(sources, classes)) > 0;
    for (const std::string& part : whole ? LabelList{sources} : split(sources, '+')) {
      const std::string source = class_of(part, classes);
      if (source.empty()) fail("a name is empty");
      const LabelList meant = classes_meant(source, classes);
      if (!partial && meant.empty()) {
        std::vector<std::string> candidates = classes;
        if (entry == text && option == "labels") {
          const auto presets = label_preset_names();
          candidates.insert(candidates.end(), presets.begin(), presets.end());
          candidates.push_back("auto");
        }
        fail("the data has no class '" + source + "' (it has " + join(classes, ", ") + ")" +
             did_you_mean(source, candidates));
      }
      for (const std::string& name : meant.empty() ? LabelList{source} : meant) {
        if (!map.index_of.emplace(name, static_cast<int>(map.labels.size())).second)
          fail("class '" + name + "' is used twice");
      }
    }
    map.labels.push_back(target);
  }
  return map;
}

}  // namespace

std::string to_string(TargetKind kind) {
  for (const KindName& k : kKinds) {
    if (k.kind == kind) return k.name;
  }
  return "?";
}

TargetKind target_kind_from_string(const std::string& name) {
  std::vector<std::string> names;
  for (const KindName& k : kKinds) {
    if (name == k.name) return k.kind;
    names.push_back(k.name);
  }
  fail_input("targets '" + name + "': expected " + join(names, ", ") + did_you_mean(name, names));
}

LabelList class_names(const LabelList& vocabulary) {
  LabelList spelled;
  for (const std::string& name : vocabulary) spelled.push_back(spelled_label(name));
  const LabelList words = without_repeats(spelled);
  LabelList names;
  for (const std::string& word : spelled) {
    const std::string canonical = canonical_label(word);
    names.push_back(std::ranges::count(words, canonical, canonical_label) > 1 ? word : canonical);
  }
  return names;
}

LabelMap make_label_map(const std::string& labels, const LabelList& found, bool partial) {
  const LabelList classes = without_repeats(class_names(found));
  const std::string text = trim(labels);
  if (text == "auto") return identity_map(classes);
  const auto preset = label_preset(text);
  if (!preset) {
    LabelMap map = parse_label_map("labels", text, classes, partial);
    if (map.labels.size() < 2) fail_input("labels '" + text + "': at least two labels are needed");
    return map;
  }
  LabelMap map = identity_map(*preset);
  bool any = false;
  for (const std::string& name : classes) {
    const auto label = map.index_of.find(canonical_label(name));
    if (label == map.index_of.end()) continue;
    any = true;
    map.index_of.emplace(name, label->second);
  }
  // A preset's class may be absent, as contempt is from FER2013; all of them may not.
  if (!any) {
    fail_input("labels '" + text + "': none of the data's classes (" + join(classes, ", ") +
               ") is among " + join(*preset, ", ") +
               "; use 'auto' to take the classes as they are");
  }
  return map;
}

LabelMap named_label_map(const LabelList& labels, const LabelList& found, bool partial) {
  LabelMap map{labels, {}};
  const auto place = [&](const std::string& name) {
    return static_cast<int>(std::ranges::find(labels, name) - labels.begin());
  };
  const LabelList names = class_names(found);
  std::vector<bool> present(labels.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    // The data's own word before the expression that it stands for.
    for (const std::string& name : {spelled_label(found[i]), canonical_label(found[i])}) {
      const int label = place(name);
      if (label == static_cast<int>(labels.size())) continue;
      map.index_of.emplace(names[i], label);
      present[static_cast<std::size_t>(label)] = true;
      break;
    }
  }
  for (std::size_t i = 0; i < labels.size() && !partial; ++i) {
    if (present[i]) continue;
    const LabelList classes = without_repeats(names);
    fail_input("labels '" + join(labels, ",") + "': the data has no class '" + labels[i] +
               "' (it has " + join(classes, ", ") + ")" + did_you_mean(labels[i], classes));
  }
  return map;
}

LabelMap make_class_map(const std::string& classes, const LabelList& found) {
  return parse_label_map("classes", trim(classes), without_repeats(class_names(found)), false);
}

}  // namespace fer
