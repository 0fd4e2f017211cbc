#!/usr/bin/env bash
# Installs what this machine misses to build, test and run fer (Debian 12), and says what it does.
# Usage: scripts/bootstrap.sh [build|test]   build: what the programs need; test (default): the tests too
set -euo pipefail

need=(
  g++ cmake ninja-build ccache git
  nlohmann-json3-dev libpng-dev libspdlog-dev libcli11-dev libyaml-cpp-dev
  gnuplot-nox fonts-dejavu-core
  libtorch-dev libopenblas0-openmp
  libopencv-core-dev libopencv-imgproc-dev libopencv-imgcodecs-dev libopencv-objdetect-dev libopencv-videoio-dev
  libopencv-dev opencv-data
  libdnnl-dev
)
if [ "${1:-test}" = test ]; then
  need+=(catch2 python3 xz-utils)
fi

missing=()
for package in "${need[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "bootstrap: everything is installed"
  exit 0
fi
sudo=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "bootstrap: not root and no sudo; install by hand: ${missing[*]}" >&2; exit 1; }
  sudo=(sudo)
fi
command -v apt-get >/dev/null || { echo "bootstrap: no apt-get here; needed: ${missing[*]}" >&2; exit 1; }
echo "bootstrap: installing with apt-get: ${missing[*]}"
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
