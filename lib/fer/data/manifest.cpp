#include "fer/data/manifest.h"

#include "fer/core/error.h"
#include "fer/data/csv.h"
#include "fer/data/image_files.h"

namespace fer {

bool is_manifest_header(const std::vector<std::string>& header) {
  return find_column(header, "path") && find_column(header, "label");
}

FaceTable read_manifest(const std::filesystem::path& path, const DatasetOptions& options) {
  const CsvFile csv = read_csv(path);
  if (csv.rows.empty()) fail_input(csv.name + ": no rows after the header");
  const std::size_t path_column = require_column(csv.header, "path", csv.name);
  const std::size_t label_column = require_column(csv.header, "label", csv.name);
  const auto split_column = find_column(csv.header, "split");

  std::vector<ImageFile> files;
  std::vector<Split> splits;
  for (std::size_t r = 0; r < csv.rows.size(); ++r) {
    const std::vector<std::string>& row = csv.rows[r];
    const std::string place = csv.name + " row " + std::to_string(r + 1);
    if (row[path_column].empty()) fail_input(place + ": the path is empty");
    if (row[label_column].empty()) fail_input(place + ": the label is empty");
    files.push_back({path.parent_path() / row[path_column], row[label_column], place});
    if (split_column) {
      const auto split = find_split(row[*split_column]);
      if (!split) {
        fail_input(place + ": split is '" + row[*split_column] + "', expected train, val or test");
      }
      splits.push_back(*split);
    }
  }

  FaceTable table;
  const std::vector<std::size_t> kept = decode_files(files, options, table);
  for (std::size_t c = 0; c < csv.header.size(); ++c) {
    if (c == path_column || c == label_column || (split_column && c == *split_column)) continue;
    table.columns.push_back(csv.header[c]);
    table.values.emplace_back();
    for (const std::size_t i : kept) table.values.back().push_back(csv.rows[i][c]);
  }
  if (split_column) {
    for (const std::size_t i : kept) table.splits.push_back(splits[i]);
  }
  table.description = "manifest " + csv.name;
  return table;
}

}  // namespace fer
