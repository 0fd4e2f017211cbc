// fer-predict as its users run it, with a small untrained network.
#if FER_HAVE_PREDICT
#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "fer/core/png.h"
#include "fer/core/text.h"
#include "support/program.h"
#include "support/tiny_model.h"

using namespace fer;
using namespace fer::test;

namespace {

const std::string kPredict = std::string(FER_BIN_DIR) + "/fer-predict";

Image gray(int value) { return Image(24, 24, 1, static_cast<std::uint8_t>(value)); }

// Largest resident memory of any program run so far, in MB.
double peak_of_children() {
  rusage usage{};
  getrusage(RUSAGE_CHILDREN, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

}  // namespace

TEST_CASE("fer-predict answers image by image in the order of the command line") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  for (const char* name : {"b.png", "a.png", "10.png", "9.png"})
    write_png(scratch / name, gray(90));
  const auto result =
      run_shell(kPredict + " -m m.safetensors --crops b.png '[19]*.png' a.png", scratch.path());
  INFO(result.err);
  CHECK(result.exit_code == 0);
  const auto lines = objects(result.out);
  REQUIRE(lines.size() == 4);
  const char* expected[] = {"b.png", "9.png", "10.png", "a.png"};
  for (int i = 0; i < 4; ++i) {
    const auto& line = lines[static_cast<std::size_t>(i)];
    CHECK(line["schema"] == "fer.prediction/1");
    CHECK(line["path"] == expected[i]);
    CHECK(line["width"] == 24);
    REQUIRE(line["faces"].size() == 1);
    double sum = 0;
    for (const auto& [label, p] : line["faces"][0]["probabilities"].items()) sum += p.get<double>();
    CHECK(sum == Approx(1).margin(1e-4));
    CHECK(line["faces"][0]["probabilities"][line["faces"][0]["label"]] ==
          line["faces"][0]["confidence"]);
  }
}

TEST_CASE("fer-predict refuses a picture of more pixels than --max-megapixels") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  write_png(scratch / "large.png", Image(1001, 1000, 1, 90));
  const std::string command = kPredict + " -m m.safetensors --crops large.png --max-megapixels ";
  CHECK(run_shell(command + "2", scratch.path()).exit_code == 0);
  const auto refused = run_shell(command + "1", scratch.path());
  CHECK(refused.exit_code == 2);
  CHECK_THAT(refused.out, Catch::Contains("large.png") && Catch::Contains("1001"));
}

TEST_CASE(
    "fer-predict reports broken files in their place and says by its exit code how many there "
    "were") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  write_png(scratch / "good.png", gray(200));
  write_text(scratch / "empty.jpg", "");
  write_text(scratch / "text.png", "not an image at all");
  const std::string run = kPredict + " -m m.safetensors --crops ";
  const auto some = run_shell(run + "empty.jpg good.png text.png missing.png", scratch.path());
  CHECK(some.exit_code == 1);
  const auto lines = objects(some.out);
  REQUIRE(lines.size() == 4);
  CHECK(lines[0]["error"] == "the file is empty (0 bytes)");
  CHECK(lines[1]["error"].is_null());
  CHECK(lines[2]["error"] == "not an image (PNG, JPEG, WebP, BMP, TIFF, PGM or PPM)");
  CHECK_FALSE(lines[3]["error"].is_null());
  CHECK_THAT(some.err, Catch::Contains("3 of 4 files could not be read"));
  CHECK(run_shell(run + "empty.jpg missing.png", scratch.path()).exit_code == 2);
  std::filesystem::create_directory(scratch / "nothing");
  CHECK(run_shell(run + "nothing", scratch.path()).exit_code == 2);
}

TEST_CASE("fer-predict says in one line what is wrong with a command") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  write_png(scratch / "a.png", gray(1));
  const auto fails = [&](const std::string& arguments, const std::string& word) {
    const auto result = run_shell(kPredict + arguments, scratch.path());
    INFO(arguments << ": " << result.err);
    CHECK(result.exit_code == 2);
    CHECK_THAT(result.err, Catch::Contains(word));
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    CHECK(result.out.empty());
  };
  fails("", "nothing to look at");
  fails(" a.png -m none.safetensors", "none.safetensors");
  fails(" a.png -m m.safetensors --crops --format xml", "table, jsonl, csv");
  fails(" a.png -m m.safetensors --crops --head six", "three");
  fails(" a.png -m m.safetensors --crops --every 0", "at least 1");
  fails(" a.png -m m.safetensors --detector harr", "did you mean 'haar'?");
  fails(" a.png -m m.safetensors --crops --timeline t.gif", "t.gif");
  fails(" a.png -m m.safetensors --crops --by-label", "--crops-out");
  fails(" -r . -m m.safetensors --crops --crops-out faces", "--crops-out faces: lies in .");
  fails(" a.png -m m.safetensors --crop", "did you mean '--crops'?");
}

TEST_CASE("the shipped model is found beside the program, built or installed, after FER_MODEL") {
  const TemporaryFolder scratch;
  write_png(scratch / "a.png", gray(90));
  std::filesystem::create_directories(scratch / "prefix/bin");
  std::filesystem::copy_file(kPredict, scratch / "prefix/bin/fer-predict");
  const auto run = [&](const std::string& environment) {
    return run_shell("env -u FER_MODEL " + environment + " prefix/bin/fer-predict --crops a.png",
                     scratch.path());
  };
  const auto without = run("");
  CHECK(without.exit_code == 2);
  CHECK_THAT(without.err, Catch::Contains("--model") && Catch::Contains("FER_MODEL"));
  write_model(scratch / "elsewhere.safetensors");
  CHECK(run("FER_MODEL=elsewhere.safetensors").exit_code == 0);
  CHECK_THAT(run("FER_MODEL=none.safetensors").err, Catch::Contains("none.safetensors"));
  for (const char* folder : {"prefix/share/fer/models", "prefix/models"}) {
    std::filesystem::create_directories(scratch / folder);
    std::filesystem::rename(scratch / "elsewhere.safetensors",
                            scratch / folder / "fer.safetensors");
    CHECK(run("").exit_code == 0);
    std::filesystem::rename(scratch / folder / "fer.safetensors",
                            scratch / "elsewhere.safetensors");
  }
}

TEST_CASE("fer-predict takes paths from standard input and writes CSV, pictures and faces") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  std::filesystem::create_directory(scratch / "sub");
  for (const char* name : {"a.png", "sub/a.png"}) write_png(scratch / name, gray(120));
  const auto result =
      run_shell("printf 'a.png\\nsub/a.png\\n' | " + kPredict +
                    " -m m.safetensors --crops - --format csv --save out --crops-out faces",
                scratch.path());
  INFO(result.err);
  CHECK(result.exit_code == 0);
  const auto lines = split(result.out, '\n');
  REQUIRE(lines.size() == 4);  // with the empty one after the last line break
  CHECK_THAT(lines[0],
             Catch::StartsWith("path,frame,time,") && Catch::EndsWith("p_happy,p_neutral,p_sad"));
  CHECK_THAT(lines[2], Catch::StartsWith("sub/a.png,,,24,24,1,"));
  CHECK(std::filesystem::exists(scratch / "out/a.jpg"));
  CHECK(std::filesystem::exists(scratch / "out/a-2.jpg"));
  CHECK(split(slurp(scratch / "faces/manifest.csv"), '\n').size() == 4);
}

TEST_CASE("fer-predict saves no annotated picture in the folder of an original") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  for (const char* folder : {"photos/sub", "other"})
    std::filesystem::create_directories(scratch / folder);
  for (const char* name : {"photos/x.png", "photos/sub/y.png", "other/x.png"})
    write_png(scratch / name, gray(120));
  std::filesystem::copy_file(scratch / "photos/x.png", scratch / "photos/x.jpg");
  const std::string original = slurp(scratch / "photos/x.jpg");
  std::filesystem::create_symlink("../photos/x.jpg", scratch / "other/link.jpg");
  write_text(scratch / "list.txt", "photos/x.jpg\n");

  const std::string run = kPredict + " -m m.safetensors --crops ";
  for (const std::string arguments :
       {"photos/x.jpg --save photos", "'photos/*.jpg' --save photos/sub/..",
        "photos --save \"$PWD/photos\"", "list.txt --save photos", "other/link.jpg --save photos",
        "other/x.png photos/x.jpg --save photos"}) {
    const auto result = run_shell(run + arguments, scratch.path());
    INFO(arguments << ": " << result.err);
    CHECK(result.exit_code == 2);
    CHECK_THAT(result.err, Catch::Contains("the folder of "));
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    CHECK(result.out.empty());
    CHECK(slurp(scratch / "photos/x.jpg") == original);
  }
  const auto here = run_shell(
      "cd photos && " + kPredict + " -m ../m.safetensors --crops x.jpg --save .", scratch.path());
  CHECK(here.exit_code == 2);
  CHECK_THAT(here.err, Catch::Contains("--save .: the folder of x.jpg"));
  const auto piped = run_shell("echo photos/x.jpg | " + run + "- --save photos", scratch.path());
  CHECK(piped.exit_code == 2);
  CHECK(slurp(scratch / "photos/x.jpg") == original);
  const auto missing = run_shell(run + "none.jpg other/none.jpg --save .", scratch.path());
  CHECK_THAT(missing.err, Catch::Contains("2 of 2 files could not be read"));

  const auto within = run_shell(run + "-r photos --save photos/sub/new", scratch.path());
  CHECK(within.exit_code == 2);
  CHECK_THAT(within.err, Catch::Contains("lies in photos, which --recursive goes through"));
  CHECK(run_shell(run + "-r photos --save new", scratch.path()).exit_code == 0);
  CHECK(run_shell(run + "photos --save photos/new", scratch.path()).exit_code == 0);
  for (const char* name : {"new/x.jpg", "new/x-2.jpg", "new/y.jpg", "photos/new/x.jpg"})
    CHECK(std::filesystem::exists(scratch / name));
  CHECK(slurp(scratch / "photos/x.jpg") == original);
}

TEST_CASE(
    "a YuNet beside the program that does not run gives way to the cascade, one that is named does "
    "not") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  write_png(scratch / "x.png", gray(120));
  std::filesystem::create_directories(scratch / "bin");
  std::filesystem::create_directories(scratch / "share/fer/models");
  std::filesystem::copy_file(kPredict, scratch / "bin/fer-predict");
  const std::string yunet = "share/fer/models/face_detection_yunet_2022mar.onnx";
  write_text(scratch / yunet, "not a net");
  const std::string run = "env -u FER_YUNET bin/fer-predict -m m.safetensors x.png ";
  const auto found = run_shell(run, scratch.path());
  INFO(found.err);
  CHECK(found.exit_code == 0);
  CHECK_THAT(found.err, Catch::Contains(yunet) &&
                            Catch::Contains("looked for by the weaker haarcascade_frontalface"));
  for (const std::string& named :
       {run + "--detector yunet", run + "--detector-model " + yunet,
        "FER_YUNET=" + yunet + run.substr(std::string("env -u FER_YUNET").size())}) {
    const auto refused = run_shell(named, scratch.path());
    INFO(named << ": " << refused.err);
    CHECK(refused.exit_code == 2);
    CHECK_THAT(refused.err, Catch::Contains(yunet));
  }
}

TEST_CASE("fer-predict reads a picture from a pipe") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  write_png(scratch / "x.png", gray(120));
  const auto result =
      run_shell("cat x.png | " + kPredict + " -m m.safetensors --crops /dev/stdin --format csv",
                scratch.path());
  INFO(result.err);
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.out, Catch::Contains("/dev/stdin,"));
}

TEST_CASE("fer-predict saves a picture that is too long for JPEG as a PNG") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  write_png(scratch / "long.png", Image(65'501, 8, 1, 120));
  write_png(scratch / "short.png", gray(120));
  const auto result = run_shell(
      kPredict + " -m m.safetensors --crops long.png short.png --save out", scratch.path());
  INFO(result.err);
  CHECK(result.exit_code == 0);
  CHECK(read_png(scratch / "out/long.png").width == 65'501);
  CHECK(std::filesystem::exists(scratch / "out/short.jpg"));
}

TEST_CASE("fer-predict writes a timeline of each video, also where two have the same name") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  int frames = 0;
  for (const char* name : {"clip.y4m", "a/clip.y4m", "b/clip.y4m"}) {
    std::string clip = "YUV4MPEG2 W32 H16 F10:1 Ip A1:1 C420jpeg\n";
    ++frames;
    for (int i = 0; i < frames; ++i) clip += "FRAME\n" + std::string(32 * 16 * 3 / 2, '\x80');
    std::filesystem::create_directories((scratch / name).parent_path());
    write_text(scratch / name, clip);
  }
  const auto result = run_shell(kPredict +
                                    " -m m.safetensors --crops clip.y4m a/clip.y4m b/clip.y4m "
                                    "--timeline t.csv",
                                scratch.path());
  INFO(result.err);
  CHECK(result.exit_code == 0);
  const auto rows = [&](const char* name) {
    const std::string csv = slurp(scratch / name);
    return std::count(csv.begin(), csv.end(), '\n') - 1;  // but for the header
  };
  CHECK(rows("t.csv") == 1);
  CHECK(rows("t-clip.csv") == 2);
  CHECK(rows("t-clip-2.csv") == 3);

  // Names that FFmpeg or a camera's number could be taken for, into a folder that is not there yet.
  std::filesystem::rename(scratch / "a/clip.y4m", scratch / "12:30:00.y4m");
  std::filesystem::rename(scratch / "b/clip.y4m", scratch / "0");
  const auto odd = run_shell(
      kPredict + " -m m.safetensors --crops 12:30:00.y4m 0 --timeline new/t.srt --format csv",
      scratch.path());
  INFO(odd.err);
  CHECK(odd.exit_code == 0);
  CHECK(std::count(odd.out.begin(), odd.out.end(), '\n') == 1 + 2 + 3);
  CHECK(std::filesystem::exists(scratch / "new/t.srt"));
  CHECK(std::filesystem::exists(scratch / "new/t-0.srt"));
}

TEST_CASE("fer-predict ends at an error while standard input stays open") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  write_png(scratch / "a.png", gray(1));
  // The shell itself keeps the pipe open.
  const auto result = run_shell("mkfifo paths; exec 3<>paths; echo a.png >&3; timeout 60 " +
                                    kPredict + " -m m.safetensors --crops - <paths >/dev/full",
                                scratch.path());
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err, Catch::Contains("standard output cannot be written"));
}

TEST_CASE("fer-predict --save takes no other picture's place, and what does not count is refused") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  write_png(scratch / "x.png", gray(90));
  std::filesystem::create_directory(scratch / "album");
  write_text(scratch / "album/x.jpg", "another one");
  const std::string run = kPredict + " -m m.safetensors --crops x.png ";
  CHECK(run_shell(run + "--save album", scratch.path()).exit_code == 0);
  CHECK(slurp(scratch / "album/x.jpg") == "another one");
  CHECK(std::filesystem::file_size(scratch / "album/x-2.jpg") > 100);
  for (const std::string flag : {"--detector haar", "--min-face 30", "--workers -3"}) {
    const auto refused = run_shell(run + flag, scratch.path());
    CHECK(refused.exit_code == 2);
    CHECK_THAT(refused.err, Catch::Contains(flag.substr(0, flag.find(' '))));
  }
}

TEST_CASE("a photo with the longest name there can be is saved under a shorter one") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  std::string name;
  while (name.size() < 249) name += "\xE9\x95\xBF";  // a character of three bytes
  write_png(scratch / "a.png", gray(90));
  std::filesystem::rename(scratch / "a.png", scratch / (name + ".png"));
  const auto result = run_shell(
      kPredict + " -m m.safetensors --crops . --save new --crops-out faces", scratch.path());
  INFO(result.err);
  CHECK(result.exit_code == 0);
  CHECK(std::filesystem::exists(scratch / "new" / (name.substr(0, 198) + ".jpg")));
}

TEST_CASE(
    "fer-predict goes through ten thousand files, every tenth broken, with the memory of a few "
    "hundred") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  const auto fill = [&](const std::string& folder, int n) {
    std::filesystem::create_directory(scratch / folder);
    const std::vector<std::uint8_t> bytes = encode_png(Image(128, 128, 3, 77));
    const std::string whole(bytes.begin(), bytes.end());
    for (int i = 0; i < n; ++i) {
      write_text(scratch / folder / (std::to_string(i) + ".png"),
                 i % 10 == 9 ? whole.substr(0, 40) : whole);
    }
  };
  fill("few", 300);
  fill("many", 10'000);
  const std::string run = kPredict + " -m m.safetensors --crops ";
  CHECK(run_shell(run + "few", scratch.path()).exit_code == 1);
  const double few = peak_of_children();
  const auto result = run_shell(run + "many", scratch.path());
  CHECK(result.exit_code == 1);
  CHECK(peak_of_children() < few + 10);
  const auto lines = objects(result.out);
  REQUIRE(lines.size() == 10'000);
  for (int i = 0; i < 10'000; ++i) {
    const auto& line = lines[static_cast<std::size_t>(i)];
    REQUIRE(line["path"].get<std::string>() == "many/" + std::to_string(i) + ".png");
    REQUIRE(line["error"].is_null() == (i % 10 != 9));
  }
}

TEST_CASE("fer-predict answers by any engine it has, and never loads libtorch") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  write_png(scratch / "a.png", gray(120));
  const std::string run = kPredict + " -m m.safetensors --crops a.png ";
  const auto happy = [&](const std::string& flags) {
    const auto result = run_shell(run + flags, scratch.path());
    INFO(flags << ": " << result.err);
    REQUIRE(result.exit_code == 0);
    return objects(result.out)[0]["faces"][0]["probabilities"]["happy"].get<double>();
  };
  const double expected = happy("--precision fp32");
  CHECK(happy("") == Approx(expected).margin(0.02));
  const auto refusal = run_shell(run + "--engine torch", scratch.path());
  CHECK(refusal.exit_code == 2);
  CHECK_THAT(refusal.err, Catch::Contains("engine 'torch': this program has auto, "));
  for (const std::string engine : {"onednn", "opencv"}) {
    if (refusal.err.find(engine) == std::string::npos) continue;
    CHECK(happy("--precision fp32 --engine " + engine) == Approx(expected).margin(1e-4));
  }
  const auto libraries = run_shell("ldd " + kPredict, scratch.path());
  CHECK_THAT(libraries.out, Catch::Contains("libopencv_core") && !Catch::Contains("torch"));
}

TEST_CASE("fer-predict stops when it is asked to while standard input is silent") {
  const TemporaryFolder scratch;
  write_model(scratch / "m.safetensors");
  write_png(scratch / "a.png", gray(90));
  write_text(scratch / "run.sh", R"(
"$FER_PREDICT" -m m.safetensors --crops - --format jsonl >out 2>log < <(echo a.png; exec sleep 60) &
program=$!
for try in $(seq 300); do grep -q a.png out && break; sleep 0.1; done
kill -TERM "$program"
SECONDS=0
wait "$program"
code=$?
[ "$SECONDS" -lt 20 ] && exit "$code"
)");
  const auto result = run_shell("env FER_PREDICT='" + kPredict + "' bash run.sh", scratch.path());
  INFO(slurp(scratch / "log"));
  CHECK(result.exit_code == 130);
  CHECK(objects(slurp(scratch / "out")).size() == 1);
}
#endif
