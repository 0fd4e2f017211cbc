// Where the time goes, stage by stage (--profile): scopes in the work, a table at the end. While it
// is off, which is the default, a scope costs a load and a branch.
//
//   const ProfileScope scope("detect");
#pragma once

#include <chrono>
#include <string>

namespace fer {

void start_profile();  // from nothing; for the whole process

// The time of its life counts for `stage`, a literal, in whichever thread.
class ProfileScope {
 public:
  explicit ProfileScope(const char* stage);
  ~ProfileScope();
  ProfileScope(const ProfileScope&) = delete;
  ProfileScope& operator=(const ProfileScope&) = delete;

 private:
  const char* stage_;  // null while the profile is off
  std::chrono::steady_clock::time_point begin_;
};

// A line a stage, in the order of their first end: calls, milliseconds a call (mean), seconds, and
// the share of the wall time since start_profile(), which several threads may exceed. Then the wall
// time and, where the system tells it, the most memory that was resident.
std::string profile_table();

}  // namespace fer
