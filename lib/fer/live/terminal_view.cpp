#include "fer/live/terminal_view.h"

#include <chafa.h>
#include <langinfo.h>
#include <locale.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <thread>
#include <utility>

#include "fer/core/log.h"
#include "fer/core/profile.h"
#include "fer/core/text.h"
#include "fer/live/newest_slot.h"
#include "fer/live/terminal_screen.h"
#include "fer/vision/annotate.h"
#include "fer/vision/mat.h"

namespace fer {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kPanelColumns = 34;
const std::string kNoKittyPictures = "\x1b_Ga=d,d=A,q=2\x1b\\";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string at(int row, int column) { return format("\x1b[%d;%dH", row, column); }

// `text` in so many columns, cut or filled up, without what a terminal would obey.
std::string fitted(const std::string& text, int columns) {
  const auto width = static_cast<std::size_t>(std::max(0, columns));
  return padded_text(cut_text(text, width), width);
}

int distance(const Colour& a, const Colour& b) {
  int sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

// The sequence that writes in the nearest colour that the terminal has.
std::string ink(const Colour& c, TerminalColours colours) {
  if (colours == TerminalColours::kNone) return "";
  if (colours == TerminalColours::kDirect) return format("\x1b[38;2;%d;%d;%dm", c[0], c[1], c[2]);
  if (colours == TerminalColours::k256) {
    // The cube of xterm: levels 0, 95, 135, 175, 215, 255.
    const auto level = [](int value) {
      return value < 48 ? 0 : value < 115 ? 1 : (value - 35) / 40;
    };
    return format("\x1b[38;5;%dm", 16 + 36 * level(c[0]) + 6 * level(c[1]) + level(c[2]));
  }
  int best = 1;
  const auto basic = [](int index) {
    const int on = index < 8 ? 170 : 255, off = index < 8 ? 0 : 85;
    const auto part = [&](int bit) { return static_cast<std::uint8_t>(index & bit ? on : off); };
    return Colour{part(1), part(2), part(4)};
  };
  for (int i = 1; i < 16; ++i) {
    if (distance(c, basic(i)) < distance(c, basic(best))) best = i;
  }
  return format("\x1b[%dm", best < 8 ? 30 + best : 82 + best);
}

std::string bar(double value, int columns, bool unicode) {
  if (!unicode) {
    const int full = static_cast<int>(std::lround(value * columns));
    return std::string(static_cast<std::size_t>(full), '#') +
           std::string(static_cast<std::size_t>(columns - full), '.');
  }
  static constexpr const char* kEighths[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int eighths = static_cast<int>(std::lround(value * columns * 8));
  std::string text;
  for (int i = 0; i < columns; ++i) {
    text += eighths >= 8 * (i + 1) ? "█" : eighths > 8 * i ? kEighths[eighths - 8 * i] : " ";
  }
  return text;
}

// What the terminal can show, told from its environment.
struct Abilities {
  ChafaPixelMode pixels = CHAFA_PIXEL_MODE_SYMBOLS;
  ChafaCanvasMode colours = CHAFA_CANVAS_MODE_TRUECOLOR;
  bool picture = true, colour = true, unicode = true, cursor = true;
};

Abilities abilities_of(ChafaTermInfo* terminal) {
  Abilities can;
  const std::string term = environment("TERM"), colours = environment("COLORTERM");
  can.cursor = !term.empty() && term != "dumb";
  if (const locale_t user = ::newlocale(LC_CTYPE_MASK, "", nullptr)) {
    can.unicode = std::string(::nl_langinfo_l(CODESET, user)) == "UTF-8";
    ::freelocale(user);
  }
  can.colour = environment("NO_COLOR").empty();
  can.picture = can.cursor && can.unicode && can.colour;
  const bool direct = colours == "truecolor" || colours == "24bit" ||
                      chafa_term_info_have_seq(terminal, CHAFA_TERM_SEQ_SET_COLOR_FGBG_DIRECT);
  if (!direct) {
    can.colours = term.find("256") != std::string::npos ? CHAFA_CANVAS_MODE_INDEXED_256
                                                        : CHAFA_CANVAS_MODE_INDEXED_16;
  }
  if (chafa_term_info_have_seq(terminal, CHAFA_TERM_SEQ_BEGIN_KITTY_IMMEDIATE_IMAGE_V1)) {
    can.pixels = CHAFA_PIXEL_MODE_KITTY;
  } else if (chafa_term_info_have_seq(terminal, CHAFA_TERM_SEQ_BEGIN_SIXELS)) {
    can.pixels = CHAFA_PIXEL_MODE_SIXELS;
  }
  return can;
}

// Messages would stand in the picture.
class SilentLog {
 public:
  SilentLog() {
    if (stderr_is_terminal() && !log_has_sink()) set_log_level(LogLevel::kOff);
  }
  ~SilentLog() { set_log_level(before_); }
  SilentLog(const SilentLog&) = delete;
  SilentLog& operator=(const SilentLog&) = delete;

 private:
  const LogLevel before_ = log_level();
};

}  // namespace

std::vector<std::string> terminal_panel(const LiveFrame& frame, const Recognizer& recognizer,
                                        int columns, int rows, TerminalColours colours,
                                        bool unicode) {
  std::vector<std::string> lines;
  const LabelList& labels = recognizer.labels();
  const bool colour = colours != TerminalColours::kNone;
  const std::string plain = colour ? "\x1b[0m" : "";
  if (frame.faces.empty()) lines.push_back(fitted("no face", columns));
  for (const LiveFace& face : frame.faces) {
    const Annotation title = annotation(face.shown, recognizer.head(), labels, 0);
    lines.push_back(ink(title.colour, colours) + (colour ? "\x1b[1m" : "") +
                    fitted(format("#%d %s", face.id, title.title.c_str()), columns) + plain);
    for (std::size_t c = 0; c < labels.size() && !face.shown.label.empty(); ++c) {
      const double p = face.shown.probabilities.at(recognizer.head())[c];
      // Label, bar, percentage: where there is too little room the first two go.
      lines.push_back(fitted(" " + labels[c], std::min(12, columns - 6)) +
                      ink(label_colour(labels[c], c), colours) +
                      bar(p, std::max(0, columns - 18), unicode) + plain +
                      fitted(format(" %3.0f %%", 100 * p), std::min(6, columns)));
    }
    lines.push_back(fitted("", columns));
  }
  if (lines.size() > static_cast<std::size_t>(std::max(0, rows))) {
    lines.resize(static_cast<std::size_t>(std::max(0, rows)));
  }
  return lines;
}

struct TerminalView::Impl {
  Impl(const Recognizer& known_recognizer, Controls& known_controls, ViewHooks known_hooks)
      : recognizer(known_recognizer),
        controls(known_controls),
        hooks(std::move(known_hooks)),
        info(chafa_term_db_detect(chafa_term_db_get_default(), environ), chafa_term_info_unref),
        can(abilities_of(info.get())),
        screen(can.cursor),
        thread([this] { run(); }) {}
  ~Impl() { end(); }

  void end() {
    slot.close();
    if (thread.joinable()) thread.join();
  }

  void run() {
    try {
      show();
    } catch (...) {
      failure = std::current_exception();
      controls.quit = true;
    }
  }

  void show() {
    LiveFramePtr frame;
    auto next_draw = Clock::now();
    // Half a megabyte a picture: a line to another machine gets fewer.
    const auto interval =
        std::chrono::milliseconds(environment("SSH_CONNECTION").empty() ? 33 : 80);
    while (!slot.closed()) {
      if (auto newer = slot.take_within(std::chrono::milliseconds(100))) frame = *newer;
      while (const char key = screen.key(0)) press(key);
      if (Clock::now() < next_draw) continue;
      next_draw = Clock::now() + interval;
      if (!draw(frame)) {
        controls.quit = true;
        return;
      }
    }
  }

  void press(char key) {
    switch (key) {
      case 'q':
        controls.quit = true;
        break;
      case 'p':
      case ' ':
        controls.paused = !controls.paused;
        break;
      case 'b':
        controls.blur = !controls.blur;
        break;
      case 'f':
        controls.figures = !controls.figures;
        break;
      case 'n':
        said = hooks.next_camera();
        said_until = Clock::now() + std::chrono::seconds(2);
        break;
      default:
        break;
    }
  }

  bool draw(const LiveFramePtr& frame) {
    const TerminalScreen::Size size = screen.size();
    std::string out = "\x1b[?2026h";  // shown at once where the terminal can
    if (size != drawn) out += "\x1b[2J";
    drawn = size;
    if (!can.cursor) return draw_line(frame);

    // The panel beside the picture, or below it where the terminal is narrow.
    const bool beside = size.columns >= 2 * kPanelColumns;
    const int panel_columns = beside || !can.picture ? kPanelColumns : size.columns;
    const std::string address = hooks.address();
    const int wanted_rows =
        (static_cast<int>(address.size()) + size.columns - 1) / std::max(1, size.columns);
    const int address_rows = size.rows - wanted_rows >= 8 ? wanted_rows : 0;
    const int bottom = size.rows - address_rows;  // the row below the panel
    const int text_rows = bottom - 2;
    const int picture_columns = beside ? size.columns - kPanelColumns - 1 : size.columns;
    const int picture_rows = beside ? text_rows : text_rows / 2;
    const bool picture =
        can.picture && frame && may_be_shown(*frame, controls) && picture_rows >= 6;
    const int panel_column = beside && picture ? picture_columns + 2 : 1;
    const int panel_row = beside || !picture ? 2 : picture_rows + 2;

    // Nothing else takes a picture off the screen that may no longer be seen, or what of it is
    // beside the next one.
    const Cells cells =
        picture ? picture_cells(frame->image, size, picture_columns, picture_rows) : Cells{};
    const bool moved = std::exchange(shown_address_rows, address_rows) != address_rows;
    if (std::exchange(pictured, cells) != cells || moved) out += removal();
    out += at(1, 1) + heading(frame, size.columns);
    if (picture) out += draw_picture(*frame, size, cells);
    const int panel_rows = bottom - panel_row;
    std::vector<std::string> lines;
    if (frame) {
      lines = terminal_panel(*frame, recognizer, std::min(panel_columns, size.columns), panel_rows,
                             text_colours(), can.unicode);
    }
    for (int i = 0; i < panel_rows; ++i) {
      out += at(panel_row + i, panel_column) + "\x1b[K";
      if (static_cast<std::size_t>(i) < lines.size()) out += lines[static_cast<std::size_t>(i)];
    }
    for (int i = 0; i < address_rows; ++i) {
      out += at(bottom + i, 1) + fitted(address.substr(static_cast<std::size_t>(i * size.columns),
                                                       static_cast<std::size_t>(size.columns)),
                                        size.columns);
    }
    const std::string footing = controls.figures && frame ? figures(*frame) : kKeys;
    out += at(size.rows, 1) + (can.colour ? "\x1b[2m" : "") + fitted(footing, size.columns) +
           "\x1b[0m" + at(1, 1) + "\x1b[?2026l";
    return screen.write(out);
  }

  // A terminal that cannot move its cursor: a line a second while frames come, and what the heading
  // would say where it changes.
  bool draw_line(const LiveFramePtr& frame) {
    std::string text;
    const std::string kept = "facial expressions, not feelings; " + what_is_stored(controls);
    if (std::exchange(told_kept, kept) != kept) text += kept + '\n';
    const std::string notice = hooks.notice();
    if (std::exchange(told_notice, notice) != notice && !notice.empty())
      text += printable(notice) + '\n';
    if (!text.empty() && !screen.write(text)) return false;
    if (!frame || frame == last_shown || Clock::now() - last_line < std::chrono::seconds(1))
      return true;
    last_line = Clock::now();
    last_shown = frame;
    std::vector<std::string> words;
    for (const LiveFace& face : frame->faces) {
      words.push_back(
          format("#%d %s", face.id,
                 annotation(face.shown, recognizer.head(), recognizer.labels(), 0).title.c_str()));
    }
    return screen.write(format("%8.1f s  %s\n", frame->time,
                               words.empty() ? "no face" : join(words, ", ").c_str()));
  }

  std::string removal() const {
    return (can.pixels == CHAFA_PIXEL_MODE_KITTY ? kNoKittyPictures : std::string()) + "\x1b[2J";
  }

  TerminalColours text_colours() const {
    if (!can.colour) return TerminalColours::kNone;
    return can.colours == CHAFA_CANVAS_MODE_TRUECOLOR     ? TerminalColours::kDirect
           : can.colours == CHAFA_CANVAS_MODE_INDEXED_256 ? TerminalColours::k256
                                                          : TerminalColours::k16;
  }

  // What is kept is said whatever else there is to say.
  std::string heading(const LiveFramePtr& frame, int columns) const {
    std::string text = hooks.notice();
    if (text.empty() && Clock::now() < said_until) text = said;
    if (text.empty()) text = hooks.source();
    if (!frame) text += "  waiting for the first frame";
    if (controls.paused) text += "  paused";
    const std::string kept = "  -  " + what_is_stored(controls);
    const std::string mark = controls.recording ? " [REC]" : "";
    const int room = columns - static_cast<int>(text_width(mark + kept));
    if (static_cast<int>(text_width(text)) + 1 > room)
      text = cut_text(text, static_cast<std::size_t>(std::max(0, room - 4))) + "...";
    const std::string red = can.colour && !mark.empty() ? "\x1b[1;31m" : "";
    return red + mark + (red.empty() ? "" : "\x1b[0m") +
           fitted(' ' + text + kept + "; facial expressions, not feelings",
                  columns - static_cast<int>(text_width(mark)));
  }

  static std::string figures(const LiveFrame& frame) {
    return format(
        "%.1f frames/s  find %.1f ms  classify %.1f ms  %.1f ms after capture  %lld dropped",
        frame.fps, frame.detect_ms, frame.answer_ms, frame.latency_ms,
        static_cast<long long>(frame.dropped));
  }

  struct Cells {
    int columns = 0, rows = 0;
    bool operator==(const Cells&) const = default;
  };

  // As large as fits into so many.
  static Cells picture_cells(const Image& image, const TerminalScreen::Size& size, int columns,
                             int rows) {
    const double scale = std::min(static_cast<double>(columns * size.cell_width) / image.width,
                                  static_cast<double>(rows * size.cell_height) / image.height);
    return {std::clamp(static_cast<int>(image.width * scale / size.cell_width), 1, columns),
            std::clamp(static_cast<int>(image.height * scale / size.cell_height), 1, rows)};
  }

  // From the second row on.
  std::string draw_picture(const LiveFrame& frame, const TerminalScreen::Size& size,
                           const Cells& cells) {
    const ProfileScope scope("show");
    const auto [columns, rows] = cells;
    const bool symbols = can.pixels == CHAFA_PIXEL_MODE_SYMBOLS;
    int cell_width = size.cell_width, cell_height = size.cell_height;
    if (can.pixels == CHAFA_PIXEL_MODE_KITTY) {
      // It enlarges pictures itself, and gets them uncompressed: half a megabyte is enough.
      while (4LL * columns * cell_width * rows * cell_height > 500'000 && cell_width > 1 &&
             cell_height > 1) {
        cell_width /= 2;
        cell_height /= 2;
      }
    }
    cv::Mat small;
    cv::resize(
        as_mat(frame.image), small,
        symbols ? cv::Size(columns, 2 * rows) : cv::Size(columns * cell_width, rows * cell_height),
        0, 0, cv::INTER_AREA);
    for (const LiveFace& face : frame.faces) {
      const Box& box = face.shown.face.box;
      const double x = static_cast<double>(small.cols) / frame.image.width;
      const double y = static_cast<double>(small.rows) / frame.image.height;
      const Colour c = annotation(face.shown, recognizer.head(), recognizer.labels(), 0).colour;
      cv::rectangle(small,
                    cv::Rect(cv::Point(static_cast<int>(box.x * x), static_cast<int>(box.y * y)),
                             cv::Point(static_cast<int>((box.x + box.width) * x),
                                       static_cast<int>((box.y + box.height) * y))),
                    {double(c[0]), double(c[1]), double(c[2])},
                    symbols || cell_width < size.cell_width ? 1 : 3);
    }

    // Four bytes a pixel: libchafa 1.12 takes rows of whole 32-bit words alone.
    cv::cvtColor(small, small, cv::COLOR_RGB2RGBA);
    ChafaSymbolMap* halves = chafa_symbol_map_new();
    chafa_symbol_map_add_by_tags(halves, CHAFA_SYMBOL_TAG_VHALF);
    ChafaCanvasConfig* config = chafa_canvas_config_new();
    chafa_canvas_config_set_geometry(config, columns, rows);
    chafa_canvas_config_set_cell_geometry(config, cell_width, cell_height);
    chafa_canvas_config_set_pixel_mode(config, can.pixels);
    chafa_canvas_config_set_canvas_mode(config, can.colours);
    chafa_canvas_config_set_symbol_map(config, halves);
    chafa_canvas_config_set_work_factor(config, 1.0f);
    ChafaCanvas* canvas = chafa_canvas_new(config);
    chafa_canvas_draw_all_pixels(canvas, CHAFA_PIXEL_RGBA8_UNASSOCIATED, small.data, small.cols,
                                 small.rows, static_cast<int>(small.step));
    GString* printed = chafa_canvas_print(canvas, info.get());
    std::string text(printed->str, printed->len);
    g_string_free(printed, TRUE);
    chafa_canvas_unref(canvas);
    chafa_canvas_config_unref(config);
    chafa_symbol_map_unref(halves);

    if (can.pixels == CHAFA_PIXEL_MODE_KITTY) {
      // The last picture goes, or the terminal would keep them all.
      return kNoKittyPictures + at(2, 1) + text;
    }
    if (!symbols) return at(2, 1) + text;
    std::string out;
    int row = 2;
    for (const std::string& line : split(text, '\n')) out += at(row++, 1) + line;
    return out + "\x1b[0m";
  }

  const Recognizer& recognizer;
  Controls& controls;
  ViewHooks hooks;
  std::unique_ptr<ChafaTermInfo, decltype(&chafa_term_info_unref)> info;
  Abilities can;
  SilentLog silent;  // until the screen is given back
  TerminalScreen screen;
  TerminalScreen::Size drawn{0, 0, 0, 0};
  Cells pictured;              // what the picture on the screen takes
  int shown_address_rows = 0;  // below it
  Clock::time_point last_line{};
  LiveFramePtr last_shown;
  std::string told_kept, told_notice;
  std::string said;  // after a key, for two seconds
  Clock::time_point said_until{};
  NewestSlot<LiveFramePtr> slot;
  std::exception_ptr failure;  // of the thread, to be read when it has ended
  std::thread thread;          // the last: it begins when all else is there
};

TerminalView::TerminalView(const Recognizer& recognizer, Controls& controls, ViewHooks hooks)
    : impl_(std::make_unique<Impl>(recognizer, controls, std::move(hooks))) {}

TerminalView::~TerminalView() = default;

void TerminalView::put(const LiveFramePtr& frame) { impl_->slot.put(frame); }

void TerminalView::finish() {
  impl_->end();
  if (impl_->failure) std::rethrow_exception(std::exchange(impl_->failure, nullptr));
}

}  // namespace fer
