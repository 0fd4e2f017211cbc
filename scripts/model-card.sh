#!/usr/bin/env bash
# Writes models/MODEL_CARD.md: the words of models/MODEL_CARD.md.in, and in place of each line "@figures HEAD@" or
# "@figures HEAD TARGETS@" what fer-eval measures of models/fer.safetensors on the test split.
# Usage: scripts/model-card.sh fer2013.csv   (with fer2013new.csv beside it)
set -euo pipefail
source "$(dirname "$0")/common.sh"
expect_arguments 1 "$@"
data=$(realpath -s "$1")
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

while IFS= read -r line; do
  if [[ $line =~ ^@figures\ ([^ @]+)\ ?([^ @]*)@$ ]]; then
    targets=()
    [ -z "${BASH_REMATCH[2]}" ] || targets=(--targets "${BASH_REMATCH[2]}")
    build/release/bin/fer-eval --model models/fer.safetensors --data "$data" --head "${BASH_REMATCH[1]}" "${targets[@]}" \
      --split test --dedup --no-save --model-card "$work/figures.md" >/dev/null
    cat "$work/figures.md"
  else
    printf '%s\n' "$line"
  fi
done <models/MODEL_CARD.md.in >"$work/card.md"
install -m 644 "$work/card.md" models/MODEL_CARD.md
