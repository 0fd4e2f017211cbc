// What is drawn on a picture for a recognised face.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "fer/vision/overlay.h"
#include "fer/vision/recognizer.h"

namespace fer {

// "happy 93 %" in the label's colour; gray and "uncertain" or the issues' names where there is no
// sure answer. bars: so many of the most probable labels below it, most probable first; all of them
// keep the model's order. `head`, `labels`: the recognizer's.
Annotation annotation(const FaceResult& face, const std::string& head, const LabelList& labels,
                      std::size_t bars);
// With all bars for one or two faces, else three each.
std::vector<Annotation> annotations(std::span<const FaceResult> faces, const std::string& head,
                                    const LabelList& labels);

}  // namespace fer
