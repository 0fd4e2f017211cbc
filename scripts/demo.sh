#!/usr/bin/env bash
# Shows what fer does, from a fresh clone in at most ten minutes: sets the machine up, builds what it runs,
# classifies sample photos, follows a face through a clip, trains for about a minute on drawn faces and
# evaluates the result. Ends by naming the files to look at. Needs no FER2013.
#   FER_SAMPLES   folder of the sample photos (default: fetched to build/samples)
#   FER_MODEL     another model for the photos than the shipped one
set -euo pipefail
source "$(dirname "$0")/common.sh"
cd "$(dirname "$0")/.."

samples=${FER_SAMPLES:-build/samples}
out=build/demo
bin=build/release/bin
look=()  # "file|what it shows"

step() { printf '\n== %s\n' "$1"; }

# Chained by &&, as set -e does not hold inside timed.
photos() {
  local files=("$samples"/astronaut.png "$samples"/grace_hopper.jpg "$samples"/sample[1-6].jpg "$samples"/no-face)
  local there=()
  for file in "${files[@]}"; do [ ! -e "$file" ] || there+=("$file"); done
  "$bin/fer-predict" "${there[@]}" --format table --save "$out/photos" &&
    look+=("$out/photos/|the sample photos with boxes, labels and probabilities")
}

clip() {
  "$bin/fer-predict" "$samples/franck.mp4" --every 10 --timeline "$out/clip.png" >"$out/clip.jsonl" &&
    look+=("$out/clip.png|the expressions of a clip of three minutes over time"
           "$out/clip.jsonl|the same, a line a frame")
}

train() {
  rm -rf "$out/train"
  "$bin/fer-train" --config configs/quick.yaml --project "$out" --name train &&
    look+=("$out/train/curves.png|accuracy and loss of the minute of training"
           "$out/train/train_batch.png|what the net saw")
}

evaluate() {
  "$bin/fer-eval" --model "$out/train/weights/best.safetensors" --data synthetic:8000 --split test \
    --project "$out/train" --name eval &&
    look+=("$out/train/eval/report.html|how good it is, and where it errs")
}

mkdir -p "$out"
timed "set-up" scripts/bootstrap.sh demo
timed "samples" scripts/fetch-samples.sh "$samples" || echo "demo: the sample photos cannot be had; going on without"
timed "build" build_targets fer-predict fer-train fer-eval

if [ -z "${FER_MODEL:-}" ] && [ ! -e models/fer.safetensors ]; then
  echo "demo: there is no models/fer.safetensors and FER_MODEL is not set; photos and clip are left out"
else
  if [ -e "$samples/astronaut.png" ] || [ -e "$samples/sample1.jpg" ]; then
    step "photos"
    timed "photos" photos
  else
    echo "demo: no sample photos; try  $bin/fer-predict your-photo.jpg --save $out/photos"
  fi
  if [ -e "$samples/franck.mp4" ]; then
    step "a clip"
    timed "clip" clip
  fi
fi
step "a minute of training on drawn faces"
timed "training" train
step "its evaluation"
timed "evaluation" evaluate

report_times
printf '\nLook at\n'
for entry in "${look[@]}"; do printf '  %-36s %s\n' "${entry%%|*}" "${entry#*|}"; done
echo "Next: your own photos with $bin/fer-predict, your own data with $bin/fer-train, see README.md"
