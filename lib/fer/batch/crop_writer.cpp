#include "fer/batch/crop_writer.h"

#include <algorithm>
#include <cmath>

#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/text.h"

namespace fer {

namespace fs = std::filesystem;

namespace {

// A label may hold any character; a file name may not.
std::string file_name(std::string label) {
  for (char& c : label) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!plain && c != '-' && (c & 0x80) == 0) c = '_';
  }
  return label;
}

}  // namespace

CropWriter::CropWriter(const fs::path& folder, bool by_label, const Recognizer& recognizer)
    : folder_(folder), by_label_(by_label), recognizer_(recognizer) {
  make_directories(folder);
  const fs::path path = folder / "manifest.csv";
  if (fs::exists(path)) fail_input(path.string() + " is there already; name another folder");
  manifest_.imbue(std::locale::classic());
  manifest_.open(path);
  manifest_ << "path,label,confidence,uncertain,source,frame,x,y,width,height\n" << std::flush;
  if (!manifest_) fail_runtime(path.string() + " cannot be written");
}

void CropWriter::add(const Prediction& prediction) {
  for (const FaceResult& face : prediction.faces) {
    if (face.label.empty()) continue;
    const std::string stem = short_stem(prediction.path);
    const std::string folder = by_label_ ? file_name(face.label) + "/" : "";
    const std::string name =
        folder + format("%06lld_%s.png", static_cast<long long>(++count_), file_name(stem).c_str());
    if (by_label_) make_directories(folder_ / folder);
    // At the face's own resolution, as far as a network may have use for it.
    const float wanted = face_crop_box(face.face.box, recognizer_.spec().crop_margin).width;
    const int side = std::clamp(static_cast<int>(std::lround(wanted)), recognizer_.spec().resize,
                                std::max(224, recognizer_.spec().resize));
    write_image(folder_ / name, face_crop(prediction.image, face.face, recognizer_.spec(), side));

    const Box& box = face.face.box;
    manifest_ << csv_field(name) << ',' << csv_field(face.label)
              << format(",%.6f,%s,", face.confidence, face.uncertain ? "true" : "false")
              << csv_field(prediction.path) << ',';
    if (prediction.frame >= 0) manifest_ << prediction.frame;
    manifest_ << format(",%.1f,%.1f,%.1f,%.1f\n", box.x, box.y, box.width, box.height)
              << std::flush;
    if (!manifest_) fail_runtime((folder_ / "manifest.csv").string() + " cannot be written");
  }
}

}  // namespace fer
