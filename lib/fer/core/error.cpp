#include "fer/core/error.h"

namespace fer {

void fail_input(const std::string& message) { throw Error(Fault::kInput, message); }
void fail_runtime(const std::string& message) { throw Error(Fault::kRuntime, message); }

}  // namespace fer
