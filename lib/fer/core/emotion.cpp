#include "fer/core/emotion.h"

#include <algorithm>
#include <utility>

#include "fer/core/text.h"

namespace fer {

namespace {

using Colour = std::array<std::uint8_t, 3>;

struct Expression {
  const char* name;
  std::vector<const char*> spellings;  // the same word
  std::vector<const char*> synonyms;   // other words that data sets use for it
  Colour colour;
};

// Hues as in Okabe & Ito's palette, moved by a search until any two stay apart for deuteranopes,
// protanopes and tritanopes (Machado et al. 2009) and each one stands out from white as well as
// from black.
const std::vector<Expression>& expressions() {
  static const std::vector<Expression> kExpressions = {
      {"angry", {"anger"}, {"mad", "furious"}, {217, 11, 29}},
      {"disgusted", {"disgust"}, {}, {8, 115, 18}},
      {"fearful", {"fear"}, {"afraid", "scared", "frightened"}, {165, 52, 187}},
      {"happy", {"happiness"}, {"joy", "joyful", "smile", "smiling"}, {225, 149, 19}},
      {"sad", {"sadness"}, {"unhappy"}, {52, 89, 243}},
      {"surprised", {"surprise"}, {}, {88, 178, 220}},
      {"neutral", {"neutrality"}, {"calm"}, {105, 105, 111}},
      {"contemptuous", {"contempt"}, {}, {164, 123, 168}},
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

std::string spelled_label(std::string_view name) {
  std::string trimmed = trim(name);
  const std::string lower = to_lower(trimmed);
  for (const Expression& expression : expressions()) {
    if (lower == expression.name || std::ranges::count(expression.spellings, lower) > 0)
      return expression.name;
    if (std::ranges::count(expression.synonyms, lower) > 0) return lower;
  }
  return trimmed;
}

std::string canonical_label(std::string_view name) {
  std::string spelled = spelled_label(name);
  for (const Expression& expression : expressions()) {
    if (std::ranges::count(expression.synonyms, spelled) > 0) return expression.name;
  }
  return spelled;
}

std::array<std::uint8_t, 3> label_colour(std::string_view label, std::size_t index) {
  const std::string spelled = spelled_label(label);
  for (const Expression& expression : expressions()) {
    if (spelled == expression.name) return expression.colour;
  }
  return expressions()[index % expressions().size()].colour;
}

}  // namespace fer
