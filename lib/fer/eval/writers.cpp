#include "fer/eval/writers.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "fer/core/file.h"
#include "fer/core/parallel.h"
#include "fer/core/text.h"
#include "fer/eval/plot.h"

namespace fer {

namespace {

using Json = nlohmann::ordered_json;

long long whole(std::int64_t n) { return n; }

// "0.701 [.686, .716]"; "-" where nothing was counted.
std::string with_interval(double value, double low, double high) {
  if (std::isnan(low) || std::isnan(high)) return "-";
  const auto brief = [](double x) {
    const std::string text = format("%.3f", x);
    return text.starts_with("0.") ? text.substr(1) : text;
  };
  return format("%.3f [%s, %s]", value, brief(low).c_str(), brief(high).c_str());
}

// The calibration error stands alone: its resamples are biased upwards.
std::string metric_text(const Scored& scored, const std::string& name) {
  const double value = metric_value(scored.metrics, name);
  if (name == "ece") return format("%.3f", value);
  return with_interval(value, metric_value(scored.intervals.low, name),
                       metric_value(scored.intervals.high, name));
}

std::string row(const std::string& name, std::size_t width, const std::vector<std::string>& cells,
                int cell_width) {
  std::string line = padded_text(name, width);
  const auto wide = static_cast<std::size_t>(cell_width);
  for (const std::string& cell : cells)
    line += "  " + std::string(wide - std::min(wide, text_width(cell)), ' ') + printable(cell);
  return line + "\n";
}

std::size_t widest(const std::vector<std::string>& names, std::size_t least) {
  for (const std::string& name : names) least = std::max(least, text_width(name));
  return least;
}

std::string scored_table(const std::string& title, const std::vector<Scored>& scored) {
  std::vector<std::string> names;
  for (const Scored& s : scored) names.push_back(s.name);
  const std::size_t width = widest(names, title.size());
  std::string text = row(title, width, {"accuracy", "macro F1", "balanced accuracy", "n"}, 20);
  for (const Scored& s : scored) {
    const auto cell = [&](double Metrics::*x) {
      return with_interval(s.metrics.*x, s.intervals.low.*x, s.intervals.high.*x);
    };
    text += row(s.name, width,
                {cell(&Metrics::accuracy), cell(&Metrics::macro_f1),
                 cell(&Metrics::balanced_accuracy), format("%lld", whole(s.metrics.n))},
                20);
  }
  return text;
}

}  // namespace

namespace {

// Columns are named by the beginning of their labels, or by number where that tells too little.
std::string confusion_table(const LabelList& labels,
                            const std::vector<std::vector<std::int64_t>>& confusion,
                            std::size_t width) {
  int column = static_cast<int>(std::min<std::size_t>(width, 9));
  std::vector<std::string> heads, names = labels;
  for (const std::string& label : labels)
    heads.push_back(cut_text(label, static_cast<std::size_t>(column)));
  if (std::set<std::string>(heads.begin(), heads.end()).size() < heads.size()) {
    column = 5;
    width += 4;
    for (std::size_t c = 0; c < labels.size(); ++c) {
      heads[c] = std::to_string(c + 1);
      names[c] = format("%2zu  ", c + 1) + labels[c];
    }
  }
  std::string text = row("", width, heads, column);
  for (std::size_t t = 0; t < names.size(); ++t) {
    std::vector<std::string> counts;
    for (const std::int64_t count : confusion[t]) counts.push_back(format("%lld", whole(count)));
    text += row(names[t], width, counts, column);
  }
  return text;
}

}  // namespace

std::string to_text(const Evaluation& e) {
  const Metrics& m = e.all.metrics;
  const Metrics &low = e.all.intervals.low, &high = e.all.intervals.high;
  std::string text = accuracy_line(e.all) + "\n";
  if (!e.data.empty())
    text += printable(e.model + ", head " + e.head + ", on " + e.split + " of " + e.data) + "\n";
  text += "\n";

  std::vector<std::string> labels;
  for (const ClassMetrics& c : m.classes) labels.push_back(c.label);
  const std::size_t width = widest(labels, 8);
  text += row("class", width, {"precision", "recall", "F1", "support"}, 18);
  for (std::size_t c = 0; c < m.classes.size(); ++c) {
    const auto cell = [&](double ClassMetrics::*x) {
      return with_interval(m.classes[c].*x, low.classes[c].*x, high.classes[c].*x);
    };
    text += row(labels[c], width,
                {cell(&ClassMetrics::precision), cell(&ClassMetrics::recall),
                 cell(&ClassMetrics::f1), format("%lld", whole(m.classes[c].support))},
                18);
  }
  const auto cell = [&](double Metrics::*x) { return with_interval(m.*x, low.*x, high.*x); };
  const std::string n = format("%lld", whole(m.n));
  text += row(
      "macro", width,
      {cell(&Metrics::macro_precision), cell(&Metrics::macro_recall), cell(&Metrics::macro_f1), n},
      18);
  text += row("weighted", width,
              {cell(&Metrics::weighted_precision), cell(&Metrics::weighted_recall),
               cell(&Metrics::weighted_f1), n},
              18);

  text += "\n";
  for (const char* name : {"top2_accuracy", "balanced_accuracy", "kappa", "nll", "brier", "ece"})
    text += format("%-18s %s\n", name, metric_text(e.all, name).c_str());

  text += "\nconfusion matrix (rows: truth, columns: prediction)\n";
  text += confusion_table(labels, m.confusion, width);

  if (!e.thresholds.empty() || e.uncertain) text += "\nanswers that are sure enough\n";
  if (e.uncertain) {
    text += format("at least %.3f (the model's own threshold): %5.1f %% of the faces",
                   e.uncertain->threshold, 100 * e.uncertain->coverage);
    text += e.uncertain->coverage > 0 ? format(", %5.1f %% right\n", 100 * e.uncertain->accuracy)
                                      : std::string("\n");
  }
  for (const Threshold& t : e.thresholds) {
    text += format("at least %.3f (chosen on these faces): %5.1f %% of the faces, %5.1f %% right\n",
                   t.point.threshold, 100 * t.point.coverage, 100 * t.point.accuracy);
  }
  if (!e.parts.empty()) text += "\n" + scored_table("part", e.parts);
  for (const SliceTable& table : e.slices) text += "\n" + scored_table(table.column, table.groups);
  for (const Rival& rival : e.rivals) {
    text += "\n" + row("compared with " + rival.name, 18, {}, 0);
    text += row("", 18, {"this model", "the other", "difference"}, 22);
    for (const MetricDifference& d : rival.comparison.differences) {
      text += row(d.name, 18,
                  {format("%.4f", d.first), format("%.4f", d.second),
                   d.name == "ece" ? format("%+.3f", d.difference)
                                   : format("%+.3f [%+.3f, %+.3f]", d.difference, d.interval.low,
                                            d.interval.high)},
                  22);
    }
    const McNemar& test = rival.comparison.mcnemar;
    text += format("only this one right %lld, only the other %lld; McNemar p = %.3g\n",
                   whole(test.only_first), whole(test.only_second), test.p_value);
  }
  text += "\n";
  for (const std::string& sentence : in_words(e)) text += printable(sentence) + "\n";
  return text;
}

namespace {

Json number_json(double value, double low, double high) {
  return {{"value", value}, {"low", low}, {"high", high}};
}

Json scored_json(const Scored& scored) {
  const Metrics &m = scored.metrics, &low = scored.intervals.low, &high = scored.intervals.high;
  Json json = {{"name", scored.name}, {"n", m.n}, {"metrics", Json::object()}};
  for (const std::string& name : metric_names()) {
    json["metrics"][name] =
        number_json(metric_value(m, name), metric_value(low, name), metric_value(high, name));
  }
  json["classes"] = Json::array();
  for (std::size_t c = 0; c < m.classes.size(); ++c) {
    const auto number = [&](double ClassMetrics::*x) {
      return number_json(m.classes[c].*x, low.classes[c].*x, high.classes[c].*x);
    };
    json["classes"].push_back({{"label", m.classes[c].label},
                               {"precision", number(&ClassMetrics::precision)},
                               {"recall", number(&ClassMetrics::recall)},
                               {"f1", number(&ClassMetrics::f1)},
                               {"support", m.classes[c].support}});
  }
  json["confusion"] = m.confusion;
  return json;
}

Json point_json(const CoveragePoint& point) {
  return {{"threshold", point.threshold},
          {"coverage", point.coverage},
          {"accuracy", point.coverage > 0 ? Json(point.accuracy) : Json()}};
}

}  // namespace

std::string to_json(const Evaluation& e) {
  Json json = {{"schema", "fer.metrics.1"}, {"model", e.model}, {"data", e.data},
               {"split", e.split},          {"head", e.head},   {"notes", e.notes}};
  json["origin"] = Json::object();
  for (const auto& [key, value] : e.origin) json["origin"][key] = value;
  json["bootstrap"] = {{"resamples", e.bootstrap.resamples},
                       {"seed", e.bootstrap.seed},
                       {"level", e.bootstrap.level}};
  json.update(scored_json(e.all));
  json.erase("name");
  json["reliability"] = Json::array();
  for (const ReliabilityBin& bin : e.reliability) {
    json["reliability"].push_back({{"low", bin.low},
                                   {"high", bin.high},
                                   {"count", bin.count},
                                   {"confidence", bin.confidence},
                                   {"accuracy", bin.accuracy}});
  }
  json["confidence"] = {{"excess", number_json(e.confidence.excess, e.confidence.interval.low,
                                               e.confidence.interval.high)},
                        {"ece_by_chance", e.confidence.ece_by_chance}};
  json["coverage"] = Json::array();
  for (const CoveragePoint& point : e.coverage) json["coverage"].push_back(point_json(point));
  json["thresholds"] = Json::array();
  for (const Threshold& t : e.thresholds) {
    Json entry = point_json(t.point);
    entry["wanted_accuracy"] = t.wanted_accuracy;
    json["thresholds"].push_back(entry);
  }
  json["uncertain"] = e.uncertain ? point_json(*e.uncertain) : Json();
  json["parts"] = Json::array();
  for (const Scored& part : e.parts) json["parts"].push_back(scored_json(part));
  json["slices"] = Json::array();
  for (const SliceTable& table : e.slices) {
    Json entry = {{"column", table.column}, {"groups", Json::array()}, {"gap", nullptr}};
    for (const Scored& group : table.groups) entry["groups"].push_back(scored_json(group));
    if (table.gap) {
      entry["gap"] = {{"better", table.gap->better},
                      {"worse", table.gap->worse},
                      {"accuracy", number_json(table.gap->difference, table.gap->interval.low,
                                               table.gap->interval.high)},
                      {"p_value", table.gap->p_value}};
    }
    json["slices"].push_back(entry);
  }
  json["comparisons"] = Json::array();
  for (const Rival& rival : e.rivals) {
    const McNemar& test = rival.comparison.mcnemar;
    Json entry = {
        {"model", rival.name}, {"metrics", Json::object()}, {"differences", Json::object()}};
    for (const MetricDifference& d : rival.comparison.differences) {
      entry["metrics"][d.name] = d.second;
      entry["differences"][d.name] = number_json(d.difference, d.interval.low, d.interval.high);
    }
    entry["mcnemar"] = {{"only_this", test.only_first},
                        {"only_other", test.only_second},
                        {"p_value", test.p_value}};
    json["comparisons"].push_back(entry);
  }
  // Paths and labels may hold bytes that are no UTF-8.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string to_markdown(const Evaluation& e) {
  const Metrics& m = e.all.metrics;
  const Metrics &low = e.all.intervals.low, &high = e.all.intervals.high;
  const auto cell = [](const std::string& text) { return replace_all(text, "|", "\\|"); };
  std::string text =
      kMeasuredPart + format(
                          "%s, split %s, %lld faces, head %s; in brackets %.0f %% intervals "
                          "(percentile bootstrap, %d resamples; exact where few are wrong).\n\n",
                          e.data.c_str(), e.split.c_str(), whole(m.n), e.head.c_str(),
                          100 * e.bootstrap.level, e.bootstrap.resamples);
  text += "| metric | value |\n|---|---|\n";
  for (const std::string& name : metric_names()) {
    text += "| " + name + " | " + metric_text(e.all, name) + " |\n";
  }
  text += "\n| class | precision | recall | F1 | support |\n|---|---|---|---|---|\n";
  for (std::size_t c = 0; c < m.classes.size(); ++c) {
    text += "| " + cell(m.classes[c].label);
    for (const auto x : {&ClassMetrics::precision, &ClassMetrics::recall, &ClassMetrics::f1}) {
      text += " | " + with_interval(m.classes[c].*x, low.classes[c].*x, high.classes[c].*x);
    }
    text += format(" | %lld |\n", whole(m.classes[c].support));
  }
  text += "\nRows: truth, columns: prediction.\n\n| |";
  for (const ClassMetrics& c : m.classes) text += " " + cell(c.label) + " |";
  text += "\n|---|";
  for (std::size_t c = 0; c < m.classes.size(); ++c) text += "---|";
  for (std::size_t t = 0; t < m.classes.size(); ++t) {
    text += "\n| " + cell(m.classes[t].label) + " |";
    for (const std::int64_t count : m.confusion[t]) text += format(" %lld |", whole(count));
  }
  text += "\n\n";
  for (const std::string& sentence : in_words(e)) text += "- " + sentence + "\n";
  return text;
}

std::string predictions_csv(const Predictions& predictions, const RowName& origin) {
  std::string csv = "origin,truth,prediction,confidence";
  for (const std::string& label : predictions.labels) csv += "," + csv_field("p_" + label);
  csv += "\n";
  for (std::int64_t i = 0; i < predictions.size(); ++i) {
    const std::span<const float> p = predictions.row(i);
    const int predicted = predictions.predicted(i);
    csv += csv_field(origin(i)) + "," + csv_field(predictions.labels[predictions.truth[i]]) + "," +
           csv_field(predictions.labels[predicted]) + format(",%.6f", p[predicted]);
    for (const float value : p) csv += format(",%.6f", value);
    csv += "\n";
  }
  return csv;
}

void write_evaluation(const std::filesystem::path& folder, const Evaluation& e,
                      const Predictions& predictions, const RowName& origin) {
  make_directories(folder);
  write_file_atomically(folder / "metrics.json", to_json(e));
  write_file_atomically(folder / "predictions.csv", predictions_csv(predictions, origin));
  const Metrics& m = e.all.metrics;
  std::vector<std::function<void()>> plots;
  for (const char* type : {".png", ".svg"}) {
    const auto file = [&folder, type](const char* name) {
      return folder / (std::string(name) + type);
    };
    plots.push_back([&, file] {
      plot_confusion_matrix(file("confusion_matrix"), predictions.labels, m.confusion, false,
                            format("%s, %lld faces", e.split.c_str(), whole(m.n)));
    });
    plots.push_back([&, file] {
      plot_confusion_matrix(file("confusion_matrix_normalized"), predictions.labels, m.confusion,
                            true, e.split + ", share of each truth");
    });
    plots.push_back([&, file] {
      plot_reliability(file("reliability"), e.reliability,
                       format("%s: calibration error %.3f", e.split.c_str(), m.ece));
    });
    plots.push_back([&, file] {
      plot_coverage(file("coverage"), e.coverage, marked_threshold(e),
                    e.split + ": accuracy of the surest answers");
    });
  }
  parallel_for(static_cast<std::int64_t>(plots.size()), [&](std::int64_t i) { plots[i](); });
}

}  // namespace fer
