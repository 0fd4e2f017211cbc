// Which checkpoint a program uses: one rule for all of them.
#pragma once

#include <filesystem>

namespace fer {

inline constexpr const char* kShippedModel = "fer.safetensors";

// `named` as it is, whatever it is; without one the file that the environment variable FER_MODEL
// names, else the shipped model (core/data_file.h). Throws kInput, saying how to name one, when
// there is none.
std::filesystem::path find_model(const std::filesystem::path& named = {});

}  // namespace fer
