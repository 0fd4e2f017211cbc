#!/usr/bin/env bash
# From a finished run to what is shipped: models/fer.safetensors in half precision with temperatures and thresholds from
# the validation split, its stored figures and model card, and the README's two photos.
# Usage: scripts/ship-model.sh runs/train/exp fer2013.csv   (with fer2013new.csv beside it)
set -euo pipefail
source "$(dirname "$0")/common.sh"
expect_arguments 2 "$@"
run=$(realpath "$1")
data=$(realpath -s "$2")
cd "$(dirname "$0")/.."
bin=build/release/bin
shipped=models/fer.safetensors
model=build/ship/best-f16.safetensors # becomes the shipped one when it is whole
samples=${FER_SAMPLES:-build/samples}

"$bin/fer-export" "$run/weights/best.safetensors" --format f16 --out build/ship
# head, labels, share of right answers above the threshold. six is for photos from elsewhere: its threshold
# comes from the labels that most people gave.
while read -r head targets sure; do
  "$bin/fer-eval" --model "$model" --data "$data" --head "$head" --targets "$targets" --split val \
    --calibrate val --sure "$sure" --no-save
done <<'HEADS'
fer2013 label 0.8
ferplus majority 0.9
six majority 0.9
HEADS
scripts/fetch-samples.sh "$samples"
rm -rf build/ship/pictures
"$bin/fer-predict" --model "$model" "$samples/astronaut.png" "$samples/grace_hopper.jpg" --save build/ship/pictures --format table
install -m 644 "$model" "$shipped"
install -m 644 build/ship/pictures/{astronaut,grace_hopper}.jpg docs/
scripts/store-figures.sh "$data"
scripts/model-card.sh "$data"
ls -l "$shipped" models/MODEL_CARD.md docs/astronaut.jpg docs/grace_hopper.jpg
echo "ship-model: now run ./scripts/test.sh"
