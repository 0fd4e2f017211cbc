// The engines without libtorch, as far as they were there at build time: onednn; opencv (cv::dnn,
// through an ONNX file in memory).
#pragma once

#include <vector>

#include "fer/model/engine.h"

namespace fer {

const std::vector<Engine>& light_engines();

}  // namespace fer
