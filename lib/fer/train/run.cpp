#include "fer/train/run.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>

#include "fer/core/error.h"
#include "fer/core/file.h"
#include "fer/core/log.h"
#include "fer/core/png.h"
#include "fer/core/progress.h"
#include "fer/core/text.h"
#include "fer/data/contact_sheet.h"

namespace fer {
namespace {

namespace fs = std::filesystem;

std::string results_header(const std::vector<HeadSpec>& heads) {
  std::string header =
      "epoch,time,lr,train_loss,train_accuracy,train_macro_f1,val_loss,val_accuracy,val_macro_f1";
  if (heads.size() > 1) {
    for (const HeadSpec& head : heads) {
      header +=
          ",val_loss_" + head.name + ",val_accuracy_" + head.name + ",val_macro_f1_" + head.name;
    }
  }
  return header;
}

std::string scores_csv(const Scores& s) {
  return format(",%.9g,%.9g,%.9g", s.loss, s.accuracy, s.macro_f1);
}

// A plot or a picture never fails a run: what went wrong is said once.
void draw(const std::string& what, const std::function<void()>& body) {
  try {
    body();
  } catch (const std::exception& e) {
    log_warning(what + " not drawn: " + e.what());
  }
}

}  // namespace

RunLock::RunLock(const fs::path& folder)
    : folder_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  // A file system without locks is no reason not to train.
  if (folder_ >= 0 && ::flock(folder_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(folder_);
    fail_input(folder.string() + ": is being trained by another process");
  }
}

RunLock::~RunLock() {
  if (folder_ >= 0) ::close(folder_);
}

RunFolder RunFolder::create(const fs::path& project, const std::string& name, bool exist_ok) {
  const RunFolder folder(make_run_folder(project, name, exist_ok));
  make_directories(folder.best().parent_path());
  return folder;
}

RunFolder RunFolder::unfinished(const fs::path& project, const std::string& run) {
  if (!run.empty()) {
    const RunFolder folder{fs::path(run)};
    if (!fs::exists(folder.path())) fail_input(run + ": no such run folder");
    if (!fs::exists(folder.state())) {
      fail_input(run +
                 ": nothing to resume (weights/state.safetensors is gone: the run is finished)");
    }
    const RunLock free(folder.path());
    return folder;
  }
  fs::path newest;
  fs::file_time_type newest_time{};
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(project, ignored)) {
    const auto state = entry.path() / "weights" / "state.safetensors";
    const auto time = fs::last_write_time(state, ignored);
    if (ignored || (!newest.empty() && time <= newest_time)) continue;
    try {
      const RunLock free(entry.path());
    } catch (const Error&) {
      continue;
    }
    newest = entry.path();
    newest_time = time;
  }
  if (newest.empty()) fail_input("no unfinished run under " + project.string());
  return RunFolder(newest);
}

ResultsLog::ResultsLog(fs::path path, const std::vector<HeadSpec>& heads, std::int64_t epochs_done)
    : path_(std::move(path)), header_(results_header(heads)) {
  if (epochs_done == 0) {
    write();
    return;
  }
  const auto lines = split(trim(read_text_file(path_)), '\n');
  if (lines[0] != header_) {
    fail_input(path_.string() + ": the header is not the one this run writes");
  }
  const auto rows = std::min(static_cast<std::int64_t>(lines.size()) - 1, epochs_done);
  rows_.assign(lines.begin() + 1, lines.begin() + 1 + rows);
  if (static_cast<std::int64_t>(rows_.size()) != epochs_done) {
    fail_input(format("%s: %zu epochs, the run's state has %lld", path_.c_str(), rows_.size(),
                      static_cast<long long>(epochs_done)));
  }
  write();
  curve_ = read_curve(path_);
  parse_double(split(rows_.back(), ',')[1], seconds_);
}

void ResultsLog::append(const EpochResult& r) {
  seconds_ += r.seconds;
  std::string row = format("%lld,%.1f,%.6g", static_cast<long long>(r.epoch), seconds_, r.lr);
  row += scores_csv(r.train) + scores_csv(r.val);
  if (r.val_heads.size() > 1) {
    for (const Scores& s : r.val_heads) row += scores_csv(s);
  }
  rows_.push_back(row);
  curve_.push_back(
      {static_cast<int>(r.epoch), r.train.accuracy, r.val.accuracy, r.train.loss, r.val.loss});
  write();
}

void ResultsLog::write() const {
  std::string text = header_ + "\n";
  for (const std::string& row : rows_) text += row + "\n";
  write_file_atomically(path_, text);
}

void draw_data(const RunFolder& folder, const OpenedDataset& data, const Trainer& trainer) {
  draw("labels.png", [&] {
    plot_class_counts(folder.file("labels.png"), data.train->heads()[0].labels, {"train", "val"},
                      {class_counts(*data.train), class_counts(*data.val)}, "Samples a class");
  });
  draw("train_batch.png", [&] {
    const auto images = trainer.preview(64);
    if (!images.empty()) write_png(folder.file("train_batch.png"), tile_images(images, 8, 2, 2));
  });
}

RunOutcome run_training(Trainer& trainer, const RunFolder& folder, const std::string& note,
                        bool resume, const std::function<bool()>& stop_requested) {
  if (resume) trainer.load_state(folder.state());
  const Checkpoint first = trainer.checkpoint();
  ResultsLog results(folder.file("results.csv"), first.spec.heads, trainer.epochs_done());
  if (!resume) {
    save_checkpoint(folder.last(), first);
    trainer.save_state(folder.state(), note);
  }
  RunOutcome outcome;
  while (!trainer.finished() && !outcome.interrupted) {
    const auto epoch = trainer.epochs_done() + 1;
    Progress progress(format("epoch %lld", static_cast<long long>(epoch)),
                      trainer.images_per_epoch(), "images", 30);
    Trainer::Callbacks callbacks;
    callbacks.stop_requested = stop_requested;
    callbacks.progress = [&](std::int64_t done, std::int64_t, double loss) {
      progress.update(done, format("loss %.4f", loss));
    };
    const auto result = trainer.run_epoch(callbacks);
    progress.clear();
    if (!result) {
      trainer.save_state(folder.state(), note);
      outcome.interrupted = true;
      break;
    }
    log_info(format(
        "epoch %3lld  train loss %.4f acc %.4f f1 %.4f  val loss %.4f acc %.4f f1 %.4f  lr %.2e  "
        "%.0f images/s  %s%s",
        static_cast<long long>(result->epoch), result->train.loss, result->train.accuracy,
        result->train.macro_f1, result->val.loss, result->val.accuracy, result->val.macro_f1,
        result->lr, result->images_per_second, human_duration(result->seconds).c_str(),
        trainer.last_was_best() ? "  best" : ""));
    results.append(*result);
    draw("curves.png", [&] {
      plot_curves(folder.file("curves.png"), results.curve(),
                  static_cast<int>(trainer.best_epoch()), folder.path().filename().string());
    });
    Checkpoint checkpoint = trainer.checkpoint();
    auto& provenance = checkpoint.spec.provenance;
    provenance["epoch"] = result->epoch;
    for (std::size_t h = 0; h < result->val_heads.size(); ++h) {
      const Scores& s = result->val_heads[h];
      const HeadSpec& head = checkpoint.spec.heads[h];
      auto& validation = provenance["validation"][head.name];
      validation = {{"loss", s.loss}, {"accuracy", s.accuracy}, {"macro_f1", s.macro_f1}};
      for (std::size_t c = 0; c < head.labels.size(); ++c) {
        if (std::isfinite(s.class_f1[c])) validation["class_f1"][head.labels[c]] = s.class_f1[c];
      }
    }
    if (trainer.last_was_best()) save_checkpoint(folder.best(), checkpoint);
    save_checkpoint(folder.last(), checkpoint);
    // Last, so that a state never speaks of files that are not there yet.
    trainer.save_state(folder.state(), note);
  }
  if (!outcome.interrupted) fs::remove(folder.state());
  outcome.best_epoch = trainer.best_epoch();
  outcome.best_score = trainer.best_score();
  return outcome;
}

std::string read_run_note(const RunFolder& folder) {
  const auto metadata = read_safetensors_metadata(folder.state());
  const auto found = metadata.find("note");
  if (found == metadata.end())
    fail_input(folder.state().string() + ": not the state of a training run");
  return found->second;
}

}  // namespace fer
