// What is drawn on a picture for a recognised face.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "fer/vision/overlay.h"
#include "fer/vision/recognizer.h"

namespace fer {

// "happy 93 %" in the label's colour; gray and "uncertain" or the issues' names where there is no
// sure answer. bars: each label's probability below it. `head`, `labels`: the recognizer's.
Annotation annotation(const FaceResult& face, const std::string& head, const LabelList& labels,
                      bool bars = true);
std::vector<Annotation> annotations(std::span<const FaceResult> faces, const std::string& head,
                                    const LabelList& labels, bool bars = true);

}  // namespace fer
