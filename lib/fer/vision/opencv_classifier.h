// The Classifier over cv::dnn, from an ONNX file (fer/onnx/export.h): the engine where oneDNN has
// no fast kernels, such as ARM, and the proof that an exported file means the same.
#pragma once

#include <memory>
#include <string>

#include "fer/model/classifier.h"

namespace fer {

// bytes: with normalised input and logits as outputs, one by the name of each head of the spec.
// threads: OpenCV's, of the whole process, for as long as this lives; 0: hardware_threads(). Throws
// kInput when OpenCV cannot read the file.
std::unique_ptr<Classifier> make_opencv_classifier(ModelSpec spec, const std::string& bytes,
                                                   int threads = 0);

}  // namespace fer
