// Video files by their bytes, before anything decodes them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

namespace fer {

// True when the first bytes (512 are enough) are those of a video container: MP4 or MOV, Matroska
// or WebM, AVI, ASF, Ogg, MPEG-PS or -TS (also in a camera's packets of 192 bytes), FLV, YUV4MPEG2.
bool looks_like_video(std::span<const std::uint8_t> bytes);

// The same of a file. False for what is none: what is read from a pipe is gone.
bool is_video_file(const std::filesystem::path& path);

// How many bytes the file should have by what its container says: MP4 and MOV by their boxes, AVI,
// Matroska and WebM by their outermost element. More than it has: it was cut off, which a decoder
// takes for the end. 0: it does not say so.
std::int64_t declared_bytes(const std::filesystem::path& path);

}  // namespace fer
