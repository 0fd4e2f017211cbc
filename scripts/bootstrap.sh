#!/usr/bin/env bash
# Installs what this machine misses to build, test and run fer (Debian 12), and says what it does.
# Usage: scripts/bootstrap.sh [build|demo|test]   build: what the programs need; demo: what fetches the sample
#   photos, too; test (default): the tests as well
#   FER_DATA_DIR   folder with a copy of YuNet, the better face detector; without one it is downloaded, and
#                  where that fails too faces are found by OpenCV's Haar cascade
set -euo pipefail
what=${1:-test}
case $#:$what in
  [01]:build | [01]:demo | [01]:test) ;;
  *) sed -n '2,/^set /s/^# //p' "$0" >&2; exit 2 ;;
esac
FER_DATA_DIR=${FER_DATA_DIR:+$(realpath -m "$FER_DATA_DIR")}
cd "$(dirname "$0")/.."

# YuNet (MIT licence, OpenCV Zoo), the version that OpenCV 4.6 loads, to models/, where every program finds it.
fetch_yunet() {
  local name=face_detection_yunet_2022mar.onnx copy
  local sum=50ef07f702a31741ca46a4c0d947773b64143b9362780237bf0d427d6c79bab7
  local url=https://github.com/opencv/opencv_zoo/raw/4563a91ba98172b14d7af8bce621b6d1ae7ae0c6/models/face_detection_yunet/$name
  local target=models/$name
  has_sum() { echo "$sum  $1" | sha256sum --check --status 2>/dev/null; }
  if has_sum "$target"; then return; fi
  mkdir -p models
  copy=$([ -z "$FER_DATA_DIR" ] || find -H "$FER_DATA_DIR" -name "$name" -print -quit || true)
  if has_sum "$copy"; then
    cp "$copy" "$target.part"
  else
    echo "bootstrap: downloading the face detector YuNet (0.3 MB)"
    curl --silent --show-error --fail --location --connect-timeout 10 --max-time 60 --output "$target.part" "$url" || true
  fi
  if has_sum "$target.part"; then
    mv "$target.part" "$target"
    echo "bootstrap: YuNet is in $target"
  else
    rm -f "$target.part"
    echo "bootstrap: YuNet cannot be had; faces will be found by OpenCV's weaker Haar cascade"
  fi
}

need=(
  g++ cmake ninja-build ccache git
  nlohmann-json3-dev libpng-dev libspdlog-dev libcli11-dev libyaml-cpp-dev
  gnuplot-nox fonts-dejavu-core
  libtorch-dev libopenblas0-openmp
  libopencv-core-dev libopencv-imgproc-dev libopencv-imgcodecs-dev libopencv-objdetect-dev libopencv-videoio-dev
  libopencv-dnn-dev libopencv-dev opencv-data
  libdnnl-dev libonnx-dev libprotobuf-dev libhdf5-dev
  libboost-dev libssl-dev libchafa-dev libglib2.0-dev pkg-config
  curl ca-certificates
)
if [ "$what" != build ]; then
  # By command: node may come from elsewhere than Debian and bring npm along.
  command -v node >/dev/null || need+=(nodejs)
  command -v npm >/dev/null || need+=(npm)
fi
if [ "$what" = test ]; then need+=(catch2 python3 python3-numpy xz-utils dpkg-dev file chromium ffmpeg openssl xvfb xauth xdotool locales); fi

install_packages() {
  local missing=() sudo=()
  for package in "${need[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  if [ ${#missing[@]} -eq 0 ]; then
    echo "bootstrap: every package is installed"
    return
  fi
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "bootstrap: not root and no sudo; install by hand: ${missing[*]}" >&2; exit 1; }
    sudo=(sudo)
  fi
  command -v apt-get >/dev/null || { echo "bootstrap: no apt-get here; needed: ${missing[*]}" >&2; exit 1; }
  echo "bootstrap: installing with apt-get (on a bare machine this takes minutes): ${missing[*]}"
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# playwright-core, which drives Debian's chromium in the tests of fer-live's page.
fetch_playwright() {
  [ -d tests/web/node_modules/playwright-core ] ||
    npm install --prefix tests/web --no-save --no-package-lock --ignore-scripts --silent >/dev/null 2>&1 ||
    echo "bootstrap: playwright-core cannot be had from npm; the tests of the web page will be skipped"
}

install_packages
fetch_yunet
if [ "$what" = test ]; then fetch_playwright; fi
