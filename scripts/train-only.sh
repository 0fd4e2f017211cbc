#!/usr/bin/env bash
# Builds fer-train, fer-eval and fer-bench into build/train-only/bin against the libtorch of this machine's Python: for a
# GPU machine without apt. It needs g++ (CXX names another), CMake 3.25, Ninja and python3 with torch.
# Usage: scripts/train-only.sh HEADERS   HEADERS: a folder with nlohmann/ and CLI/, the headers of nlohmann-json and CLI11
#   FER_COMMIT   what the checkpoints name as their code where the sources are no git repository
set -euo pipefail
source "$(dirname "$0")/common.sh"
expect_arguments 1 "$@"
headers=$(realpath "$1")
cd "$(dirname "$0")/.."
for header in nlohmann/json.hpp nlohmann/json_fwd.hpp CLI/CLI.hpp; do
  [ -f "$headers/$header" ] || { echo "train-only: $headers/$header is missing" >&2; exit 2; }
done
torch=$(python3 -c 'import os, torch; print(os.path.dirname(torch.__file__), torch.compiled_with_cxx11_abi())' 2>&1) || {
  echo "train-only: this python3 has no torch: ${torch##*$'\n'}" >&2
  exit 2
}
torch=${torch##*$'\n'} # behind what Python may warn of
root=${torch% *}
if [ "${torch##* }" != True ]; then
  echo "train-only: $root is of the old C++ ABI (wheels for CUDA are of the new one since about 2.7)" >&2
  exit 2
fi
# The programs run once while they are built, and CUDA's libraries may lie beside the package.
for folder in "$root"/lib "$root"/../nvidia/*/lib; do
  if [ -d "$folder" ]; then export LD_LIBRARY_PATH=$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}; fi
done
cmake --preset train-only --fresh -DTorch_DIR="$PWD/scripts/python-torch" -DFER_TORCH="$root" \
  -DCMAKE_INCLUDE_PATH="$headers" -DFER_COMMIT="${FER_COMMIT:-}" -DFER_INSTALL=OFF
cmake --build build/train-only --target fer-train fer-eval fer-bench
build/train-only/bin/fer-train --version
