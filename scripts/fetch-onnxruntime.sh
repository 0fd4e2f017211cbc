#!/usr/bin/env bash
# ONNX Runtime for the test and the measurements that compare with it: scripts/fetch-onnxruntime.sh DIR
# (npm, about 300 MB; name DIR in FER_ONNXRUNTIME afterwards).
set -euo pipefail

if [[ $# -ne 1 || $1 == -* ]]; then
  sed -n '2,3s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
mkdir -p "$1"
[[ -d $1/node_modules/onnxruntime-node ]] && exit 0
npm install --prefix "$1" --ignore-scripts --no-audit --no-fund --silent onnxruntime-node@1.30.0
