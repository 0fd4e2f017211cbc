#include "fer/data/image_files.h"

#include <algorithm>
#include <array>
#include <mutex>

#include "fer/core/error.h"
#include "fer/core/log.h"
#include "fer/core/parallel.h"
#include "fer/core/png.h"
#include "fer/core/progress.h"
#include "fer/core/text.h"

namespace fer {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

bool is_png(const std::filesystem::path& path) {
  return to_lower(path.extension().string()) == ".png";
}

ImageDecoder decoder_for(const std::vector<ImageFile>& files, const DatasetOptions& options) {
  if (options.decoder) return options.decoder;
  const auto other =
      std::find_if(files.begin(), files.end(), [](const ImageFile& f) { return !is_png(f.path); });
  if (other != files.end()) {
    fail_input(other->path.string() + ": this build decodes PNG files only; others need OpenCV");
  }
  if (!png_available()) {
    fail_input(options.path +
               ": this build decodes no image files; it was made without libpng and OpenCV");
  }
  return [](const std::filesystem::path& path) { return read_png(path); };
}

Image square_of(const Image& image, const DatasetOptions& options) {
  if (options.image_size == 0) return image;
  const int shorter = std::min(image.width, image.height);
  const int side = options.enlarge ? options.image_size : std::min(options.image_size, shorter);
  const auto square = static_cast<float>(shorter);
  const Box middle{(static_cast<float>(image.width) - square) / 2,
                   (static_cast<float>(image.height) - square) / 2, square, square};
  return crop(to_gray(image), middle, side, side);
}

}  // namespace

bool has_image_extension(const std::filesystem::path& path) {
  constexpr std::array kExtensions = {".png",  ".jpg",  ".jpeg", ".bmp", ".tif",
                                      ".tiff", ".webp", ".pgm",  ".ppm"};
  return std::find(kExtensions.begin(), kExtensions.end(), to_lower(path.extension().string())) !=
         kExtensions.end();
}

bool natural_less(const std::string& a, const std::string& b) {
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (digit(a[i]) && digit(b[j])) {
      const auto number = [](const std::string& text, std::size_t& at) {
        while (at + 1 < text.size() && text[at] == '0' && digit(text[at + 1])) ++at;
        const std::size_t begin = at;
        while (at < text.size() && digit(text[at])) ++at;
        return std::string_view(text).substr(begin, at - begin);
      };
      const std::string_view x = number(a, i), y = number(b, j);
      if (x != y) return x.size() != y.size() ? x.size() < y.size() : x < y;
    } else {
      if (a[i] != b[j]) return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[j]);
      ++i;
      ++j;
    }
  }
  return a.size() - i != b.size() - j ? a.size() - i < b.size() - j : a < b;
}

std::vector<std::filesystem::path> folder_entries(
    const std::filesystem::path& folder,
    const std::function<bool(const std::filesystem::directory_entry&)>& keep) {
  std::vector<std::filesystem::path> found;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (keep(*entry)) found.push_back(entry->path());
  }
  if (error) fail_input("the folder cannot be read: " + error.message());
  std::ranges::sort(found, natural_less, [](const auto& path) { return path.string(); });
  return found;
}

std::vector<std::filesystem::path> image_files(const std::filesystem::path& folder) {
  try {
    return folder_entries(folder,
                          [](const auto& entry) { return has_image_extension(entry.path()); });
  } catch (const Error& error) {
    fail_input(folder.string() + ": " + error.what());
  }
}

std::vector<std::size_t> decode_files(const std::vector<ImageFile>& files,
                                      const DatasetOptions& options, FaceTable& table) {
  const ImageDecoder decode = decoder_for(files, options);
  std::vector<Image> images(files.size());
  std::mutex mutex;  // of everything that is counted or printed
  std::int64_t done = 0;
  Progress progress("Reading", static_cast<std::int64_t>(files.size()), "images");
  parallel_for(static_cast<std::int64_t>(files.size()), [&](std::int64_t i) {
    const ImageFile& file = files[static_cast<std::size_t>(i)];
    std::string problem;
    try {
      images[static_cast<std::size_t>(i)] = square_of(decode(file.path), options);
    } catch (const Error& error) {
      problem = (file.place.empty() ? "" : file.place + ": ") + error.what();
      if (!options.skip_broken) fail_input(problem);
    }
    const std::lock_guard lock(mutex);
    if (!problem.empty()) {
      progress.clear();
      log_warning(problem + "; left out");
    }
    progress.update(++done);
  });
  progress.finish();

  for (const ImageFile& file : files) table.vocabulary.push_back(file.label);
  std::sort(table.vocabulary.begin(), table.vocabulary.end());
  table.vocabulary.erase(std::unique(table.vocabulary.begin(), table.vocabulary.end()),
                         table.vocabulary.end());

  std::vector<std::size_t> kept;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (images[i].empty()) continue;
    kept.push_back(i);
    names.push_back(files[i].path.generic_string());
    table.images.push_back(std::move(images[i]));
    const auto label =
        std::lower_bound(table.vocabulary.begin(), table.vocabulary.end(), files[i].label);
    table.labels.push_back(static_cast<int>(label - table.vocabulary.begin()));
  }
  if (kept.empty()) fail_input(options.path + ": none of its images can be read");
  if (kept.size() < files.size()) {
    table.dropped.push_back(
        {options.broken, static_cast<std::int64_t>(files.size() - kept.size())});
  }
  table.origin = [names](std::int64_t i) { return names[static_cast<std::size_t>(i)]; };
  return kept;
}

}  // namespace fer
