# Shared by the scripts: building, timing, test data. Sourced, not run.

# Folders that the caller named from where they stand; the scripts go on from the top of the project.
for variable in FER_DATA_DIR FER_SAMPLES FER_MODEL FER_ONNXRUNTIME; do
  [ -z "${!variable:-}" ] || export "$variable=$(realpath -m "${!variable}")"
done

times=()

# timed <name> <command...>: runs it and remembers how long it took.
timed() {
  local name=$1 start=$SECONDS status=0
  shift
  "$@" || status=$?
  times+=("$(printf '%-14s %4d s' "$name" $((SECONDS - start)))")
  return $status
}

report_times() {
  echo
  printf '%s\n' "${times[@]}"
}

# What build_targets says to CMake, whatever an earlier configuration of the folder said.
configuration=()

# build_targets <target...>: the release preset with all cores, as many jobs as memory allows (a torch file
# takes about 1 GB).
build_targets() {
  local by_memory jobs
  by_memory=$(awk '/MemAvailable/ {print int($2 / 1500000)}' /proc/meminfo)
  jobs=$(nproc)
  [ "$by_memory" -ge "$jobs" ] || jobs=$((by_memory > 0 ? by_memory : 1))
  cmake --preset release "${configuration[@]}" >build-configure.log 2>&1 || { cat build-configure.log; rm -f build-configure.log; return 1; }
  grep 'fer:' build-configure.log || true
  rm -f build-configure.log
  local targets=()
  for target in "$@"; do targets+=(--target "$target"); done
  cmake --build --preset release -j "$jobs" "${targets[@]}"
}

# prepare_test_data <source> <folder>: unpacks FER2013 and links its votes, and YuNet from models/
# (scripts/bootstrap.sh), once.
prepare_test_data() {
  local source folder=$2 file yunet=face_detection_yunet_2022mar.onnx
  mkdir -p "$folder"
  [ ! -e "models/$yunet" ] || [ -e "$folder/$yunet" ] || ln -s "$PWD/models/$yunet" "$folder/$yunet"
  if [ -z "$1" ]; then
    echo "FER_DATA_DIR is not set: tests on FER2013 will be skipped"
    return 0
  fi
  source=$(realpath "$1")
  if [ ! -s "$folder/fer2013.csv" ]; then
    file=$(find -H "$source" -name fer2013.csv -o -name fer2013.csv.xz | sort | head -n 1)
    case "$file" in
      *.xz) xz -dc "$file" >"$folder/fer2013.csv.part" && mv "$folder/fer2013.csv.part" "$folder/fer2013.csv" ;;
      ?*) ln -sf "$file" "$folder/fer2013.csv" ;;
    esac
  fi
  [ -e "$folder/fer2013new.csv" ] || find -H "$source" -name fer2013new.csv -exec ln -sf {} "$folder/fer2013new.csv" \;
}

# expect_arguments <count> "$@": so many, and no flag; else the words at the head of the script, and exit code 2.
expect_arguments() {
  local count=$1
  shift
  [[ $# -eq $count && $1 != -* ]] && return
  sed -n '2,/^set /s/^# //p' "$0" >&2
  exit 2
}
