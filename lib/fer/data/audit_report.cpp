#include <algorithm>
#include <nlohmann/json.hpp>

#include "fer/core/png.h"
#include "fer/core/text.h"
#include "fer/data/audit.h"

namespace fer {
namespace {

constexpr std::array kSplits = {Split::kTrain, Split::kVal, Split::kTest};

std::string number(std::int64_t n) { return std::to_string(n); }

std::string label_name(const OpenedDataset& data, const SampleRef& ref) {
  const Dataset& part = data.split(ref.split);
  const int label = part.target(ref.index, 0).label;
  return label < 0 ? "no label" : part.heads()[0].labels[static_cast<std::size_t>(label)];
}

template <typename Predicate>
std::int64_t count_groups(const std::vector<DuplicateGroup>& groups, Predicate predicate) {
  return std::count_if(groups.begin(), groups.end(), predicate);
}

// "288 of test (14 under another label)"
std::string leak_text(const std::array<Leak, 3>& leaks) {
  std::vector<std::string> parts;
  for (const Split split : {Split::kVal, Split::kTest}) {
    const Leak& leak = leaks[static_cast<std::size_t>(split)];
    parts.push_back(number(leak.images) + " of " + to_string(split) + " (" +
                    number(leak.conflicting) + " under another label)");
  }
  return join(parts, ", ");
}

// Findings as (what, figures), the same in both forms.
std::vector<std::pair<std::string, std::string>> findings(const Audit& audit) {
  const auto groups = [](const std::vector<DuplicateGroup>& list) {
    return number(static_cast<std::int64_t>(list.size())) + " groups, " +
           number(count_groups(list, [](const auto& g) { return g.across_splits; })) +
           " across splits, " +
           number(count_groups(list, [](const auto& g) { return g.conflicting; })) +
           " with conflicting labels";
  };
  std::vector<std::pair<std::string, std::string>> list = {
      {"Repeated images", number(audit.repeated) + " equal an earlier one"},
      {"Exact duplicates", groups(audit.exact)},
      {"Near duplicates", groups(audit.near)},
      {"Equal to a training image", leak_text(audit.exact_leaks)},
      {"Nearly equal to one", leak_text(audit.near_leaks)},
      {"Blank suspects", number(static_cast<std::int64_t>(audit.blank.size())) + " images"}};
  if (audit.faceless) {
    list.emplace_back("Faceless suspects",
                      number(static_cast<std::int64_t>(audit.faceless->size())) + " images");
  }
  return list;
}

std::vector<const DuplicateGroup*> gravest_first(const std::vector<DuplicateGroup>& groups) {
  std::vector<const DuplicateGroup*> order;
  for (const DuplicateGroup& group : groups) order.push_back(&group);
  const auto gravity = [](const DuplicateGroup* g) {
    return 2 * g->across_splits + g->conflicting;
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](const auto* a, const auto* b) { return gravity(a) > gravity(b); });
  return order;
}

std::string figure(const OpenedDataset& data, const SampleRef& ref) {
  const Dataset& part = data.split(ref.split);
  const std::string label = label_name(data, ref);
  return "<figure title=\"" + html_escape(part.origin(ref.index)) + "\"><img alt=\"" +
         html_escape(label) + "\" src=\"data:image/png;base64," +
         base64(encode_png(part.image(ref.index))) + "\"><figcaption>" + html_escape(label) +
         "<br><small>" + to_string(ref.split) + "</small></figcaption></figure>";
}

std::string section(const std::string& title, const std::vector<DuplicateGroup>& groups,
                    const OpenedDataset& data, std::size_t most) {
  constexpr std::size_t kMostMembers = 12;
  std::vector<const DuplicateGroup*> order = gravest_first(groups);
  std::string html = "<h2>" + title + "</h2>\n";
  if (order.empty()) return html + "<p>None.</p>\n";
  if (order.size() > most) {
    html += "<p>The gravest " + std::to_string(most) + " of " + std::to_string(order.size()) +
            " groups.</p>\n";
    order.resize(most);
  }
  html += "<div class=groups>\n";
  for (const DuplicateGroup* group : order) {
    html += std::string("<div class=\"group") + (group->across_splits ? " leak" : "") +
            (group->conflicting ? " conflict" : "") + "\">";
    for (std::size_t m = 0; m < std::min(group->members.size(), kMostMembers); ++m) {
      html += figure(data, group->members[m]);
    }
    if (group->members.size() > kMostMembers) {
      html += "<p>and " + std::to_string(group->members.size() - kMostMembers) + " more</p>";
    }
    html += "</div>\n";
  }
  return html + "</div>\n";
}

std::string gallery(const std::string& title, const std::vector<SampleRef>& refs,
                    const OpenedDataset& data, std::size_t most) {
  std::string html = "<h2>" + title + "</h2>\n";
  if (refs.empty()) return html + "<p>None.</p>\n";
  if (refs.size() > most) {
    html += "<p>The first " + std::to_string(most) + " of " + std::to_string(refs.size()) +
            " images.</p>\n";
  }
  html += "<div class=groups>\n";
  for (std::size_t i = 0; i < std::min(refs.size(), most); ++i) html += figure(data, refs[i]);
  return html + "</div>\n";
}

constexpr char kStyle[] = R"(
:root { color-scheme: light dark; --line: #8884; --leak: #d9480f; --conflict: #c2255c; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto;
       padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .25rem .75rem; text-align: left; border-bottom: 1px solid var(--line); }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.bar { display: inline-block; height: .7em; background: #4c6ef5; border-radius: 2px; }
.groups { display: flex; flex-wrap: wrap; gap: .6rem; }
.group { display: flex; flex-wrap: wrap; gap: .3rem; border: 1px solid var(--line);
         border-radius: 6px; padding: .4rem; break-inside: avoid; }
.leak { border-color: var(--leak); }
.conflict { box-shadow: 0 0 0 2px var(--conflict); }
figure { margin: 0; width: 72px; text-align: center; font-size: 11px; line-height: 1.25; }
img { width: 72px; height: 72px; object-fit: contain; image-rendering: pixelated;
      background: #8882; }
.key { border: 1px solid; border-radius: 4px; padding: 0 .4em; }
)";

}  // namespace

std::string audit_text(const Audit& audit, const OpenedDataset& data) {
  std::string text = data.description + "\n";
  const LabelList& labels = data.train->heads()[0].labels;
  for (const Split split : kSplits) {
    std::vector<std::string> parts;
    const auto& counts = audit.class_counts[static_cast<std::size_t>(split)];
    for (std::size_t c = 0; c < labels.size(); ++c)
      parts.push_back(labels[c] + " " + number(counts[c]));
    text += format("%-27s%lld: ", to_string(split).c_str(),
                   static_cast<long long>(data.split(split).size())) +
            join(parts, ", ") + "\n";
  }
  for (const auto& [what, figures] : findings(audit)) {
    text += format("%-27s", what.c_str()) + figures + "\n";
  }
  return text;
}

std::string audit_json(const Audit& audit, const OpenedDataset& data) {
  using Json = nlohmann::ordered_json;
  const auto image = [&](const SampleRef& ref) {
    return Json{{"split", to_string(ref.split)},
                {"label", label_name(data, ref)},
                {"origin", data.split(ref.split).origin(ref.index)}};
  };
  const auto groups = [&](const std::vector<DuplicateGroup>& list) {
    Json all = Json::array();
    for (const DuplicateGroup* group : gravest_first(list)) {
      Json entry = {{"across_splits", group->across_splits},
                    {"conflicting", group->conflicting},
                    {"images", Json::array()}};
      for (const SampleRef& ref : group->members) entry["images"].push_back(image(ref));
      all.push_back(std::move(entry));
    }
    return all;
  };
  Json json = {{"schema", "fer.audit.1"},
               {"data", data.description},
               {"labels", data.train->heads()[0].labels},
               {"class_counts", Json::object()},
               {"repeated", audit.repeated},
               {"equal_to_training", Json::object()},
               {"nearly_equal_to_training", Json::object()}};
  for (const Split split : kSplits) {
    const auto s = static_cast<std::size_t>(split);
    json["class_counts"][to_string(split)] = audit.class_counts[s];
    if (split == Split::kTrain) continue;
    const auto leak = [](const Leak& found) {
      return Json{{"images", found.images}, {"conflicting", found.conflicting}};
    };
    json["equal_to_training"][to_string(split)] = leak(audit.exact_leaks[s]);
    json["nearly_equal_to_training"][to_string(split)] = leak(audit.near_leaks[s]);
  }
  json["exact"] = groups(audit.exact);
  json["near"] = groups(audit.near);
  const auto images = [&](const std::vector<SampleRef>& refs) {
    Json all = Json::array();
    for (const SampleRef& ref : refs) all.push_back(image(ref));
    return all;
  };
  json["blank"] = images(audit.blank);
  json["faceless"] = audit.faceless ? images(*audit.faceless) : Json();
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string audit_html(const Audit& audit, const OpenedDataset& data, std::size_t most) {
  std::string html =
      "<!doctype html>\n<html lang=en><meta charset=utf-8>"
      "<meta name=viewport content=\"width=device-width\">\n<title>Audit of " +
      html_escape(data.description) + "</title>\n<style>" + kStyle + "</style>\n<h1>Audit of " +
      html_escape(data.description) + "</h1>\n<table>\n";
  for (const auto& [what, figures] : findings(audit)) {
    html += "<tr><th>" + what + "<td>" + figures + "\n";
  }
  html += "</table>\n<h2>Class balance</h2>\n<table>\n<tr><th>label";
  for (const Split split : kSplits) html += "<th>" + to_string(split);
  html += "<th>share of train\n";
  const LabelList& labels = data.train->heads()[0].labels;
  for (std::size_t c = 0; c < labels.size(); ++c) {
    html += "<tr><td>" + html_escape(labels[c]);
    for (const auto& counts : audit.class_counts) html += "<td class=n>" + number(counts[c]);
    const double share = static_cast<double>(audit.class_counts[0][c]) /
                         static_cast<double>(std::max<std::int64_t>(1, data.train->size()));
    html += format("<td><span class=bar style=\"width:%.0fpx\"></span> %.1f %%\n", 400 * share,
                   100 * share);
  }
  html +=
      "</table>\n<p>Framed <span class=key style=\"color:var(--leak)\">orange</span>: in more than "
      "one "
      "split. Ringed <span class=key style=\"color:var(--conflict)\">red</span>: under different "
      "labels. "
      "Point at a picture for its origin.</p>\n";
  html += section("Exact duplicates", audit.exact, data, most);
  html += section("Near duplicates", audit.near, data, most);
  html += gallery("Blank suspects", audit.blank, data, most);
  if (audit.faceless) html += gallery("Faceless suspects", *audit.faceless, data, most);
  return html + "</html>\n";
}

}  // namespace fer
