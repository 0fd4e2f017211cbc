// Which build this is: stored with every checkpoint and run.
#pragma once

namespace fer {

const char* version();  // 0.1.0
const char* commit();   // short git hash, "-dirty" when the tree had changes; "unknown" outside git

}  // namespace fer
