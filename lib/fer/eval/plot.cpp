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
#include "fer/data/csv.h"

namespace fer {

namespace fs = std::filesystem;

namespace {

// Okabe & Ito: blue, vermillion, bluish green.
constexpr std::array<const char*, 3> kSeriesColours = {"#0072b2", "#d55e00", "#009e73"};
constexpr const char* kInk = "#222222";
constexpr double kPngScale = 1.5;  // pixels a unit: sharp on today's screens

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

// gnuplot's picture, through its standard output: the shell sees no name that a user chose.
std::string run_gnuplot(const std::string& script) {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "script", script);
  const std::string command =
      format("cd '%s' && exec gnuplot script 2> errors", folder.path().c_str());
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
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
        svg ? format("set terminal svg dynamic noenhanced size %d,%d font 'DejaVu Sans,14'",
                     drawing.width, drawing.height)
            : format(
                  "set terminal pngcairo noenhanced size %g,%g font 'DejaVu Sans,10' fontscale %g "
                  "linewidth %g pointscale %g",
                  kPngScale * drawing.width, kPngScale * drawing.height, kPngScale, kPngScale,
                  kPngScale);
    static const std::string kStyle = format(
        "set encoding utf8\n"
        "set border 3 lc rgb '%s' lw 1\n"
        "set tics nomirror out textcolor rgb '%s'\n"
        "set grid ytics lc rgb '#dddddd' lw 1 lt 1\n",
        kInk, kInk);
    write_file_atomically(
        path, run_gnuplot(terminal + " background '#ffffff'\n" + kStyle + drawing.script));
    return true;
  } catch (const std::exception& error) {
    log_warning("no plot " + path.string() + ": " + error.what());
    return false;
  }
}

}  // namespace

bool gnuplot_available() { return !find_gnuplot().empty(); }

std::array<std::uint8_t, 3> heat_colour(double value) {
  static constexpr std::array<std::array<int, 3>, 5> kBlues = {
      {{247, 251, 255}, {198, 219, 239}, {107, 174, 214}, {33, 113, 181}, {8, 48, 107}}};
  const double position = std::clamp(value, 0.0, 1.0) * (kBlues.size() - 1);
  const std::size_t left = std::min(static_cast<std::size_t>(position), kBlues.size() - 2);
  const double t = position - static_cast<double>(left);
  std::array<std::uint8_t, 3> colour{};
  for (int c = 0; c < 3; ++c) {
    colour[c] =
        static_cast<std::uint8_t>(std::lround(kBlues[left][c] * (1 - t) + kBlues[left + 1][c] * t));
  }
  return colour;
}

bool needs_white_text(double value) { return value > 0.55; }

std::vector<CurvePoint> read_curve(const fs::path& results_csv) {
  const CsvFile csv = read_csv(results_csv);
  std::vector<CurvePoint> curve;
  for (std::size_t r = 0; r < csv.rows.size(); ++r) {
    const auto number = [&](const char* column) {
      const std::string& text = csv.rows[r][require_column(csv.header, column, csv.name)];
      double value = 0;
      if (!parse_double(text, value)) {
        fail_input(
            format("%s row %zu: '%s' is not a number", results_csv.c_str(), r + 1, text.c_str()));
      }
      return value;
    };
    curve.push_back({static_cast<int>(number("epoch")), number("train_accuracy"),
                     number("val_accuracy"), number("train_loss"), number("val_loss")});
  }
  return curve;
}

bool plot_curves(const fs::path& path, const std::vector<CurvePoint>& points, int kept,
                 const std::string& title, CurvePanels panels) {
  if (points.empty()) return false;
  const bool both = panels == CurvePanels::kBoth;
  Drawing drawing{both ? 1000 : 500, 400, "",
                  "epoch,train_accuracy,val_accuracy,train_loss,val_loss\n"};
  std::string& s = drawing.script;
  bool has_validation = false;
  s += "$d << EOD\n";
  for (const CurvePoint& p : points) {
    drawing.csv += format("%d,%.6f,%.6f,%.6f,%.6f\n", p.epoch, p.train_accuracy, p.val_accuracy,
                          p.train_loss, p.val_loss);
    s += format("%d %.6f %.6f %.6f %.6f\n", p.epoch, p.train_accuracy, p.val_accuracy, p.train_loss,
                p.val_loss);
    has_validation |= std::isfinite(p.val_accuracy);
  }
  const auto mark = std::ranges::find(points, kept, &CurvePoint::epoch);
  const bool marked = mark != points.end() && std::isfinite(mark->val_accuracy);
  s += format("EOD\nset xrange [%g:%g]\n", points.front().epoch - 0.5, points.back().epoch + 0.5);
  s += "set offsets 0, 0, graph 0.06, graph 0.04\nset xlabel 'epoch'\nset key opaque\n";
  if (points.size() <= 15) s += "set xtics 1\n";
  if (both) s += "set multiplot layout 1,2 title " + quote(title) + " font ',15'\n";
  if (marked) {
    s += format(
        "set arrow 1 from first %d, graph 0 to first %d, graph 1 nohead dt 3 lw 1.5 lc rgb "
        "'#777777'\n",
        kept, kept);
  }
  const std::string with = points.size() > 40 ? "lines lw 2" : "linespoints lw 2 pt 7 ps 0.5";
  const auto panel = [&](const char* name, int column, const char* legend) {
    s += format("set title '%s'\nset key %s\nplot $d using 1:%d with %s lc rgb '%s' title 'train'",
                name, legend, column, with.c_str(), kSeriesColours[0]);
    if (has_validation) {
      s += format(", $d using 1:%d with %s lc rgb '%s' title 'validation'", column + 1,
                  with.c_str(), kSeriesColours[1]);
    }
  };
  if (panels != CurvePanels::kLoss) {
    panel("accuracy", 2, "bottom right");
    if (marked) {
      s += format(
          ", '+' every ::::0 using (%d):(%.6f) with points pt 6 ps 1.5 lw 2 lc rgb '%s' title "
          "'kept: %.4f in epoch %d'",
          kept, mark->val_accuracy, kInk, mark->val_accuracy, kept);
    }
    s += "\n";
  }
  if (panels != CurvePanels::kAccuracy) panel("loss", 4, "top right");
  s += both ? "\nunset multiplot\n" : "\n";
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
  s += "set title " + quote(title) + " font ',15'\nset xlabel 'prediction'\nset ylabel 'truth'\n";
  s += tics("x", labels, "rotate by 40 right") + tics("y", labels, "");
  for (int t = 0; t < classes; ++t) {
    std::int64_t support = 0;
    for (const std::int64_t count : confusion[t]) support += count;
    for (int p = 0; p < classes; ++p) {
      const auto count = static_cast<double>(confusion[t][p]);
      const double share = support > 0 ? count / static_cast<double>(support) : 0;
      const double value = normalised ? share : count / static_cast<double>(largest);
      const auto [r, g, b] = heat_colour(value);
      s += format(
          "set object rect from %g,%g to %g,%g fc rgb '#%02x%02x%02x' fs solid border lc rgb "
          "'#ffffff' lw 2\n",
          p - 0.5, t - 0.5, p + 0.5, t + 0.5, r, g, b);
      if (cell < 30) continue;
      const std::string text = normalised ? format("%.2f", share)
                                          : format("%lld", static_cast<long long>(confusion[t][p]));
      s += format("set label '%s' at %d,%d center front font ',%d' textcolor rgb '%s'\n",
                  text.c_str(), p, t, cell >= 60 ? 13 : 9,
                  needs_white_text(value) ? "#ffffff"
                  : count > 0             ? kInk
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
       " font ',15'\nset ylabel 'faces'\nset style fill solid 0.9 noborder\n";
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

bool plot_reliability(const fs::path& path, const std::vector<ReliabilityBin>& bins,
                      const std::string& title) {
  if (bins.empty()) return false;
  Drawing drawing{500, 500, "", "low,high,count,confidence,accuracy\n"};
  std::string& s = drawing.script;
  std::int64_t most = 1;
  s += "$d << EOD\n";  // centre, left, right, count, confidence, accuracy
  for (const ReliabilityBin& bin : bins) {
    drawing.csv += format("%.6f,%.6f,%lld,%.6f,%.6f\n", bin.low, bin.high,
                          static_cast<long long>(bin.count), bin.confidence, bin.accuracy);
    if (bin.count == 0) continue;
    const double centre = (bin.low + bin.high) / 2, half = 0.46 * (bin.high - bin.low);
    s += format("%g %g %g %lld %.6f %.6f\n", centre, centre - half, centre + half,
                static_cast<long long>(bin.count), bin.confidence, bin.accuracy);
    most = std::max(most, bin.count);
  }
  s += "EOD\nset multiplot\nset xrange [0:1]\nset lmargin at screen 0.21\nset rmargin at screen "
       "0.97\n";
  s += "set style fill solid 1 noborder\nset title " + quote(title) + " font ',13'\n";
  s += "set tmargin at screen 0.90\nset bmargin at screen 0.36\nset yrange [0:1]\nset format x ''\n"
       "set ylabel 'share of right answers'\nset key opaque top left reverse Left samplen 2\n";
  s += format(
      "plot $d using 1:6:2:3:(0):6 with boxxyerror lc rgb '%s' title 'right', "
      "$d using 1:($5>$6?$5:NaN):2:3:6:5 with boxxyerror lc rgb '#f0b98f' title 'too sure', "
      "$d using 1:($6>$5?$5:NaN):2:3:5:6 with boxxyerror lc rgb '#8fd0b8' title 'not sure enough', "
      "x with lines dt 2 lw 1.5 lc rgb '%s' title 'as sure as right'\n",
      kSeriesColours[0], kInk);
  s += format(
      "unset title\nunset key\nset tmargin at screen 0.31\nset bmargin at screen 0.15\n"
      "set format x '%%g'\nset yrange [0:%g]\nset ytics (0, %lld)\nset ylabel 'faces' offset 1,0\n"
      "set xlabel 'confidence'\nplot $d using 1:4:2:3:(0):4 with boxxyerror lc rgb '#888888'\n"
      "unset multiplot\n",
      1.1 * static_cast<double>(most), static_cast<long long>(most));
  return draw(path, drawing);
}

bool plot_coverage(const fs::path& path, const std::vector<CoveragePoint>& curve,
                   const std::optional<CoveragePoint>& chosen, const std::string& title) {
  if (curve.empty()) return false;
  Drawing drawing{500, 500, "", "threshold,coverage,accuracy\n"};
  std::string& s = drawing.script;
  s += "$d << EOD\n";
  double lowest = 1;
  for (const CoveragePoint& point : curve) {
    drawing.csv += format("%.6f,%.6f,%.6f\n", point.threshold, point.coverage, point.accuracy);
    s += format("%.6f %.6f\n", point.coverage, point.accuracy);
    lowest = std::min(lowest, point.accuracy);
  }
  s += "EOD\nset title " + quote(title) +
       " font ',13'\nset key bottom left reverse Left samplen 2\n";
  s += format("set xrange [0:1]\nset yrange [%g:1.005]\n", std::floor(lowest * 20 - 0.5) / 20);
  s += "set xlabel 'share of faces that get an answer'\nset ylabel 'share of right answers'\n";
  s += format("plot $d using 1:2 with lines lw 2.5 lc rgb '%s' title 'the surest first'",
              kSeriesColours[0]);
  if (chosen) {
    s += format(
        ", '+' every ::::0 using (%.6f):(%.6f) with points pt 7 ps 1.2 lc rgb '%s' title "
        "'%.2f or surer: %.0f %% of faces, %.0f %% right'",
        chosen->coverage, chosen->accuracy, kSeriesColours[1], chosen->threshold,
        100 * chosen->coverage, 100 * chosen->accuracy);
  }
  return draw(path, drawing);
}

}  // namespace fer
