#!/usr/bin/env bash
# Transfer measured: a net that begins from BASE (a checkpoint of ours) and is fine-tuned on N images a class of
# FER2013, against the same architecture from scratch on the same images. Three seeds choose images, order and weights;
# figures are of PublicTest. BASE shall not have seen FER2013's own labels (FER+ votes are another annotation of the
# same pictures; say so beside the figures).
#
# Usage: scripts/transfer_table.sh BASE.safetensors fer2013.csv OUT [N...]     N: 25 50 100 400
# Writes OUT/transfer.csv (images,start,seed,accuracy,macro_f1,seconds), OUT/transfer.md and OUT/transfer.png of all that
# stands in the csv; what stands there is not measured again. Seconds are those that fer-train took. The last epoch's
# weights count: nothing is chosen on PublicTest. SEEDS, EPOCHS (40), THREADS (all cores) and BIN (the folder of the
# programs) may be set; two of it may work side by side on other SEEDS.
set -euo pipefail

[ $# -ge 3 ] || { sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")/.." && pwd)
base=$1 data=$2 out=$3
shift 3
[ $# -gt 0 ] || set -- 25 50 100 400
bin=${BIN:-$here/build/release/bin}
epochs=${EPOCHS:-40}
mkdir -p "$out"
csv=$out/transfer.csv
# Trains beside the first 350 images of PublicTest instead of all 3,589, which would take most of the time.
few=$out/few.csv
[ -f "$few" ] || { awk '/PublicTest/ && ++n > 350 { next } !/PrivateTest/' "$data" >"$few.$$" && mv "$few.$$" "$few"; }
[ -f "$csv" ] || echo "images,start,seed,accuracy,macro_f1,seconds" >"$csv"

for images in "$@"; do
  for seed in ${SEEDS:-0 1 2}; do
    for start in scratch finetuned; do
      grep -q "^$images,$start,$seed," "$csv" && continue
      common=(--data "$few" --labels fer2013 --per-class "$images" --data-seed "$seed" --seed "$seed"
        --epochs "$epochs" --batch-size 16 --threads "${THREADS:-0}" --project "$out/runs" --name "$start-$images-$seed" --exist-ok)
      if [ "$start" = finetuned ]; then
        how=(--config "$here/configs/finetune.yaml" --pretrained "$base" --unfreeze-at $((epochs / 2)))
      else
        # The average follows over as many steps as the fine-tuned one's.
        how=(--arch compact --ema 0.98)
      fi
      begin=$SECONDS
      "$bin/fer-train" "${how[@]}" "${common[@]}" >"$out/$start-$images-$seed.log" 2>&1 ||
        { echo "transfer_table: fer-train failed, see $out/$start-$images-$seed.log" >&2; exit 1; }
      seconds=$((SECONDS - begin))
      "$bin/fer-eval" --model "$out/runs/$start-$images-$seed/weights/last.safetensors" --data "$data" \
        --labels fer2013 --split val --threads "${THREADS:-0}" >"$out/$start-$images-$seed.txt" 2>>"$out/$start-$images-$seed.log"
      awk -v row="$images,$start,$seed" -v s="$seconds" \
        '$1 == "accuracy" { a = $2 } $1 == "macro" { f = $8 } END { print row "," a "," f "," s }' \
        "$out/$start-$images-$seed.txt" >>"$csv"
      tail -1 "$csv"
    done
  done
done

awk -F, '
  NR > 1 { k = $1 SUBSEP $2; n[k]++; sum[k] += $4; time[k] += $6; if (!(k in low) || $4 < low[k]) low[k] = $4
           if ($4 > high[k]) high[k] = $4; if (!($1 in known)) { known[$1]; order[++count] = $1 } }
  function cell(i, s) { k = i SUBSEP s; return n[k] ? sprintf("%.3f (%.3f to %.3f)", sum[k] / n[k], low[k], high[k]) : "" }
  function mean_time(i, s) { k = i SUBSEP s; return n[k] ? sprintf("%.0f", time[k] / n[k]) : "-" }
  END { print "| images a class | from scratch | fine-tuned | seconds |\n|---|---|---|---|"
        for (i = 1; i <= count; ++i) {
          o = order[i]
          print "| " o " | " cell(o, "scratch") " | " cell(o, "finetuned") " | " mean_time(o, "scratch") " and " mean_time(o, "finetuned") " |"
        } }
' "$csv" | tee "$out/transfer.md"

gnuplot <<PLOT
set terminal pngcairo size 800,500 font "DejaVu Sans,11"
set output "$out/transfer.png"
set title "FER2013, PublicTest: mean of the seeds, bars from the least to the best"
set logscale x 2
set xlabel "images a class"
set ylabel "accuracy"
set xtics ($(awk -F, 'NR > 1 { print $1 }' "$csv" | sort -nu | paste -sd,))
set xrange [*:*]
set offsets graph 0.05, graph 0.05, graph 0.1, graph 0.05
set grid y
set key bottom right
table(start) = sprintf("<awk -F, -v s=%s '\$2 == s { n[\$1]++; t[\$1] += \$4; if (!(\$1 in l) || \$4 < l[\$1]) l[\$1] = \$4; if (\$4 > h[\$1]) h[\$1] = \$4 } END { for (i in n) print i, t[i] / n[i], l[i], h[i] }' '$csv' | sort -n", start)
plot table("finetuned") using 1:2:3:4 with yerrorlines lw 2 pt 7 title "fine-tuned", \
     table("scratch") using 1:2:3:4 with yerrorlines lw 2 pt 5 title "from scratch"
PLOT
