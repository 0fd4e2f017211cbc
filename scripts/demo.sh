#!/usr/bin/env bash
# Sets the machine up, builds what it runs, trains for about a minute on drawn faces, evaluates the result, and
# says which files to look at.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/common.sh

train() {
  build/release/bin/fer-train --config configs/quick.yaml --project build/demo --name train
}
evaluate() {
  local run
  run=$(ls -td build/demo/train* | head -n 1)
  build/release/bin/fer-eval --model "$run/weights/best.safetensors" --data synthetic:8000 --split test
  demo_run=$run
}

timed "set-up" scripts/bootstrap.sh build
timed "build" build_targets fer-train fer-eval
timed "training" train
timed "evaluation" evaluate
report_times
cat <<EOF

Look at
  $demo_run/curves.png        accuracy and loss of the run
  $demo_run/train_batch.png   what the net saw
  $demo_run/results.csv       the same as numbers
Next: train on real faces, see README.md
EOF
