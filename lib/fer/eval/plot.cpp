#include "fer/eval/plot.h"

#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/log.h"
#include "fer/core/text.h"

namespace fer {

namespace fs = std::filesystem;

namespace {

// Okabe & Ito: blue, vermillion, bluish green.
constexpr std::array<const char*, 3> kSeriesColours = {"#0072b2", "#d55e00", "#009e73"};
constexpr const char* kInk = "#222222";

// A picture before it is drawn: a gnuplot program, and its numbers for whoever has no gnuplot.
struct Drawing {
  int width = 0, height = 0;
  std::string script;
  std::string csv;
};

// A gnuplot string constant. Labels and titles come from users: nothing in them may end the string.
std::string quote(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < ' ') {
      quoted += ' ';
    } else {
      quoted += c == '\'' ? "''" : std::string(1, c);
    }
  }
  return quoted + "'";
}

// Names at 0, 1, 2, ... of an axis, where gnuplot takes % for a number format.
std::string tics(const char* axis, const LabelList& labels, const char* options) {
  std::vector<std::string> entries;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    entries.push_back(quote(replace_all(labels[i], "%", "%%")) + format(" %zu", i));
  }
  return format("set %stics scale 0 %s (", axis, options) + join(entries, ", ") + ")\n";
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  return '"' + replace_all(text, "\"", "\"\"") + '"';
}

std::string csv_line(const std::string& first, const std::vector<std::string>& rest) {
  std::string line = csv_field(first);
  for (const std::string& field : rest) line += "," + csv_field(field);
  return line + "\n";
}

template <typename T>
std::vector<std::string> to_strings(const std::vector<T>& numbers) {
  std::vector<std::string> texts;
  for (const T number : numbers) texts.push_back(std::to_string(number));
  return texts;
}

fs::path find_gnuplot() {
  const char* path = std::getenv("PATH");
  for (const std::string& folder : split(path ? path : "", ':')) {
    const fs::path candidate = fs::path(folder) / "gnuplot";
    std::error_code ignored;
    if (fs::is_regular_file(candidate, ignored)) return candidate;
  }
  return {};
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "fer-plot-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) fail_runtime("cannot make the folder " + pattern);
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// gnuplot's picture, through its standard output: the shell sees no name that a user chose.
std::string run_gnuplot(const std::string& script) {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "script", script);
  const std::string command =
      format("cd '%s' && exec gnuplot script 2> errors", folder.path().c_str());
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), nullptr);
  if (!pipe) fail_runtime("cannot start gnuplot");
  std::string picture;
  std::array<char, 65536> buffer;
  for (std::size_t got; (got = std::fread(buffer.data(), 1, buffer.size(), pipe.get())) > 0;) {
    picture.append(buffer.data(), got);
  }
  const int status = ::pclose(pipe.release());
  if (status != 0 || picture.empty()) {
    fail_runtime("gnuplot failed: " + trim(read_text_file(folder.path() / "errors")));
  }
  return picture;
}

bool draw(const fs::path& path, const Drawing& drawing) {
  try {
    if (!gnuplot_available()) {
      static std::atomic<bool> warned{false};
      if (!warned.exchange(true)) {
        log_warning(
            "gnuplot is not installed: plots are left out, their numbers are written as .csv");
      }
      write_file_atomically(fs::path(path).replace_extension(".csv"), drawing.csv);
      return false;
    }
    const bool svg = to_lower(path.extension().string()) == ".svg";
    const std::string terminal =
        format("set terminal %s noenhanced size %d,%d font 'DejaVu Sans,%s' background '#ffffff'\n",
               svg ? "svg dynamic" : "pngcairo", drawing.width, drawing.height, svg ? "12" : "11");
    static const std::string kStyle = format(
        "set encoding utf8\n"
        "set border 3 lc rgb '%s' lw 1\n"
        "set tics nomirror out textcolor rgb '%s'\n"
        "set grid ytics lc rgb '#dddddd' lw 1 lt 1\n",
        kInk, kInk);
    write_file_atomically(path, run_gnuplot(terminal + kStyle + drawing.script));
    return true;
  } catch (const std::exception& error) {
    log_warning("no plot " + path.string() + ": " + error.what());
    return false;
  }
}

// White to dark blue, even in lightness (ColorBrewer's Blues).
std::array<int, 3> heat(double value) {
  static constexpr std::array<std::array<int, 3>, 5> kBlues = {
      {{247, 251, 255}, {198, 219, 239}, {107, 174, 214}, {33, 113, 181}, {8, 48, 107}}};
  const double position = std::clamp(value, 0.0, 1.0) * (kBlues.size() - 1);
  const std::size_t left = std::min(static_cast<std::size_t>(position), kBlues.size() - 2);
  const double t = position - static_cast<double>(left);
  std::array<int, 3> colour{};
  for (int c = 0; c < 3; ++c) {
    colour[c] = static_cast<int>(std::lround(kBlues[left][c] * (1 - t) + kBlues[left + 1][c] * t));
  }
  return colour;
}

}  // namespace

bool gnuplot_available() { return !find_gnuplot().empty(); }

bool plot_curves(const fs::path& path, const std::vector<CurvePoint>& points,
                 const std::string& title) {
  if (points.empty()) return false;
  Drawing drawing{1300, 560, "", "epoch,train_accuracy,val_accuracy,train_loss,val_loss\n"};
  std::string data = "$d << EOD\n";
  bool has_validation = false;
  const CurvePoint* best = &points.front();
  for (const CurvePoint& p : points) {
    drawing.csv += format("%d,%.6f,%.6f,%.6f,%.6f\n", p.epoch, p.train_accuracy, p.val_accuracy,
                          p.train_loss, p.val_loss);
    data += format("%d %.6f %.6f %.6f %.6f\n", p.epoch, p.train_accuracy, p.val_accuracy,
                   p.train_loss, p.val_loss);
    has_validation |= std::isfinite(p.val_accuracy);
    if (p.val_accuracy > best->val_accuracy || !std::isfinite(best->val_accuracy)) best = &p;
  }
  data += "EOD\n";

  const std::string with = points.size() > 40 ? "lines lw 2.5" : "linespoints lw 2.5 pt 7 ps 0.6";
  std::string& s = drawing.script;
  s += data + format("set xrange [%g:%g]\n", points.front().epoch - 0.5, points.back().epoch + 0.5);
  s += "set offsets 0, 0, graph 0.06, graph 0.04\nset xlabel 'epoch'\nset key opaque\n";
  if (points.size() <= 15) s += "set xtics 1\n";
  s += "set multiplot layout 1,2 title " + quote(title) + " font ',14'\n";
  if (has_validation) {
    s += format(
        "set arrow 1 from first %d, graph 0 to first %d, graph 1 nohead dt 3 lw 1.5 lc rgb "
        "'#777777'\n",
        best->epoch, best->epoch);
  }
  const auto panel = [&](const char* name, int train, int validation, const std::string& legend) {
    s += "set title " + quote(name) + "\nset key " + legend + "\n";
    s += format("plot $d using 1:%d with %s lc rgb '%s' title 'train'", train, with.c_str(),
                kSeriesColours[0]);
    if (has_validation) {
      s += format(", $d using 1:%d with %s lc rgb '%s' title 'validation'", validation,
                  with.c_str(), kSeriesColours[1]);
    }
  };
  panel("accuracy", 2, 3, "bottom right");
  if (has_validation) {
    s += format(
        ", '+' every ::::0 using (%d):(%.6f) with points pt 6 ps 1.8 lw 2.5 lc rgb '%s' title "
        "'best: %.4f in epoch %d'",
        best->epoch, best->val_accuracy, kInk, best->val_accuracy, best->epoch);
  }
  s += "\n";
  panel("loss", 4, 5, "top right");
  s += "\nunset multiplot\n";
  return draw(path, drawing);
}

bool plot_confusion_matrix(const fs::path& path, const LabelList& labels,
                           const std::vector<std::vector<std::int64_t>>& confusion, bool normalised,
                           const std::string& title) {
  const int classes = static_cast<int>(labels.size());
  if (classes == 0) return false;
  const int cell = std::clamp(900 / classes, 26, 92);
  Drawing drawing{std::max(480, classes * cell + 190), classes * cell + 160, "",
                  csv_line("truth \\ prediction", labels)};
  std::int64_t largest = 1;
  for (int t = 0; t < classes; ++t) {
    drawing.csv += csv_line(labels[t], to_strings(confusion[t]));
    largest = std::max(largest, *std::max_element(confusion[t].begin(), confusion[t].end()));
  }

  std::string& s = drawing.script;
  s += "unset grid\nunset key\nset border 0\nset size ratio -1\n";
  s += format("set xrange [-0.5:%g]\nset yrange [%g:-0.5]\n", classes - 0.5, classes - 0.5);
  s += "set title " + quote(title) + " font ',14'\nset xlabel 'prediction'\nset ylabel 'truth'\n";
  s += tics("x", labels, "rotate by 40 right") + tics("y", labels, "");
  for (int t = 0; t < classes; ++t) {
    std::int64_t support = 0;
    for (const std::int64_t count : confusion[t]) support += count;
    for (int p = 0; p < classes; ++p) {
      const auto count = static_cast<double>(confusion[t][p]);
      const double share = support > 0 ? count / static_cast<double>(support) : 0;
      const double value = normalised ? share : count / static_cast<double>(largest);
      const auto [r, g, b] = heat(value);
      s += format(
          "set object rect from %g,%g to %g,%g fc rgb '#%02x%02x%02x' fs solid border lc rgb "
          "'#ffffff' lw 2\n",
          p - 0.5, t - 0.5, p + 0.5, t + 0.5, r, g, b);
      if (cell < 30) continue;
      const std::string text = normalised ? format("%.2f", share)
                                          : format("%lld", static_cast<long long>(confusion[t][p]));
      s += format("set label '%s' at %d,%d center front font ',%d' textcolor rgb '%s'\n",
                  text.c_str(), p, t, cell >= 60 ? 13 : 9,
                  value > 0.55 ? "#ffffff"
                  : count > 0  ? kInk
                               : "#999999");
    }
  }
  s += "plot NaN\n";
  return draw(path, drawing);
}

bool plot_class_counts(const fs::path& path, const LabelList& labels,
                       const std::vector<std::string>& series,
                       const std::vector<std::vector<std::int64_t>>& counts,
                       const std::string& title) {
  if (labels.empty() || series.empty()) return false;
  const int classes = static_cast<int>(labels.size());
  Drawing drawing{std::clamp(140 * classes, 640, 2400), 520, "", csv_line("split", labels)};
  std::string& s = drawing.script;
  std::int64_t largest = 1;
  for (std::size_t k = 0; k < series.size(); ++k) {
    drawing.csv += csv_line(series[k], to_strings(counts[k]));
    s += format("$d%zu << EOD\n", k);
    for (int c = 0; c < classes; ++c) {
      s += format("%d %lld\n", c, static_cast<long long>(counts[k][c]));
      largest = std::max(largest, counts[k][c]);
    }
    s += "EOD\n";
  }
  s += "set title " + quote(title) +
       " font ',14'\nset ylabel 'faces'\nset style fill solid 0.9 noborder\n";
  s += format("set xrange [-0.6:%g]\nset yrange [0:%g]\nset key top right horizontal\n",
              classes - 0.4, 1.15 * static_cast<double>(largest));
  s += tics("x", labels, classes > 12 ? "rotate by 40 right" : "");
  const double width = 0.8 / static_cast<double>(series.size());
  std::vector<std::string> parts;
  for (std::size_t k = 0; k < series.size(); ++k) {
    const double shift =
        (static_cast<double>(k) - (static_cast<double>(series.size()) - 1) / 2) * width;
    parts.push_back(format("$d%zu using ($1+%g):2:(%g) with boxes lc rgb '%s' title ", k, shift,
                           0.94 * width, kSeriesColours[k % kSeriesColours.size()]) +
                    quote(series[k]));
    parts.push_back(format(
        "$d%zu using ($1+%g):2:2 with labels offset 0,0.6 font ',9' textcolor rgb '%s' notitle", k,
        shift, kInk));
  }
  s += "plot " + join(parts, ", ") + "\n";
  return draw(path, drawing);
}

}  // namespace fer
