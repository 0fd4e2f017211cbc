// A test that cannot run here says why and counts as skipped, unless something in it failed:
// main() returns kSkipped then, which ctest knows (SKIP_RETURN_CODE).
#pragma once

#include <string>

namespace fer::test {

inline constexpr int kSkipped = 77;

void skip(const std::string& reason);  // a line on stdout; the test returns after it
bool skipped();                        // whether any test of this process was

}  // namespace fer::test
