// What the views show of a frame, drawn into its picture.
#pragma once

#include "fer/live/live_frame.h"

namespace fer {

// Boxes, numbers, labels and bars; "no face"; a red mark while recording; rate and latency when
// controls.figures is set.
void draw_overlay(Image& image, const LiveFrame& frame, const Recognizer& recognizer,
                  const Controls& controls);

// Makes the face in the box unrecognisable: hair, chin and ears included.
void blur_face(Image& image, const Box& box);

}  // namespace fer
