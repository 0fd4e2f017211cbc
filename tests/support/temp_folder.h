// A folder of its own for one test, removed afterwards.
#pragma once

#include "fer/core/file.h"

namespace fer::test {

using TempFolder = TemporaryFolder;

}  // namespace fer::test
