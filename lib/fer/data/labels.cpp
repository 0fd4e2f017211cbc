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

LabelList canonical(const LabelList& names) {
  LabelList result;
  for (const std::string& name : names) {
    const std::string label = canonical_label(name);
    if (std::find(result.begin(), result.end(), label) == result.end()) result.push_back(label);
  }
  return result;
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
    const std::string target = canonical_label(entry.substr(0, equals));
    const std::string sources = equals == std::string::npos ? entry : entry.substr(equals + 1);
    if (target.empty()) fail("a name is empty");
    if (std::find(map.labels.begin(), map.labels.end(), target) != map.labels.end()) {
      fail("'" + target + "' stands twice");
    }
    for (const std::string& part : split(sources, '+')) {
      const std::string source = canonical_label(part);
      if (source.empty()) fail("a name is empty");
      if (!partial && std::find(classes.begin(), classes.end(), source) == classes.end()) {
        std::vector<std::string> candidates = classes;
        if (entry == text && option == "labels") {
          const auto presets = label_preset_names();
          candidates.insert(candidates.end(), presets.begin(), presets.end());
          candidates.push_back("auto");
        }
        fail("the data has no class '" + source + "' (it has " + join(classes, ", ") + ")" +
             did_you_mean(source, candidates));
      }
      if (!map.index_of.emplace(source, static_cast<int>(map.labels.size())).second) {
        fail("class '" + source + "' is used twice");
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

LabelMap make_label_map(const std::string& labels, const LabelList& found, bool partial) {
  const LabelList classes = canonical(found);
  const std::string text = trim(labels);
  if (text == "auto") return identity_map(classes);
  const auto preset = label_preset(text);
  if (!preset) {
    LabelMap map = parse_label_map("labels", text, classes, partial);
    if (map.labels.size() < 2) fail_input("labels '" + text + "': at least two labels are needed");
    return map;
  }
  // A preset's class may be absent, as contempt is from FER2013; all of them may not.
  const bool any = std::any_of(classes.begin(), classes.end(), [&](const std::string& name) {
    return std::find(preset->begin(), preset->end(), name) != preset->end();
  });
  if (!any) {
    fail_input("labels '" + text + "': none of the data's classes (" + join(classes, ", ") +
               ") is among " + join(*preset, ", ") +
               "; use 'auto' to take the classes as they are");
  }
  return identity_map(*preset);
}

LabelMap make_class_map(const std::string& classes, const LabelList& found) {
  return parse_label_map("classes", trim(classes), canonical(found), false);
}

}  // namespace fer
