#include "fer/vision/annotate.h"

#include <algorithm>
#include <numeric>

#include "fer/core/emotion.h"
#include "fer/core/text.h"

namespace fer {

Annotation annotation(const FaceResult& face, const std::string& head, const LabelList& labels,
                      std::size_t bars) {
  Annotation drawn;
  drawn.box = face.face.box;
  if (face.label.empty()) {
    std::vector<std::string> names;
    for (const QualityIssue issue : face.issues) names.push_back(to_string(issue));
    drawn.title = join(names, ", ");
    return drawn;
  }
  const std::vector<float>& p = face.probabilities.at(head);
  const auto shown = static_cast<std::size_t>(std::find(labels.begin(), labels.end(), face.label) -
                                              labels.begin());
  drawn.title = format("%s %.0f %%", face.uncertain ? "uncertain" : face.label.c_str(),
                       100 * face.confidence);
  if (!face.uncertain) drawn.colour = label_colour(labels[shown], shown);
  std::vector<std::size_t> order(labels.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (bars < labels.size()) {
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return p[a] > p[b]; });
    order.resize(bars);
  }
  for (const std::size_t c : order)
    drawn.bars.push_back({labels[c], p[c], label_colour(labels[c], c)});
  return drawn;
}

std::vector<Annotation> annotations(std::span<const FaceResult> faces, const std::string& head,
                                    const LabelList& labels) {
  const std::size_t bars = faces.size() <= 2 ? labels.size() : 3;
  std::vector<Annotation> drawn;
  for (const FaceResult& face : faces) drawn.push_back(annotation(face, head, labels, bars));
  return drawn;
}

}  // namespace fer
