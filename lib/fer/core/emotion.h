// The words for facial expression categories: canonical names, what data sets call them, colours.
//
// The category names a facial expression, not what a person feels. A label list is ordered: the
// position of a name is its class index everywhere (targets, logits, probabilities, confusion
// matrix).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fer {

using LabelList = std::vector<std::string>;

// Presets: "six" (angry fearful happy neutral sad surprised, the default), "fer2013" (the 7 of
// FER2013 in its order 0..6: angry disgusted fearful happy sad surprised neutral) and "ferplus"
// (the 8 of FER+ in its order: neutral happy surprised sad angry disgusted fearful contemptuous).
std::optional<LabelList> label_preset(std::string_view name);
std::vector<std::string> label_preset_names();

// "fear", "Fearful", "anger", "happiness" ... -> "fearful", "angry", "happy"; a name that is no
// known spelling of an expression comes back trimmed and otherwise as it is.
std::string canonical_label(std::string_view name);

// The same for spellings alone ("fear", "Fearful", "anger"); other words ("calm", "furious", "joy")
// come back in lower case.
std::string spelled_label(std::string_view name);

// sRGB colour of a label, the same in plots, overlay and web page; custom labels take colours from
// a fixed palette by index.
std::array<std::uint8_t, 3> label_colour(std::string_view label, std::size_t index);

}  // namespace fer
