#include "fer/eval/report.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>

#include "fer/core/emotion.h"
#include "fer/core/file.h"
#include "fer/core/parallel.h"
#include "fer/core/png.h"
#include "fer/core/text.h"
#include "fer/eval/selection.h"

namespace fer {

namespace {

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --ink: #1d2127; --soft: #5b6470;
  --line: #dde1e7; --accent: #0072b2; --accent-soft: #0072b277; --mark: #b54a00; }
@media (prefers-color-scheme: dark) { :root { --page: #14171b; --card: #1d2127; --ink: #e6e9ee;
  --soft: #9ba5b3; --line: #363d47; --accent: #56b4e9; --accent-soft: #56b4e977;
  --mark: #f0a060; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 0 0 .75rem; overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 1.25rem 0 .5rem; }
p, ul { margin: 0 0 .75rem; max-width: 46rem; }
ul { padding-left: 1.2rem; }
.soft, figcaption, small { color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: 1.1rem 1.2rem; margin-top: 1rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.2rem, 1fr)); gap: .6rem;
  margin-bottom: 1rem; }
.tile { border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; }
.tile b { display: block; font-size: 1.7rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; } .scroll tbody th { position: sticky; left: 0; background: var(--card); }
.wide th, .wide td { padding: .15rem .3rem; } .wide td { min-width: 2.4rem; }
.wide thead th { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; text-align: right; white-space: nowrap; }
th { font-weight: 600; } thead th { color: var(--soft); border-bottom: 1px solid var(--line); }
tbody th, thead th:first-child { text-align: left; } tbody th { white-space: normal; }
tbody tr + tr > * { border-top: 1px solid var(--line); }
.matrix td { min-width: 5.2rem; text-align: center; line-height: 1.2;
  border: 2px solid var(--card); }
.matrix td small { display: block; margin: 0; color: inherit; opacity: .8; }
.matrix tbody th { padding-left: 0; } .matrix thead th { text-align: center; border: 0; }
td small { margin-left: .5rem; }
.range { position: relative; display: block; min-width: 9rem; height: .4rem;
  margin: .15rem 0 .25rem; background: var(--line); border-radius: .2rem; }
.range i { position: absolute; top: 0; bottom: 0; background: var(--accent-soft); }
.range b { position: absolute; top: -.1rem; bottom: -.1rem; width: 3px; margin-left: -1px;
  background: var(--accent); }
.label { white-space: nowrap; }
.dot { display: inline-block; width: .7rem; height: .7rem; border-radius: 50%; margin-right: .4rem;
  border: 1px solid var(--line); }
.charts { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); }
.charts svg { width: 100%; height: auto; display: block; }
.charts figure, .faces figure { margin: 0; }
.gridline { stroke: var(--line); }
.faces { display: grid; grid-template-columns: repeat(auto-fill, minmax(7.5rem, 1fr)); gap: .8rem; }
.faces img { width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: .4rem;
  background: #000; display: block; }
.faces .label { white-space: normal; }
.faces figcaption { font-size: .82rem; line-height: 1.35; margin-top: .3rem;
  overflow-wrap: anywhere; }
.faces .said { color: var(--mark); } .faces .true { color: var(--ink); }
footer { color: var(--soft); font-size: .85rem; margin-top: 1.5rem; }
@media (max-width: 34rem) { section { padding: .9rem .8rem; } table { font-size: .88rem; }
  th, td { padding: .3rem .25rem; } thead th { white-space: normal; }
  .range { min-width: 3.2rem; } td > small:not(:last-child) { display: none; }
  .matrix { font-size: .8rem; } .matrix td { min-width: 2.2rem; padding: .25rem 0; }
  .matrix thead th { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left; }
  .matrix td small { font-size: .7rem; } .faces { grid-template-columns: repeat(3, 1fr); } }
@media print { :root { color-scheme: light; --page: #fff; --card: #fff; --ink: #000; --soft: #444;
  --line: #ccc; --accent: #0072b2; --accent-soft: #0072b277; --mark: #b54a00; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  html { font-size: 13px; } .scroll { overflow: visible; }
  th { white-space: normal; overflow-wrap: anywhere; } .wide { font-size: 9px; }
  .range { min-width: 4rem; }
  .faces { grid-template-columns: repeat(8, 1fr); }
  main { padding: 0; max-width: none; } section { border: 0; padding: .5rem 0; }
  figure, table, .tile, .charts { break-inside: avoid; } h2, h3 { break-after: avoid; } }
)";

std::string hex_colour(const std::array<std::uint8_t, 3>& c) {
  return format("#%02x%02x%02x", c[0], c[1], c[2]);
}

std::string section(const std::string& title, const std::string& body) {
  return "<section>\n<h2>" + html_escape(title) + "</h2>\n" + body + "</section>\n";
}

std::string label_with_dot(const std::string& label, std::size_t index) {
  return "<span class=\"label\"><span class=\"dot\" style=\"background:" +
         hex_colour(label_colour(label, index)) + "\"></span>" + html_escape(label) + "</span>";
}

// A number in [0, 1] and its interval, in figures and as a bar from 0 to 1.
std::string ranged(double value, double low, double high) {
  if (std::isnan(low) || std::isnan(high)) return "<td>&ndash;</td>";  // nothing was counted
  return format(
      "<td>%.3f<small>%.3f to %.3f</small><span class=\"range\"><i "
      "style=\"left:%.1f%%;width:%.1f%%\"></i>"
      "<b style=\"left:%.1f%%\"></b></span></td>",
      value, low, high, 100 * low, 100 * (high - low), 100 * value);
}

std::string table(const std::vector<std::string>& heads, const std::string& rows) {
  std::string text = "<div class=\"scroll\"><table>\n<thead><tr>";
  for (const std::string& head : heads) text += "<th scope=\"col\">" + html_escape(head) + "</th>";
  return text + "</tr></thead>\n<tbody>\n" + rows + "</tbody>\n</table></div>\n";
}

std::string tile(const std::string& name, const std::string& value, const std::string& note) {
  return "<div class=\"tile\"><small>" + name + "</small><b>" + value + "</b><small>" + note +
         "</small></div>\n";
}

std::string summary(const Evaluation& e) {
  const Metrics& m = e.all.metrics;
  const Metrics &low = e.all.intervals.low, &high = e.all.intervals.high;
  const auto percent = [&](const char* name, double Metrics::*x) {
    return tile(name, format("%.1f&thinsp;%%", 100 * (m.*x)),
                format("%.1f to %.1f&thinsp;%%", 100 * (low.*x), 100 * (high.*x)));
  };
  std::string text = "<div class=\"tiles\">\n" + percent("accuracy", &Metrics::accuracy) +
                     percent("balanced accuracy", &Metrics::balanced_accuracy);
  text += tile("macro F1", format("%.3f", m.macro_f1),
               format("%.3f to %.3f", low.macro_f1, high.macro_f1));
  const bool defined = !std::isnan(low.kappa);
  text += tile("Cohen's kappa", format("%.3f", m.kappa),
               defined ? format("%.3f to %.3f", low.kappa, high.kappa) : "no interval");
  text += tile("calibration error", format("%.3f", m.ece), "0 is best");
  text += "</div>\n<ul>\n";
  for (const std::string& sentence : in_words(e))
    text += "<li>" + html_escape(sentence) + "</li>\n";
  return section("In short", text + "</ul>\n");
}

std::string class_section(const Evaluation& e) {
  std::string rows;
  const Metrics& m = e.all.metrics;
  for (std::size_t c = 0; c < m.classes.size(); ++c) {
    rows += "<tr><th scope=\"row\">" + label_with_dot(m.classes[c].label, c) + "</th>";
    for (const auto x : {&ClassMetrics::precision, &ClassMetrics::recall, &ClassMetrics::f1}) {
      rows += ranged(m.classes[c].*x, e.all.intervals.low.classes[c].*x,
                     e.all.intervals.high.classes[c].*x);
    }
    rows += format("<td>%lld</td></tr>\n", static_cast<long long>(m.classes[c].support));
  }
  return section(
      "Classes",
      table({"class", "precision", "recall", "F1", "faces"}, rows) +
          "<p class=\"soft\">Precision: how often the answer is right when it is given. Recall: "
          "how many faces of the class are found. Bars: value and interval from 0 to 1.</p>\n");
}

std::string figures_section(const Evaluation& e) {
  std::string rows;
  for (const std::string& name : metric_names()) {
    const double low = metric_value(e.all.intervals.low, name),
                 high = metric_value(e.all.intervals.high, name);
    // The resamples of the calibration error are biased upwards.
    const bool interval = name != "ece" && !std::isnan(low);
    rows += "<tr><th scope=\"row\">" + replace_all(name, "_", " ") +
            format("</th><td>%.4f</td><td>%s</td></tr>\n", metric_value(e.all.metrics, name),
                   interval ? format("%.4f to %.4f", low, high).c_str() : "");
  }
  return section("Every figure", table({"metric", "value", "interval"}, rows));
}

std::string confusion_section(const Metrics& m) {
  constexpr std::size_t kMany = 12;
  std::string text =
      format("<div class=\"scroll\"><table class=\"matrix%s\">\n<thead><tr><th></th>",
             m.classes.size() > kMany ? " wide" : "");
  for (const ClassMetrics& c : m.classes)
    text += "<th scope=\"col\">" + html_escape(c.label) + "</th>";
  text += "</tr></thead>\n<tbody>\n";
  for (std::size_t t = 0; t < m.classes.size(); ++t) {
    text += "<tr><th scope=\"row\">" + html_escape(m.classes[t].label) + "</th>";
    for (const std::int64_t count : m.confusion[t]) {
      const auto support = static_cast<double>(m.classes[t].support);
      const double share = support > 0 ? static_cast<double>(count) / support : 0;
      text +=
          format("<td style=\"background:%s;color:%s\">%.0f&thinsp;%%<small>%lld</small></td>",
                 hex_colour(heat_colour(share)).c_str(), needs_white_text(share) ? "#fff" : "#222",
                 100 * share, static_cast<long long>(count));
    }
    text += "</tr>\n";
  }
  return section("What is taken for what", text +
                                               "</tbody>\n</table></div>\n<p class=\"soft\">Rows: "
                                               "truth. Columns: answer. Share of the row's "
                                               "faces, and their number.</p>\n");
}

// gnuplot's SVG as a part of the page: its ink is the page's, its ids are its own.
std::string inline_svg(std::string svg, int number) {
  svg = svg.substr(std::min(svg.find("<svg"), svg.size()));
  const std::string prefix = format("c%d-", number);
  for (const char* id : {"id='", "id=\"", "href='#", "href=\"#", "url(#"}) {
    svg = replace_all(std::move(svg), id, id + prefix);
  }
  for (const char* ink :
       {"\"black\"", "\"rgb(34,34,34)\"", "\"rgb( 34,  34,  34)\"", "'rgb( 34,  34,  34)'"}) {
    svg = replace_all(std::move(svg), ink, "\"currentColor\"");
  }
  svg = replace_all(std::move(svg), "<g fill=\"none\" color=\"currentColor\"", "<g fill=\"none\"");
  for (const char* paper : {"\"#ffffff\"", "\"rgb(255,255,255)\"", "\"#FFFFFF\"", "'#FFFFFF'"}) {
    svg = replace_all(std::move(svg), paper, "\"var(--card)\"");
  }
  svg = replace_all(std::move(svg), "rgb(0,114,178)", "var(--accent)");
  svg = replace_all(std::move(svg), "rgb(  0, 114, 178)", "var(--accent)");
  return replace_all(std::move(svg), "font-family=\"DejaVu Sans\"", "");
}

using Plot = std::function<bool(const std::filesystem::path&)>;

// The charts beside each other, drawn at once.
std::string charts(const std::vector<std::pair<std::string, Plot>>& plots, int first_number) {
  if (!gnuplot_available())
    return "<p class=\"soft\">Charts need gnuplot, which is not installed.</p>\n";
  const TemporaryFolder folder;
  std::vector<std::string> drawn(plots.size());
  parallel_for(static_cast<std::int64_t>(plots.size()), [&](std::int64_t i) {
    const auto path = folder.path() / format("%lld.svg", static_cast<long long>(i));
    if (plots[i].second(path))
      drawn[i] = inline_svg(read_text_file(path), first_number + static_cast<int>(i));
  });
  std::string text = "<div class=\"charts\">\n";
  for (std::size_t i = 0; i < plots.size(); ++i) {
    if (!drawn[i].empty()) {
      text += "<figure role=\"img\" aria-label=\"" + html_escape(plots[i].first) + "\">\n" +
              drawn[i] + "</figure>\n";
    }
  }
  return text + "</div>\n";
}

std::string trust_section(const Evaluation& e) {
  std::string text = charts(
      {{"reliability diagram",
        [&](const auto& path) {
          return plot_reliability(path, e.reliability, "confidence and accuracy");
        }},
       {"coverage-accuracy curve",
        [&](const auto& path) {
          return plot_coverage(path, e.coverage, marked_threshold(e), "only the surest answers");
        }}},
      1);
  std::string rows;
  const auto row = [&](const CoveragePoint& p, const std::string& note) {
    const std::string right =
        p.coverage > 0 ? format("%.1f&thinsp;%%", 100 * p.accuracy) : std::string("&ndash;");
    rows += format(
        "<tr><th scope=\"row\">%.3f</th><td>%.1f&thinsp;%%</td><td>%s</td><td>%s</td></tr>\n",
        p.threshold, 100 * p.coverage, right.c_str(), note.c_str());
  };
  if (e.uncertain) row(*e.uncertain, "the model's own threshold");
  for (const Threshold& t : e.thresholds)
    row(t.point,
        format("for %.0f&thinsp;%% right, chosen on these faces", 100 * t.wanted_accuracy));
  if (!rows.empty()) {
    text += "<h3>Answers that are sure enough</h3>\n" +
            table({"confidence at least", "faces with an answer", "right", ""}, rows);
  }
  return section("Can its confidence be trusted?", text);
}

std::string scored_table(const std::string& column, const std::vector<Scored>& scored) {
  std::string rows;
  for (const Scored& s : scored) {
    rows += "<tr><th scope=\"row\">" + html_escape(s.name) + "</th>";
    for (const auto x : {&Metrics::accuracy, &Metrics::macro_f1, &Metrics::balanced_accuracy}) {
      rows += ranged(s.metrics.*x, s.intervals.low.*x, s.intervals.high.*x);
    }
    rows += format("<td>%lld</td></tr>\n", static_cast<long long>(s.metrics.n));
  }
  return table({column, "accuracy", "macro F1", "balanced accuracy", "faces"}, rows);
}

std::string groups_sections(const Evaluation& e) {
  std::string text;
  if (!e.parts.empty()) {
    std::vector<Scored> scored = {e.all};
    scored.insert(scored.end(), e.parts.begin(), e.parts.end());
    text += section("Beside the official figures", scored_table("part", scored));
  }
  if (!e.slices.empty()) {
    std::string tables;
    for (const SliceTable& slice : e.slices) tables += scored_table(slice.column, slice.groups);
    text += section("Groups", tables);
  }
  for (const Rival& rival : e.rivals) {
    std::string rows;
    for (const MetricDifference& d : rival.comparison.differences) {
      const std::string interval =
          d.name == "ece" ? "" : format("%+.4f to %+.4f", d.interval.low, d.interval.high);
      rows += format(
          "<tr><th scope=\"row\">%s</th><td>%.4f</td><td>%.4f</td><td>%+.4f</td><td>%s</td></tr>\n",
          d.name.c_str(), d.first, d.second, d.difference, interval.c_str());
    }
    const McNemar& test = rival.comparison.mcnemar;
    text +=
        section("Compared with " + rival.name,
                table({"metric", "this model", "the other", "difference", "interval"}, rows) +
                    format("<p class=\"soft\">Same faces, same resamples. Only this model is "
                           "right on %lld, only the other on %lld; McNemar's test: p = %.3g.</p>\n",
                           static_cast<long long>(test.only_first),
                           static_cast<long long>(test.only_second), test.p_value));
  }
  return text;
}

std::string curve_section(const ReportSource& source) {
  if (source.curve.empty()) return "";
  const auto panel = [&source](CurvePanels panels) {
    return [&source, panels](const auto& path) {
      return plot_curves(path, source.curve, source.epoch, "", panels);
    };
  };
  return section("How it was trained", charts({{"accuracy an epoch", panel(CurvePanels::kAccuracy)},
                                               {"loss an epoch", panel(CurvePanels::kLoss)}},
                                              3));
}

std::string face(const Predictions& predictions, const ReportSource& source, std::int64_t i) {
  // Large photos are reduced: a report is to be mailed.
  constexpr int kSide = 160;
  Image image = source.image(i);
  const int longer = std::max(image.width, image.height);
  if (longer > kSide) {
    image = resize(image, std::max(1, image.width * kSide / longer),
                   std::max(1, image.height * kSide / longer));
  }
  const int predicted = predictions.predicted(i), truth = predictions.truth[i];
  const std::string& said = predictions.labels[predicted];
  const std::string& is = predictions.labels[truth];
  return "<figure><img loading=\"lazy\" alt=\"face labelled " + html_escape(is) +
         "\" src=\"data:image/png;base64," + base64(encode_png(image)) +
         "\">\n<figcaption><span class=\"true\">" + label_with_dot(is, truth) +
         "</span><br><span class=\"said\">said " + html_escape(said) +
         format(" %.0f&thinsp;%%</span><br>", 100 * predictions.row(i)[predicted]) +
         (source.origin ? html_escape(source.origin(i)) : "") + "</figcaption></figure>\n";
}

std::string mistakes_section(const Predictions& predictions, const ReportSource& source) {
  if (!source.image) return "";
  if (!png_available()) return section("Mistakes", "<p class=\"soft\">Pictures need libpng.</p>\n");
  std::string text;
  const auto gallery = [&](const char* title, const std::vector<std::int64_t>& rows) {
    text += std::string("<h3>") + title + "</h3>\n<div class=\"faces\">\n";
    for (const std::int64_t i : rows) text += face(predictions, source, i);
    text += "</div>\n";
  };
  const auto worst = worst_mistakes(predictions, source.mistakes);
  if (worst.empty()) return section("Mistakes", "<p>There are none.</p>\n");
  gallery("Wrong and sure of it", worst);
  gallery("Wrong and unsure", most_uncertain_mistakes(predictions, source.mistakes));
  return section(
      "Mistakes",
      "<p class=\"soft\">The label of the data, then the answer and its confidence. "
      "Many labels of this kind are open to doubt: look before blaming the model.</p>\n" +
          text);
}

}  // namespace

std::string html_report(const Evaluation& e, const Predictions& predictions,
                        const ReportSource& source) {
  const std::string title = "Evaluation of " + e.model;
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
      html_escape(title) + "</title>\n<style>" + kStyle +
      "</style>\n</head>\n<body>\n<main>\n<h1>" + html_escape(title) + "</h1>\n<p class=\"soft\">" +
      html_escape(e.data) + " · split " + html_escape(e.split) + " · head " + html_escape(e.head) +
      format(" · %lld faces</p>\n", static_cast<long long>(e.all.metrics.n));
  html += summary(e) + class_section(e) + confusion_section(e.all.metrics) + trust_section(e) +
          groups_sections(e) + figures_section(e) + curve_section(source) +
          mistakes_section(predictions, source);
  html += format(
      "<footer><p>Intervals: %.0f&thinsp;%% percentile bootstrap, %d resamples, seed %llu; exact "
      "where few "
      "are wrong. "
      "Averages over classes weigh each class alike; rows of the matrix are the truth.</p>\n"
      "<p>A label names a facial expression, not what a person feels.</p>\n",
      100 * e.bootstrap.level, e.bootstrap.resamples,
      static_cast<unsigned long long>(e.bootstrap.seed));
  std::vector<std::string> origin;
  for (const auto& [key, value] : e.origin)
    origin.push_back(html_escape(replace_all(key, "_", " ") + " " + value));
  html += "<p>" + join(origin, " · ") + "</p></footer>\n</main>\n</body>\n</html>\n";
  return html;
}

}  // namespace fer
