#include "fer/core/hash.h"

#include "fer/core/text.h"

namespace fer {

std::string Fingerprint::hex() const {
  return format("%016llx", static_cast<unsigned long long>(value_));
}

}  // namespace fer
