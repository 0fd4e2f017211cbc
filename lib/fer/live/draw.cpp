#include "fer/live/draw.h"

#include <algorithm>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "fer/core/profile.h"
#include "fer/core/text.h"
#include "fer/vision/annotate.h"
#include "fer/vision/mat.h"

namespace fer {

namespace {

void draw_recording_mark(Image& image) {
  cv::Mat mat = as_mat(image);
  const int size = std::max(24, std::max(mat.cols, mat.rows) / 40);
  const cv::Rect area(mat.cols - 3 * size, 0, 3 * size, size);
  cv::rectangle(mat, area, {0, 0, 0}, cv::FILLED);
  cv::circle(mat, {area.x + size / 2, size / 2}, size / 4, {230, 30, 30}, cv::FILLED, cv::LINE_AA);
  cv::putText(mat, "REC", {area.x + size, size * 3 / 4}, cv::FONT_HERSHEY_SIMPLEX, size / 40.0,
              {255, 255, 255}, std::max(1, size / 16), cv::LINE_AA);
}

}  // namespace

void draw_overlay(Image& image, const LiveFrame& frame, const Recognizer& recognizer,
                  const Controls& controls) {
  const ProfileScope scope("draw");
  std::vector<FaceResult> shown;
  for (const LiveFace& face : frame.faces) shown.push_back(face.shown);
  std::vector<Annotation> drawn = annotations(shown, recognizer.head(), recognizer.labels());
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    drawn[i].title = format("#%d %s", frame.faces[i].id, drawn[i].title.c_str());
  }
  draw_annotations(image, drawn);
  std::vector<std::string> status;
  if (frame.faces.empty()) status.push_back("no face");
  if (controls.figures) {
    status.push_back(format("%.1f frames/s", frame.fps));
    status.push_back(format("find %.1f ms", frame.detect_ms));
    status.push_back(format("classify %.1f ms", frame.answer_ms));
    status.push_back(format("%.1f ms after capture", frame.latency_ms));
    status.push_back(format("%lld dropped", static_cast<long long>(frame.dropped)));
  }
  draw_status(image, join(status, "   "));
  if (controls.recording) draw_recording_mark(image);
}

void blur_face(Image& image, const Box& box) {
  const float x = 0.25f * box.width, y = 0.15f * box.height;
  pixelate(image, {box.x - x, box.y - y, box.width + 2 * x, box.height + 2 * y});
}

}  // namespace fer
