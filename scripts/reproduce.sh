#!/usr/bin/env bash
# The shipped model again, from the data alone: trains it (65 minutes on one core of an EPYC; interrupted, it goes on
# where it was), ships it as scripts/ship-model.sh does, and shows how its figures differ from the stored ones.
# Usage: scripts/reproduce.sh fer2013.csv   (with fer2013new.csv beside it)
set -euo pipefail
source "$(dirname "$0")/common.sh"
expect_arguments 1 "$@"
data=$(realpath "$1")
cd "$(dirname "$0")/.."
run=runs/train/shipped
if [ ! -d "$run" ]; then
  build/release/bin/fer-train --config configs/two-heads.yaml --data "$data" --seed 0 --threads 1 --name shipped
elif [ -f "$run/weights/state.safetensors" ]; then
  build/release/bin/fer-train --resume="$run"
else
  echo "reproduce: $run is finished and is shipped again; remove it to train anew" >&2
fi
scripts/ship-model.sh "$run" "$data"
git --no-pager diff --no-color -- models/figures.csv
