#include "fer/core/profile.h"

#include <catch2/catch.hpp>
#include <sstream>
#include <thread>

using namespace fer;

TEST_CASE("a profile counts the calls and the time of each stage, in whichever thread") {
  { const ProfileScope before("before"); }
  start_profile();
  const auto work = [] {
    for (int i = 0; i < 10; ++i) {
      const ProfileScope outer("outer");
      const ProfileScope inner("inner");
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  };
  std::thread other(work);
  work();
  other.join();

  std::istringstream table(profile_table());
  std::string line;
  std::getline(table, line);
  CHECK_THAT(line, Catch::StartsWith("stage") && Catch::EndsWith("share"));
  for (const std::string expected : {"inner", "outer"}) {
    std::string stage;
    int calls = 0;
    double each = 0, seconds = 0;
    table >> stage >> calls >> each >> seconds;
    CHECK(stage == expected);
    CHECK(calls == 20);
    CHECK(each >= 1);
    CHECK(seconds == Approx(each * calls / 1e3).margin(1e-2));
    std::getline(table, line);
  }
  CHECK_THAT(profile_table(), !Catch::Contains("before"));
}
