#!/usr/bin/env bash
# What training takes, by network and input size: GFLOP of a picture forward, seconds of CPU a picture and peak resident
# memory of one epoch on drawn faces (one thread, batches of 8, an eighth of them for validation), beside the memory that fer-train reckons with. Needs
# GNU time (Debian package time).
# Usage: scripts/memory_table.sh [ARCH:PIXELS...]     writes a Markdown table to standard output
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
bin=${BIN:-$here/build/release/bin}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
[ $# -gt 0 ] || set -- compact:44 vgg16_bn:48 resnet50v2:48 vgg16_bn:96 resnet50v2:96 vgg16_bn:224 resnet50v2:224

# peak in KB and CPU seconds of an epoch of as many pictures
epoch() {
  command time -f '%M %U %S' -o "$scratch/cost" "$bin/fer-train" --arch "$arch" --input-size "$pixels" --data "synthetic:$1" \
    --train-fraction 0.8 --epochs 1 --batch-size 8 --threads 1 --project "$scratch" --name run --exist-ok \
    >/dev/null 2>"$scratch/log" || { cat "$scratch/log" >&2; exit 1; }
  awk '{ print $1, $2 + $3 }' "$scratch/cost"
}

echo "| net, input | GFLOP a picture forward | CPU s a picture of training | peak of the process, GB | reckoned, GB |"
echo "|---|---|---|---|---|"
for net in "$@"; do
  arch=${net%:*} pixels=${net#*:}
  "$bin/fer-train" --arch "$arch" --input-size "$pixels" --summary >"$scratch/summary"
  cost=$(epoch 40)
  read -r _ few <<<"$cost"
  cost=$(epoch 140)
  read -r peak more <<<"$cost"
  awk -v net="$arch, $pixels px" -v few="$few" -v more="$more" -v peak="$peak" '
    /^total/ { gsub(",", "", $3); gflop = $3 / 1e9 }
    /training step takes/ { reckoned = $6 }
    END { printf "| %s | %.2f | %.3f | %.2f | %.2f |\n", net, gflop, (more - few) / 80, peak / 1048576, reckoned }' "$scratch/summary"
done
