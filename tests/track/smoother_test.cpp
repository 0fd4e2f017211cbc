#include "fer/track/smoother.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "fer/core/random.h"

using namespace fer;

namespace {

SmootherOptions options() {
  SmootherOptions options;
  options.time_constant = 0.5;
  options.switch_margin = 0.1f;
  options.sure_margin = 0.05f;
  options.hold = 0.5;
  return options;
}

}  // namespace

TEST_CASE("a constant answer stays what it is") {
  Smoother smoother(options(), 0.4f);
  const std::vector<float> answer = {0.2f, 0.7f, 0.1f};
  for (int i = 0; i < 10; ++i) smoother.update(answer, i * 0.04);
  CHECK(smoother.label() == 1);
  CHECK_FALSE(smoother.uncertain());
  for (std::size_t c = 0; c < 3; ++c) CHECK(smoother.probabilities()[c] == Approx(answer[c]));
}

TEST_CASE("a step is followed with the time constant, whatever the frame rate") {
  for (const int rate : {10, 30, 120}) {
    Smoother smoother(options(), 0.0f);
    smoother.update(std::vector{1.0f, 0.0f}, 0);
    for (int i = 1; i <= rate / 2; ++i) smoother.update(std::vector{0.0f, 1.0f}, double(i) / rate);
    // Half a second is one time constant.
    CHECK(smoother.probabilities()[0] == Approx(std::exp(-1.0)).epsilon(1e-4));
    CHECK(smoother.probabilities()[0] + smoother.probabilities()[1] == Approx(1));
  }
}

TEST_CASE("two labels that are level do not flicker, a clear lead changes the label") {
  Smoother smoother(options(), 0.0f);
  smoother.update(std::vector{0.51f, 0.49f}, 0);
  Rng rng(3);
  double time = 0;
  for (int i = 0; i < 300; ++i) {
    const float p = 0.5f + static_cast<float>(rng.uniform(-0.1, 0.08));
    smoother.update(std::vector{p, 1 - p}, time += 0.04);
    REQUIRE(smoother.label() == 0);
  }
  int changes = 0;
  for (int i = 0; i < 50; ++i) {
    const std::size_t before = smoother.label();
    smoother.update(std::vector{0.3f, 0.7f}, time += 0.04);
    changes += before != smoother.label();
  }
  CHECK(smoother.label() == 1);
  CHECK(changes == 1);
}

TEST_CASE("below the threshold an answer is uncertain, and counts again only well above it") {
  Smoother smoother(options(), 0.6f);
  double time = 0;
  const auto settle = [&](float p) {
    for (int i = 0; i < 200; ++i) {
      smoother.update(std::vector{p, 1 - p}, time += 0.04);
      if (smoother.confidence() < 0.6f) REQUIRE(smoother.uncertain());
    }
  };
  settle(0.7f);
  CHECK_FALSE(smoother.uncertain());
  settle(0.59f);
  CHECK(smoother.uncertain());
  settle(0.62f);
  CHECK(smoother.uncertain());
  settle(0.66f);
  CHECK_FALSE(smoother.uncertain());
  settle(0.61f);
  CHECK_FALSE(smoother.uncertain());
}

TEST_CASE("after a gap the past does not count") {
  Smoother smoother(options(), 0.0f);
  CHECK_FALSE(smoother.has_answer(0));
  smoother.update(std::vector{1.0f, 0.0f}, 0);
  CHECK(smoother.has_answer(0.4));
  CHECK_FALSE(smoother.has_answer(0.6));
  smoother.update(std::vector{0.2f, 0.8f}, 5);
  CHECK(smoother.label() == 1);
  CHECK(smoother.probabilities()[0] == Approx(0.2));
}
