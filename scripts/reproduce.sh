#!/usr/bin/env bash
# A model like the shipped one: trains its two nets, the one from the data alone, the other from dlib's, and the one that is
# made of both (some ten hours on two cores of an EPYC; interrupted, it goes on where it was), ships it as
# scripts/ship-model.sh does, over the files in models/ and docs/, and shows how its figures differ from the stored ones. The
# shipped one's first stage was trained before a fault of mixup was mended (docs/results.md), so that the figures are near,
# not the same.
# Usage: scripts/reproduce.sh fer2013.csv package/model
#   fer2013.csv     with fer2013new.csv beside it
#   package/model   of `npm pack @vladmandic/face-api`, unpacked: dlib's net (scripts/face_weights.py)
#   THREADS   of training; 2, as the shipped one's, unless set (0: all cores)
set -euo pipefail
source "$(dirname "$0")/common.sh"
expect_arguments 2 "$@"
data=$(realpath -s "$1")
faces=$(realpath "$2")
cd "$(dirname "$0")/.."

# stage <name> <fer-train arguments...>: leaves runs/train/<name> finished.
stage() {
  local run=runs/train/$1
  if [ -f "$run/weights/state.safetensors" ]; then
    build/release/bin/fer-train --resume="$run"
  elif [ -f "$run/weights/best.safetensors" ]; then
    echo "reproduce: $run is finished and is used again; remove it to train anew" >&2
  else
    rm -rf "$run" # stopped before its first step
    build/release/bin/fer-train --data "$data" --threads "${THREADS:-2}" --name "$@"
  fi
}

# Each later stage goes on from the one before, which is its teacher.
first=runs/train/shipped-first/weights/best.safetensors
second=runs/train/shipped-second/weights/best.safetensors
stage shipped-first --config configs/two-heads.yaml --seed 0
stage shipped-second --config configs/distill.yaml --seed 1 --pretrained "$first" --teacher "$first"
third=runs/train/shipped-third/weights/best.safetensors
stage shipped-third --config configs/distill.yaml --seed 2 --epochs 64 --pretrained "$second" --teacher "$second"
stage shipped-fourth --config configs/distill.yaml --seed 4 --epochs 44 --lr 0.03 --deepen 4 --pretrained "$third" --teacher "$third"
fourth=runs/train/shipped-fourth/weights/best.safetensors

# The other net begins with knowledge of faces; from its second stage on the first net is a teacher, too.
mkdir -p runs/train
begin=runs/train/shipped-faces.safetensors
[ -f "$begin" ] || /usr/bin/python3 scripts/face_weights.py "$faces" "$data" "$begin"
stage shipped-face1 --config configs/two-heads.yaml --seed 21 --epochs 26 --lr 0.03 --progressive 96 --pretrained "$begin"
face=runs/train/shipped-face1/weights/best.safetensors
stage shipped-face2 --config configs/distill.yaml --seed 22 --epochs 36 --lr 0.05 --progressive 96 112 \
  --pretrained "$face" --teacher "$face" "$fourth" --teacher-weight 0.6
face=runs/train/shipped-face2/weights/best.safetensors
stage shipped-face3 --config configs/distill.yaml --seed 23 --epochs 26 --lr 0.03 --progressive 96 112 \
  --pretrained "$face" --teacher "$face" "$fourth" --teacher-weight 0.6
face=runs/train/shipped-face3/weights/best.safetensors

# Half as large each, taught by what they were.
thin=(--config configs/distill.yaml --epochs 5 --lr 0.01 --warmup-epochs 0.3 --teacher-mode consistent --teacher-weight 1
  --monitor loss)
stage shipped-thin1 "${thin[@]}" --seed 41 --low-rank 88 --progressive 44 --pretrained "$fourth" --teacher "$fourth"
stage shipped-thin2 "${thin[@]}" --seed 42 --low-rank 90 --input-size 132 --resize 144 --progressive 132 \
  --pretrained "$face" --teacher "$face"

# Both as one net, taught by both as they were.
joined=runs/train/shipped-joined
build/release/bin/fer-export runs/train/shipped-thin{1,2}/weights/best.safetensors --ensemble --out "$joined"
stage shipped "${thin[@]}" --seed 43 --epochs 8 --lr 0.015 --mixup 0.4 --progressive 132 \
  --pretrained "$joined/ensemble.safetensors" --teacher "$fourth" "$face"
scripts/ship-model.sh runs/train/shipped "$data"
git --no-pager diff --no-color -- models/figures.csv
