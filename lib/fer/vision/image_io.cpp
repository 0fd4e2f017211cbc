#include "fer/vision/image_io.h"

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/png.h"
#include "fer/core/text.h"
#include "fer/vision/mat.h"

namespace fer {

namespace {

// EXIF 2.3, tag 274: where the stored first row and first column are seen.
Image upright(Image image, int orientation) {
  if (orientation == 1) return image;
  cv::Mat turned;
  const cv::Mat stored = as_mat(image);
  if (orientation >= 5) {
    cv::transpose(stored, turned);
  } else {
    turned = stored.clone();
  }
  if (orientation == 3 || orientation == 7) cv::flip(turned, turned, -1);
  if (orientation == 2 || orientation == 6) cv::flip(turned, turned, 1);
  if (orientation == 4 || orientation == 8) cv::flip(turned, turned, 0);
  Image result(turned.cols, turned.rows, image.channels);
  turned.copyTo(as_mat(result));
  return result;
}

Image decode(std::span<const std::uint8_t> bytes, const ImageInfo& info) {
  // Core's decoder says what is broken; OpenCV's prints libpng's complaints to stderr.
  if (info.format == ImageFormat::kPng && png_available()) {
    Image image = decode_png(bytes, static_cast<std::size_t>(info.width) * info.height);
    return image.channels == 4 ? to_rgb(image) : image;
  }
  const cv::Mat buffer(1, static_cast<int>(bytes.size()), CV_8U,
                       const_cast<std::uint8_t*>(bytes.data()));
  const bool pnm = info.format == ImageFormat::kPnm;
  cv::Mat mat = cv::imdecode(buffer, cv::IMREAD_ANYCOLOR | cv::IMREAD_IGNORE_ORIENTATION |
                                         (pnm ? cv::IMREAD_ANYDEPTH : 0));
  if (mat.empty()) fail_input("the data cannot be decoded");
  // Its decoder knows no white but 255 and 65535.
  if (pnm) mat.convertTo(mat, CV_8U, 255.0 / info.white);
  return from_bgr(mat);
}

const char* extension_of(ImageFormat format) {
  switch (format) {
    case ImageFormat::kPng:
      return ".png";
    case ImageFormat::kJpeg:
      return ".jpg";
    case ImageFormat::kWebp:
      return ".webp";
    case ImageFormat::kBmp:
      return ".bmp";
    case ImageFormat::kTiff:
      return ".tiff";
    case ImageFormat::kPnm:
      break;
  }
  return ".pnm";
}

}  // namespace

Image decode_image(std::span<const std::uint8_t> bytes, const std::string& name,
                   const ImageLimits& limits) {
  const ImageInfo info = probe_image(bytes, name, limits);
  quiet_opencv();
  const std::string place = name + ": broken " + to_string(info.format) + ": ";
  try {
    Image image = decode(bytes, info);
    // OpenCV's TIFF decoder turns by itself, IMREAD_IGNORE_ORIENTATION or not.
    const bool turned = info.format == ImageFormat::kTiff;
    const bool swapped = turned && info.orientation >= 5;
    if (image.width != (swapped ? info.height : info.width) ||
        image.height != (swapped ? info.width : info.height)) {
      fail_input("its headers contradict each other");
    }
    return turned ? std::move(image) : upright(std::move(image), info.orientation);
  } catch (const Error& error) {
    fail_input(place + error.what());
  } catch (const cv::Exception& error) {
    fail_input(place + trim(error.err));
  }
}

Image read_image(const std::filesystem::path& path, const ImageLimits& limits) {
  std::error_code unknown;
  if (std::filesystem::is_directory(path, unknown))
    fail_input(path.string() + ": a folder, not an image");
  const auto size = std::filesystem::file_size(path, unknown);
  if (!unknown && size > static_cast<std::uintmax_t>(limits.max_file_bytes)) {
    fail_input(format("%s: %llu bytes, more than the %lld allowed", path.c_str(),
                      static_cast<unsigned long long>(size),
                      static_cast<long long>(limits.max_file_bytes)));
  }
  return decode_image(read_binary_file(path), path.string(), limits);
}

ImageDecoder image_decoder(const ImageLimits& limits) {
  return [limits](const std::filesystem::path& path) { return read_image(path, limits); };
}

std::vector<std::uint8_t> encode_image(const Image& image, ImageFormat format, int quality) {
  if (image.empty()) fail_input("encode_image: the image is empty");
  if (format == ImageFormat::kPng && png_available()) return encode_png(image);
  std::vector<int> parameters;
  if (format == ImageFormat::kJpeg) parameters = {cv::IMWRITE_JPEG_QUALITY, quality};
  if (format == ImageFormat::kWebp) parameters = {cv::IMWRITE_WEBP_QUALITY, quality};
  try {
    cv::Mat bgr = as_mat(image);
    if (image.channels == 3) cv::cvtColor(as_mat(image), bgr = cv::Mat(), cv::COLOR_RGB2BGR);
    if (image.channels == 4) {
      const bool alpha = format != ImageFormat::kPnm;
      cv::cvtColor(as_mat(image), bgr = cv::Mat(),
                   alpha ? cv::COLOR_RGBA2BGRA : cv::COLOR_RGBA2BGR);
    }
    std::vector<std::uint8_t> bytes;
    if (!cv::imencode(extension_of(format), bgr, bytes, parameters))
      fail_runtime("the encoder refused it");
    return bytes;
  } catch (const cv::Exception& error) {
    fail_runtime("cannot encode " + to_string(format) + ": " + trim(error.err));
  }
}

void write_image(const std::filesystem::path& path, const Image& image, int quality) {
  const std::string extension = to_lower(path.extension().string());
  const auto by_extension = [&] {
    if (extension == ".jpg" || extension == ".jpeg") return ImageFormat::kJpeg;
    if (extension == ".tif") return ImageFormat::kTiff;
    for (const auto f :
         {ImageFormat::kPng, ImageFormat::kWebp, ImageFormat::kBmp, ImageFormat::kTiff}) {
      if (extension == extension_of(f)) return f;
    }
    fail_input(path.string() +
               ": the extension is none of .png, .jpg, .jpeg, .webp, .bmp, .tif, .tiff");
  };
  write_file_atomically(path, encode_image(image, by_extension(), quality));
}

}  // namespace fer
