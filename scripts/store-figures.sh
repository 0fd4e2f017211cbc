#!/usr/bin/env bash
# Writes models/figures.csv: how many images of FER2013's PublicTest models/fer.safetensors names as the labels do, one
# line a head, with oneDNN in fp32, and on which CPU. A test compares with them where the data is.
# Usage: scripts/store-figures.sh fer2013.csv   (with fer2013new.csv beside it)
set -euo pipefail
source "$(dirname "$0")/common.sh"
expect_arguments 1 "$@"
data=$(realpath -s "$1")
cd "$(dirname "$0")/.."
cpu=$(awk -F': ' '/^vendor_id/ {v = $2} /^cpu family/ {f = $2} /^model\t/ {m = $2} END {print v, f, m}' /proc/cpuinfo)
{
  echo "head,targets,correct,images,cpu"
  while read -r head targets; do
    build/release/bin/fer-eval --model models/fer.safetensors --data "$data" --head "$head" --targets "$targets" \
      --split val --engine onednn --precision fp32 --no-save |
      awk -v head="$head" -v targets="$targets" -v cpu="$cpu" \
        '$1 == "accuracy" { sub("n=", "", $NF); printf "%s,%s,%.0f,%d,%s\n", head, targets, $2 * $NF, $NF, cpu }'
  done <<'HEADS'
fer2013 label
ferplus majority
six majority
HEADS
} >models/figures.csv.part
mv models/figures.csv.part models/figures.csv
cat models/figures.csv
