#include "fer/core/emotion.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <set>

using namespace fer;

namespace {

using Vec = std::array<double, 3>;

double linear(double byte) {
  const double c = byte / 255;
  return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
}

Vec linear(const std::array<std::uint8_t, 3>& c) {
  return {linear(c[0]), linear(c[1]), linear(c[2])};
}

double luminance(const Vec& c) { return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]; }

double contrast(double a, double b) {  // WCAG 2
  return (std::max(a, b) + 0.05) / (std::min(a, b) + 0.05);
}

Vec multiply(const std::array<Vec, 3>& m, const Vec& v) {
  Vec result{};
  for (int i = 0; i < 3; ++i) result[i] = m[i][0] * v[0] + m[i][1] * v[1] + m[i][2] * v[2];
  return result;
}

Vec to_lab(const Vec& rgb) {
  const Vec xyz = multiply(
      {{{0.4124, 0.3576, 0.1805}, {0.2126, 0.7152, 0.0722}, {0.0193, 0.1192, 0.9505}}}, rgb);
  const auto f = [](double t) {
    return t > 0.008856 ? std::cbrt(t) : 7.787 * std::max(t, 0.0) + 16.0 / 116;
  };
  const double x = f(xyz[0] / 0.9505), y = f(xyz[1]), z = f(xyz[2] / 1.089);
  return {116 * y - 16, 500 * (x - y), 200 * (y - z)};
}

// Machado, Oliveira & Fernandes 2009, full deuteranopia and protanopia.
const std::array<std::array<Vec, 3>, 2> kRedGreenBlind = {{
    {{{0.367322, 0.860646, -0.227968},
      {0.280085, 0.672501, 0.047413},
      {-0.011820, 0.042940, 0.968881}}},
    {{{0.152286, 1.052583, -0.204868},
      {0.114503, 0.786281, 0.099216},
      {-0.003882, -0.048116, 1.051998}}},
}};

}  // namespace

TEST_CASE("label presets hold the lists of their sources, in order") {
  CHECK(label_preset("six") ==
        LabelList{"angry", "fearful", "happy", "neutral", "sad", "surprised"});
  CHECK(label_preset("fer2013") ==
        LabelList{"angry", "disgusted", "fearful", "happy", "sad", "surprised", "neutral"});
  CHECK(label_preset("ferplus") == LabelList{"neutral", "happy", "surprised", "sad", "angry",
                                             "disgusted", "fearful", "contemptuous"});
  CHECK_FALSE(label_preset("seven"));
  for (const auto& name : label_preset_names()) CHECK(label_preset(name));
}

TEST_CASE("what data sets call an expression becomes one name") {
  for (const char* name : {"anger", "Angry", " ANGER\t"}) CHECK(canonical_label(name) == "angry");
  for (const char* name : {"fear", "Fearful", "afraid", "scared"}) {
    CHECK(canonical_label(name) == "fearful");
  }
  CHECK(canonical_label("happiness") == "happy");
  CHECK(canonical_label("Sadness") == "sad");
  CHECK(canonical_label("surprise") == "surprised");
  CHECK(canonical_label("disgust") == "disgusted");
  CHECK(canonical_label("contempt") == "contemptuous");
  CHECK(canonical_label("neutrality") == "neutral");
  CHECK(canonical_label("  My Own Class ") == "My Own Class");
  CHECK(canonical_label("") == "");
  for (const auto& preset : label_preset_names()) {
    const LabelList labels = *label_preset(preset);
    for (const auto& label : labels) CHECK(canonical_label(label) == label);
  }
}

TEST_CASE("label colours stay apart for red-green blind readers and legible on white and black") {
  const LabelList labels = *label_preset("ferplus");
  std::set<std::array<std::uint8_t, 3>> custom;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const Vec colour = linear(label_colour(labels[i], 99));
    CHECK(contrast(luminance(colour), 1.0) > 2.2);
    CHECK(contrast(luminance(colour), luminance(linear({17, 17, 17}))) > 3.0);
    for (std::size_t j = 0; j < i; ++j) {
      const Vec other = linear(label_colour(labels[j], 0));
      for (const auto& vision : kRedGreenBlind) {
        const Vec a = to_lab(multiply(vision, colour)), b = to_lab(multiply(vision, other));
        INFO(labels[i] << " and " << labels[j]);
        CHECK(std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]) > 14);
      }
    }
    custom.insert(label_colour("class " + std::to_string(i), i));
  }
  CHECK(custom.size() == labels.size());
  CHECK(label_colour("fear", 5) == label_colour("fearful", 0));
  CHECK(label_colour("mine", 1) == label_colour("yours", 1 + labels.size()));
}
