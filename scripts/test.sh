#!/usr/bin/env bash
# Sets the machine up, builds everything and runs all tests. Usage: scripts/test.sh [ctest arguments]
#   FER_DATA_DIR   folder with fer2013.csv (or .csv.xz), fer2013new.csv and a YuNet .onnx: tests on real data
#                  run when it is given, and say that they were skipped when not
#   FER_ONNXRUNTIME  folder of onnxruntime-node (scripts/fetch-onnxruntime.sh): the test that compares with it
#                  runs when it is given
#   FER_SAMPLES    folder of the sample photos (default: fetched to build/samples)
set -euo pipefail
source "$(dirname "$0")/common.sh"
case ${1:-} in -h | --help) sed -n '2,/^set /s/^# //p' "$0"; exit ;; esac
cd "$(dirname "$0")/.."

timed "set-up" scripts/bootstrap.sh test
timed "sample photos" scripts/fetch-samples.sh "${FER_SAMPLES:-build/samples}" ||
  echo "test: going on without the sample photos"
export FER_SAMPLES="${FER_SAMPLES:-$PWD/build/samples}"
export FER_TEST_DATA="$PWD/build/test-data"
timed "data" prepare_test_data "${FER_DATA_DIR:-}" "$FER_TEST_DATA"
configuration=(-DFER_BUILD_TESTS=ON)
timed "build" build_targets all
timed "tests" ctest --preset release --output-on-failure "$@"
report_times
