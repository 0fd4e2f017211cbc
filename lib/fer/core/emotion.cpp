#include "fer/core/emotion.h"

#include <algorithm>
#include <utility>

#include "fer/core/text.h"

namespace fer {

namespace {

using Colour = std::array<std::uint8_t, 3>;

struct Expression {
  const char* name;
  std::vector<const char*> aliases;
  Colour colour;
};

// Okabe & Ito's palette for colour-blind readers, its black and yellow replaced by a gray and a violet,
// which can be read on white as well as on black.
const std::vector<Expression>& expressions() {
  static const std::vector<Expression> kExpressions = {
      {"angry", {"anger", "mad", "furious"}, {213, 94, 0}},
      {"disgusted", {"disgust"}, {0, 158, 115}},
      {"fearful", {"fear", "afraid", "scared", "frightened"}, {204, 121, 167}},
      {"happy", {"happiness", "joy", "joyful", "smile", "smiling"}, {230, 159, 0}},
      {"sad", {"sadness", "unhappy"}, {0, 114, 178}},
      {"surprised", {"surprise"}, {86, 180, 233}},
      {"neutral", {"neutrality", "calm"}, {136, 136, 136}},
      {"contemptuous", {"contempt"}, {131, 79, 170}},
  };
  return kExpressions;
}

const std::vector<std::pair<std::string, LabelList>>& presets() {
  static const std::vector<std::pair<std::string, LabelList>> kPresets = {
      {"six", {"angry", "fearful", "happy", "neutral", "sad", "surprised"}},
      {"fer2013", {"angry", "disgusted", "fearful", "happy", "sad", "surprised", "neutral"}},
      {"ferplus",
       {"neutral", "happy", "surprised", "sad", "angry", "disgusted", "fearful", "contemptuous"}},
  };
  return kPresets;
}

}  // namespace

std::optional<LabelList> label_preset(std::string_view name) {
  for (const auto& [preset, labels] : presets()) {
    if (preset == name) return labels;
  }
  return std::nullopt;
}

std::vector<std::string> label_preset_names() {
  std::vector<std::string> names;
  for (const auto& [preset, labels] : presets()) names.push_back(preset);
  return names;
}

std::string canonical_label(std::string_view name) {
  std::string trimmed = trim(name);
  const std::string lower = to_lower(trimmed);
  for (const Expression& expression : expressions()) {
    const auto& aliases = expression.aliases;
    if (lower == expression.name || std::find(aliases.begin(), aliases.end(), lower) != aliases.end()) {
      return expression.name;
    }
  }
  return trimmed;
}

std::array<std::uint8_t, 3> label_colour(std::string_view label, std::size_t index) {
  const std::string canonical = canonical_label(label);
  for (const Expression& expression : expressions()) {
    if (canonical == expression.name) return expression.colour;
  }
  return expressions()[index % expressions().size()].colour;
}

}  // namespace fer
