#include "fer/data/synthetic.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "fer/core/error.h"
#include "fer/core/parallel.h"
#include "fer/core/text.h"
#include "fer/data/face_painter.h"

namespace fer {
namespace {

constexpr int kFull = kFullStrength;
constexpr int kStrongest = 1100;   // of a unit, after individual variation
constexpr long long kFewest = 18;  // three of each class
constexpr long long kMost = 1'000'000;

struct Prototype {
  const char* label;
  std::vector<std::pair<Unit, int>> units;
};

// How people show each expression, after EMFACS; several ways each.
const std::vector<Prototype>& prototypes() {
  static const std::vector<Prototype> all = {
      {"angry",
       {{kAu4BrowLowerer, 1000},
        {kAu5UpperLidRaiser, 300},
        {kAu7LidTightener, 700},
        {kAu17ChinRaiser, 350},
        {kAu23LipTightener, 950},
        {kAu15LipCornerDepressor, 200}}},
      {"angry",
       {{kAu4BrowLowerer, 1000},
        {kAu7LidTightener, 600},
        {kAu9NoseWrinkler, 700},
        {kAu10UpperLipRaiser, 850},
        {kAu25LipsPart, 700},
        {kAu15LipCornerDepressor, 250},
        {kAu26JawDrop, 150}}},
      {"fearful",
       {{kAu1InnerBrowRaiser, 900},
        {kAu2OuterBrowRaiser, 350},
        {kAu4BrowLowerer, 650},
        {kAu5UpperLidRaiser, 1000},
        {kAu20LipStretcher, 950},
        {kAu25LipsPart, 700},
        {kAu26JawDrop, 300}}},
      {"fearful",
       {{kAu1InnerBrowRaiser, 950},
        {kAu2OuterBrowRaiser, 300},
        {kAu4BrowLowerer, 700},
        {kAu5UpperLidRaiser, 900},
        {kAu20LipStretcher, 800},
        {kAu25LipsPart, 350},
        {kAu26JawDrop, 100},
        {kAu15LipCornerDepressor, 250}}},
      {"happy", {{kAu6CheekRaiser, 700}, {kAu12LipCornerPuller, 1000}}},
      {"happy",
       {{kAu6CheekRaiser, 800},
        {kAu12LipCornerPuller, 1000},
        {kAu25LipsPart, 750},
        {kAu10UpperLipRaiser, 200}}},
      {"happy",
       {{kAu6CheekRaiser, 1000},
        {kAu12LipCornerPuller, 1000},
        {kAu25LipsPart, 900},
        {kAu26JawDrop, 400},
        {kAu7LidTightener, 300}}},
      {"neutral", {}},
      {"sad",
       {{kAu1InnerBrowRaiser, 1000},
        {kAu4BrowLowerer, 450},
        {kAu15LipCornerDepressor, 950},
        {kAu17ChinRaiser, 600},
        {kAu43EyesClosed, 250}}},
      {"sad",
       {{kAu1InnerBrowRaiser, 900},
        {kAu4BrowLowerer, 500},
        {kAu15LipCornerDepressor, 850},
        {kAu17ChinRaiser, 300},
        {kAu43EyesClosed, 450},
        {kAu25LipsPart, 120}}},
      {"surprised",
       {{kAu1InnerBrowRaiser, 950},
        {kAu2OuterBrowRaiser, 1000},
        {kAu5UpperLidRaiser, 850},
        {kAu25LipsPart, 700},
        {kAu26JawDrop, 1000}}},
      {"surprised",
       {{kAu1InnerBrowRaiser, 900},
        {kAu2OuterBrowRaiser, 950},
        {kAu5UpperLidRaiser, 750},
        {kAu25LipsPart, 450},
        {kAu26JawDrop, 700}}},
  };
  return all;
}

// What a preset varies, and how far.
struct Range {
  int weakest;   // strength of an expression, up to kFull
  int blend;     // most of another expression that is mixed in
  int resting;   // action of every unit that no expression asked for
  int shift;     // of the head, in sixteenths of a canvas pixel
  int tilt;      // in the picture plane, tenths of a degree
  int turn;      // of the head, as a shift of its front
  int smallest;  // head, in thousandths of the usual size
  int contrast;  // the least, of 256
  int noise;     // the most, tones
  int blur;      // the most, of 256
  int occluded;  // percent
};
constexpr Range kEasyRange = {650, 0, 60, 240, 180, 200, 740, 170, 12, 128, 0};
constexpr Range kHardRange = {380, 300, 130, 280, 240, 250, 700, 120, 20, 256, 30};

Actions draw_actions(const std::string& label, const Range& range, Dice& dice) {
  std::vector<const Prototype*> ways, others;
  for (const Prototype& p : prototypes()) (p.label == label ? ways : others).push_back(&p);
  Actions actions{};
  for (int& a : actions) a = dice.between(0, range.resting);
  const auto mix_in = [&](const Prototype& prototype, int strength) {
    for (const auto& [unit, full] : prototype.units) {
      const int value = full * strength / kFull * dice.between(850, 1150) / kFull;
      actions[unit] = std::min(kStrongest, std::max(actions[unit], value));
    }
  };
  const auto any_of = [&](const std::vector<const Prototype*>& list) -> const Prototype& {
    return *list[static_cast<std::size_t>(dice.between(0, static_cast<int>(list.size()) - 1))];
  };
  const int strength = dice.between(range.weakest, kFull);
  mix_in(any_of(ways), strength);
  if (range.blend > 0)
    mix_in(any_of(others), dice.between(0, std::min(range.blend, strength * 6 / 10)));
  return actions;
}

DrawnFace draw_face_parameters(const std::string& label, const Range& range, Dice& dice) {
  DrawnFace f{};
  f.skin = dice.between(95, 225);
  f.hair_tone = dice.chance(75) ? dice.between(15, 70) : dice.between(90, 215);
  f.brow_tone = std::max(10, std::min(f.hair_tone, f.skin - 60) - dice.between(0, 15));
  f.lip_tone = f.skin - dice.between(28, 60);
  f.iris_tone = dice.between(15, 80);
  f.background = dice.between(15, 240);
  f.clothes = dice.between(20, 230);
  f.jaw = dice.around(680, 130);
  f.crown = dice.around(1330, 110);
  f.chin = dice.around(1230, 100);
  f.cheek = dice.around(960, 60);
  f.eye_distance = dice.around(430, 50);
  f.eye_width = dice.around(245, 35);
  f.eye_height = dice.around(108, 25);
  f.eye_slant = dice.around(-15, 40);
  f.brow_height = dice.around(-310, 50);
  f.brow_thickness = dice.around(52, 26);
  f.brow_slope = dice.around(0, 45);
  f.nose_length = dice.around(370, 50);
  f.nose_width = dice.around(150, 35);
  f.mouth_height = dice.around(720, 50);
  f.mouth_width = dice.around(370, 60);
  f.lip_thickness = dice.around(75, 28);
  f.mouth_bend = dice.around(0, 30);
  f.hair_style = dice.chance(10) ? 0 : dice.between(1, 3);  // bald; short, long, bun
  f.hairline = dice.around(-760, 170);
  f.parting = dice.between(-650, 650);
  f.glasses = dice.chance(15);
  f.beard = dice.chance(18) ? dice.between(1, 3) : 0;
  f.age = dice.between(0, 300);
  f.shift_x = dice.between(-range.shift, range.shift);
  f.shift_y = dice.between(-range.shift, range.shift);
  f.tilt = dice.between(-range.tilt, range.tilt);
  f.scale = dice.between(range.smallest, 1100);
  f.turn = dice.between(-range.turn, range.turn);
  f.nod = dice.around(0, range.turn / 2);
  f.light_x = dice.between(-10, 10);
  f.light_y = dice.between(-10, 6);
  f.gaze_x = dice.around(0, 50);
  f.gaze_y = dice.around(0, 25);
  f.left = draw_actions(label, range, dice);
  f.right = f.left;
  for (int& a : f.right) a = std::min(kStrongest, a * dice.between(880, 1120) / kFull);
  return f;
}

// Light, blur, contrast and noise: what a camera adds.
void photograph(Image& image, const DrawnFace& face, const Range& range, Dice& dice) {
  const int blur = dice.between(0, range.blur);
  const int contrast = dice.between(range.contrast, 280);
  const int brightness = dice.between(-28, 28) + (128 - 128 * contrast / 256) / 2;
  const int noise = dice.between(2, range.noise);
  Image sharp = image;
  for (int y = 0; y < kDrawnSide; ++y) {
    for (int x = 0; x < kDrawnSide; ++x) {
      int smooth = 8;
      for (int j = -1; j <= 1; ++j) {
        for (int i = -1; i <= 1; ++i) {
          const int weight = (i == 0 ? 2 : 1) * (j == 0 ? 2 : 1);
          smooth += weight * sharp.at(std::clamp(x + i, 0, kDrawnSide - 1),
                                      std::clamp(y + j, 0, kDrawnSide - 1));
        }
      }
      int tone = (sharp.at(x, y) * (256 - blur) + smooth / 16 * blur) / 256;
      tone =
          tone *
          (256 + (face.light_x * (x - kDrawnSide / 2) + face.light_y * (y - kDrawnSide / 2)) / 4) /
          256;
      tone = 110 + (tone - 110) * contrast / 256 + brightness;
      image.at(x, y) = static_cast<std::uint8_t>(std::clamp(dice.around(tone, noise), 0, 255));
    }
  }
}

}  // namespace

Image synthetic_face(const std::string& label, std::uint64_t seed, std::uint64_t index,
                     SyntheticPreset preset) {
  const LabelList labels = *label_preset("six");
  const auto found = std::find(labels.begin(), labels.end(), label);
  if (found == labels.end()) {
    fail_input("synthetic faces show " + join(labels, ", ") + ", not '" + label + "'" +
               did_you_mean(label, labels));
  }
  const bool hard = preset == SyntheticPreset::kHard;
  const Range& range = hard ? kHardRange : kEasyRange;
  const auto label_index = static_cast<std::uint64_t>(found - labels.begin());
  Dice dice(Rng{seed, label_index, index, hard ? 1u : 0u});
  const DrawnFace face = draw_face_parameters(label, range, dice);
  const bool occluded = dice.chance(range.occluded);
  Image image = paint_face(face, dice, occluded);
  photograph(image, face, range, dice);
  return image;
}

FaceTable synthetic_table(const std::string& name, double train_fraction, std::uint64_t seed) {
  const std::vector<std::string> parts = split(name, ':');
  long long count = 6000;
  SyntheticPreset preset = SyntheticPreset::kEasy;
  if (parts.size() > 1 && (!parse_int(parts[1], count) || count < kFewest || count > kMost)) {
    fail_input(name + ": '" + parts[1] + "' images, expected " + std::to_string(kFewest) + " to " +
               std::to_string(kMost));
  }
  if (parts.size() > 2) {
    if (parts[2] != "easy" && parts[2] != "hard") {
      fail_input(name + ": preset '" + parts[2] + "', expected easy or hard" +
                 did_you_mean(parts[2], {"easy", "hard"}));
    }
    if (parts[2] == "hard") preset = SyntheticPreset::kHard;
  }
  if (parts.size() > 3) fail_input(name + ": expected synthetic[:N[:easy|hard]]");

  FaceTable table;
  table.vocabulary = *label_preset("six");
  const auto classes = static_cast<std::int64_t>(table.vocabulary.size());
  table.images.resize(static_cast<std::size_t>(count));
  const std::int64_t per_class = count / classes;
  const std::int64_t train =
      train_fraction == 1
          ? per_class + 1
          : std::min<std::int64_t>(per_class - 2,
                                   std::llround(train_fraction * static_cast<double>(per_class)));
  // Faces of validation and test have numbers of their own, so that they never train, whatever the
  // count and the fraction.
  const std::int64_t test = std::max(train, (train + per_class) / 2);
  constexpr std::int64_t kApart = std::int64_t{1} << 32;
  std::vector<std::int64_t> numbers;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t index = i / classes;
    table.labels.push_back(static_cast<int>(i % classes));
    table.splits.push_back(index < train  ? Split::kTrain
                           : index < test ? Split::kVal
                                          : Split::kTest);
    numbers.push_back(index < train  ? index
                      : index < test ? kApart + index - train
                                     : 2 * kApart + index - test);
  }
  parallel_for(count, [&](std::int64_t i) {
    const auto label = static_cast<std::size_t>(i % classes);
    table.images[static_cast<std::size_t>(i)] =
        synthetic_face(table.vocabulary[label], seed,
                       static_cast<std::uint64_t>(numbers[static_cast<std::size_t>(i)]), preset);
  });
  table.description =
      std::string("synthetic faces (") + (preset == SyntheticPreset::kHard ? "hard)" : "easy)");
  table.origin = [vocabulary = table.vocabulary, numbers, classes](std::int64_t i) {
    const std::int64_t number = numbers[static_cast<std::size_t>(i)];
    return "synthetic " + vocabulary[static_cast<std::size_t>(i % classes)] +
           (number < kApart       ? " "
            : number < 2 * kApart ? " val "
                                  : " test ") +
           std::to_string(number % kApart);
  };
  return table;
}

}  // namespace fer
