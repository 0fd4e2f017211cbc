#include "fer/data/face_painter.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "fer/data/canvas.h"

namespace fer {
namespace {

constexpr int kFull = kFullStrength;

class Painter {
 public:
  Painter(const DrawnFace& face, Dice& dice) : f_(face), dice_(dice), canvas_(kDrawnSide) {}

  Image paint(bool occluded) {
    background();
    hair_behind();
    neck();
    head();
    for (const int side : {-1, 1}) {
      cheek(side);
      eye(side);
      brow(side);
    }
    forehead();
    nose();
    mouth();
    if (f_.beard > 0) beard();
    hair_front();
    if (f_.glasses) glasses();
    if (occluded) occlusion();
    return canvas_.picture();
  }

 private:
  const Actions& actions(int side) const { return side < 0 ? f_.left : f_.right; }
  // Of one side; of the middle of the face when side is 0.
  int au(Unit unit, int side = 0) const {
    return side == 0 ? (f_.left[unit] + f_.right[unit]) / 2 : actions(side)[unit];
  }
  int jaw_drop() const { return 400 * au(kAu26JawDrop) / kFull; }

  // A point of the face on the canvas: the head turns, nods, tilts, is scaled and shifted.
  // `forward` is how far it stands out, beyond the roundness of the head.
  CanvasPoint at(int x, int y, int forward = 0) const {
    const int depth = std::max(0, 1000 - x * x / 1100 - (y - 200) * (y - 200) / 2600) + forward;
    const std::int64_t px = x + f_.turn * depth / kFull;
    const std::int64_t py = y + f_.nod * depth / kFull;
    const std::int64_t s = fixed_sin(f_.tilt), c = fixed_cos(f_.tilt);
    const std::int64_t unit = 1230 * f_.scale / kFull;  // sixteenths of a canvas pixel per kFull
    const int centre = kDrawnSide * Canvas::kOversampling * Canvas::kUnit / 2;
    const std::int64_t scale = 4096 * kFull;
    return {centre + f_.shift_x + static_cast<int>((px * c - py * s) * unit / scale),
            centre + f_.shift_y - 60 + static_cast<int>((px * s + py * c) * unit / scale)};
  }
  int length(int n) const { return std::max(6, n * 1230 / kFull * f_.scale / kFull); }
  std::vector<CanvasPoint> arc(int ax, int ay, int bx, int by, int cx, int cy,
                               int forward = 0) const {
    return curve(at(ax, ay, forward), at(bx, by, forward), at(cx, cy, forward));
  }
  // An ellipse around (x, y) from angle `from` to `to`, in tenths of a degree clockwise from the
  // right.
  std::vector<CanvasPoint> ellipse(int x, int y, int rx, int ry, int from = 0,
                                   int to = 3600) const {
    std::vector<CanvasPoint> points;
    for (int k = 0; k <= 24; ++k) {
      const int angle = from + (to - from) * k / 24;
      points.push_back(at(x + rx * fixed_cos(angle) / 4096, y + ry * fixed_sin(angle) / 4096));
    }
    return points;
  }
  static void append(std::vector<CanvasPoint>& to, const std::vector<CanvasPoint>& points) {
    to.insert(to.end(), points.begin(), points.end());
  }
  void line(const std::vector<CanvasPoint>& path, int width, int tone, int alpha = 256) {
    const int r = length(width) / 2;
    canvas_.stroke(path, {r / 2, r, r / 2}, tone, alpha);
  }
  int dark(int amount) const { return std::max(0, f_.skin - amount); }
  int light(int amount) const { return std::min(255, f_.skin + amount); }

  void background() {
    const int end = kDrawnSide * Canvas::kOversampling * Canvas::kUnit;
    const std::array<CanvasPoint, 4> all = {CanvasPoint{0, 0}, CanvasPoint{end, 0},
                                            CanvasPoint{end, end}, CanvasPoint{0, end}};
    canvas_.polygon(all, f_.background);
    for (int k = 0; k < 3; ++k) {
      const int x = dice_.between(0, end);
      const int y = dice_.between(0, end);
      const int radius = dice_.between(end / 6, end / 2);
      const int tone = dice_.between(0, 255);
      canvas_.glow({x, y}, radius, dice_.between(end / 6, end / 2), tone, dice_.between(60, 200));
    }
    const int shoulder = dice_.around(1700, 250);
    const int top = dice_.around(1480, 80);
    canvas_.polygon(std::array{at(-shoulder, 2600), at(-shoulder, top + 350), at(-500, top),
                               at(500, top), at(shoulder, top + 350), at(shoulder, 2600)},
                    f_.clothes);
    neck_ = top + 60;
  }

  void neck() {
    canvas_.polygon(std::array{at(-430, 700), at(430, 700), at(480, neck_), at(0, neck_ + 220),
                               at(-480, neck_)},
                    dark(22));
  }

  void hair_behind() {
    if (f_.hair_style == 2) {
      canvas_.polygon(ellipse(0, 150, 1190, 1620), f_.hair_tone);
    } else if (f_.hair_style > 0) {
      canvas_.polygon(ellipse(0, -330, 1110, 1190), f_.hair_tone);
    }
    if (f_.hair_style == 3) canvas_.polygon(ellipse(0, -1450, 420, 330), f_.hair_tone);
  }

  std::vector<CanvasPoint> head_outline() const {
    const int chin = f_.chin + jaw_drop() * 6 / 10;
    std::vector<CanvasPoint> outline = ellipse(0, -200, f_.cheek, f_.crown - 200, 1800, 3600);
    append(outline, arc(f_.cheek, -200, f_.cheek, 350, f_.jaw + 90, 780));
    append(outline, arc(f_.jaw + 90, 780, f_.jaw * 8 / 10, chin, 0, chin));
    append(outline, arc(0, chin, -f_.jaw * 8 / 10, chin, -f_.jaw - 90, 780));
    append(outline, arc(-f_.jaw - 90, 780, -f_.cheek, 350, -f_.cheek, -200));
    return outline;
  }

  void head() {
    for (const int side : {-1, 1}) {
      canvas_.polygon(ellipse(side * (f_.cheek + 20), 60, 130, 240), dark(14));
    }
    const std::vector<CanvasPoint> outline = head_outline();
    canvas_.polygon(outline, f_.skin);
    canvas_.clip(outline);
    const int lit = f_.light_x < 0 ? -1 : 1;
    canvas_.glow(at(-lit * 900, 250), length(800), length(1500), dark(60), 130);
    canvas_.glow(at(lit * 350, -500), length(800), length(700), light(40), 110);
    canvas_.glow(at(0, f_.chin + 150), length(900), length(450), dark(55), 120);
    for (const int side : {-1, 1}) {  // eye sockets
      canvas_.glow(at(side * f_.eye_distance, -90), length(400), length(330), dark(45), 110);
    }
    canvas_.unclip();
  }

  // Cheeks bulge and a fold runs from the nose to the lip corner in a smile or a sneer.
  void cheek(int side) {
    const int smile = au(kAu12LipCornerPuller, side);
    const int raised = std::max(au(kAu6CheekRaiser, side), smile * 7 / 10);
    canvas_.glow(at(side * 540, 330 - raised * 60 / kFull), length(300), length(240), light(35),
                 60 + raised * 110 / kFull);
    const int fold = std::min(230, f_.age / 6 + smile * 150 / kFull +
                                       au(kAu10UpperLipRaiser, side) * 110 / kFull +
                                       au(kAu9NoseWrinkler, side) * 60 / kFull);
    const int x = mouth_corner_x(side) + side * 70;
    line(arc(side * (f_.nose_width + 40), f_.nose_length - 60, side * 330, f_.nose_length, x,
             f_.mouth_height - 90 + mouth_corner_y(side)),
         50, dark(75), fold);
  }

  void eye(int side) {
    const int x = side * f_.eye_distance, w = f_.eye_width;
    const int closing = au(kAu43EyesClosed, side);
    const int raise = au(kAu5UpperLidRaiser, side);
    const int cheeks = au(kAu6CheekRaiser, side), tight = au(kAu7LidTightener, side);
    const int brow_press = std::max(0, au(kAu4BrowLowerer, side) - au(kAu1InnerBrowRaiser, side));
    const int upper =
        std::max(12, f_.eye_height * (kFull - closing * 8 / 10) / kFull + raise * 100 / kFull -
                         tight * 32 / kFull - cheeks * 22 / kFull);
    const int lower = std::max(
        8, f_.eye_height * 6 / 10 + raise * 22 / kFull - cheeks * 48 / kFull - tight * 26 / kFull);
    const int inner_y = brow_press * 12 / kFull + closing * 10 / kFull;
    const int outer_y = f_.eye_slant + closing * 35 / kFull;
    const int inner_x = x - side * w, outer_x = x + side * w;
    const std::vector<CanvasPoint> top =
        arc(inner_x, inner_y, x - side * w / 6 * brow_press / kFull, -2 * upper, outer_x, outer_y);
    const std::vector<CanvasPoint> bottom =
        arc(outer_x, outer_y, x + side * 20, 2 * lower, inner_x, inner_y);
    std::vector<CanvasPoint> opening = top;
    append(opening, bottom);

    canvas_.polygon(opening, std::min(250, f_.skin / 3 + 168));
    canvas_.clip(opening);
    const int iris = 112;
    const int gaze_y = f_.gaze_y - 12 + closing * 70 / kFull;
    canvas_.polygon(ellipse(x + f_.gaze_x, gaze_y, iris, iris), f_.iris_tone);
    canvas_.polygon(ellipse(x + f_.gaze_x, gaze_y, iris / 2, iris / 2), 8);
    canvas_.polygon(ellipse(x + f_.gaze_x + 35, gaze_y - 40, 30, 30), 250);
    line(top, 80, 30, 120);  // the lid's shadow
    canvas_.unclip();
    line(top, 46 + closing * 20 / kFull, std::min(40, dark(90)), 235);
    line(bottom, 26, dark(70), 130 + (cheeks + tight) * 50 / kFull);
    const int lid = 55 + raise * 25 / kFull;  // the crease above the lid
    line(arc(inner_x, inner_y - lid * 6 / 10, x, -2 * upper - lid, outer_x, outer_y - lid * 6 / 10),
         26, dark(60), 130);
    if (cheeks > 300 || f_.age > 200) {  // bags and crow's feet
      line(arc(inner_x, 110, x, 150 + lower, outer_x, 90), 30, dark(60), 40 + cheeks * 120 / kFull);
      line({at(outer_x + side * 50, 0), at(outer_x + side * 150, -50)}, 24, dark(70),
           cheeks * 170 / kFull);
      line({at(outer_x + side * 50, 40), at(outer_x + side * 150, 60)}, 24, dark(70),
           cheeks * 170 / kFull);
    }
  }

  void brow(int side) {
    const int inner_up = au(kAu1InnerBrowRaiser, side), outer_up = au(kAu2OuterBrowRaiser, side);
    const int lower = au(kAu4BrowLowerer, side);
    const int press =
        lower * (kFull - inner_up * 85 / 100) / kFull;  // raised brows are drawn together, not down
    const int y = f_.brow_height;
    const int inner_x = side * (190 - lower * 75 / kFull);
    const int inner_y = y + f_.brow_slope - inner_up * 185 / kFull + press * 190 / kFull;
    const int middle_y =
        y - 60 - inner_up * 70 / kFull - outer_up * 190 / kFull + press * 90 / kFull;
    const int outer_y = y + 55 - f_.brow_slope - outer_up * 180 / kFull + inner_up * 35 / kFull -
                        press * 45 / kFull;
    const int thick = length(f_.brow_thickness);
    canvas_.stroke(arc(inner_x, inner_y, side * 430, middle_y, side * 690, outer_y),
                   {thick, thick, thick / 3}, f_.brow_tone, 235);
    line({at(side * (95 - lower * 25 / kFull), y + 60),
          at(side * (75 - lower * 15 / kFull), y + 270)},
         40, dark(85),
         press * 210 / kFull);  // frown lines
  }

  void forehead() {
    const int raised = (au(kAu1InnerBrowRaiser) + au(kAu2OuterBrowRaiser)) / 2;
    const int alpha = std::min(150, f_.age / 8 + raised * 120 / kFull);
    for (int k = 0; k < 2; ++k) {
      const int y = f_.brow_height - 330 - 130 * k;
      line(arc(-380, y, 0, y - 40 + 60 * au(kAu1InnerBrowRaiser) / kFull, 380, y), 30, dark(60),
           alpha);
    }
  }

  void nose() {
    const int wrinkle = au(kAu9NoseWrinkler);
    const int tip = f_.nose_length - wrinkle * 60 / kFull;
    const int w = f_.nose_width + wrinkle * 30 / kFull;
    const int shaded = f_.light_x < 0 ? 1 : -1;
    canvas_.glow(at(shaded * 90, tip / 2, 150), length(110), length(260), dark(50), 120);
    canvas_.glow(at(-shaded * 20, tip / 2 + 20, 200), length(80), length(280), light(50), 120);
    canvas_.glow(at(0, tip - 70, 260), length(130), length(110), light(50), 110);
    line(arc(-w, tip - 60, -w - 30, tip + 40, -w + 70, tip + 20, 150), 34, dark(70), 190);
    line(arc(w, tip - 60, w + 30, tip + 40, w - 70, tip + 20, 150), 34, dark(70), 190);
    line(arc(-w / 2, tip + 20, 0, tip + 70, w / 2, tip + 20, 200), 40, dark(80), 190);
    for (int k = 0; k < 2; ++k) {
      const int y = -40 + 90 * k;
      line(arc(-90, y, 0, y + 40, 90, y, 150), 26, dark(80), wrinkle * 180 / kFull);
    }
  }

  // Offsets of a lip corner from the resting mouth.
  int mouth_corner_x(int side) const {
    return side *
           (f_.mouth_width + au(kAu12LipCornerPuller, side) * 125 / kFull +
            au(kAu20LipStretcher, side) * 120 / kFull -
            jaw_drop() * 40 / 100 *
                (kFull - std::min(kFull, au(kAu12LipCornerPuller) + au(kAu20LipStretcher))) /
                kFull -
            au(kAu23LipTightener, side) * 70 / kFull - au(kAu17ChinRaiser, side) * 40 / kFull);
  }
  int mouth_corner_y(int side) const {
    return f_.mouth_bend / 2 - au(kAu12LipCornerPuller, side) * 150 / kFull +
           au(kAu15LipCornerDepressor, side) * 120 / kFull +
           au(kAu20LipStretcher, side) * 35 / kFull + jaw_drop() * 35 / 100;
  }

  void mouth() {
    const int y = f_.mouth_height - au(kAu17ChinRaiser) * 30 / kFull;
    const int lx = mouth_corner_x(-1), rx = mouth_corner_x(1);
    const int ly = y + mouth_corner_y(-1), ry = y + mouth_corner_y(1);
    const int smile = au(kAu12LipCornerPuller), part = au(kAu25LipsPart);
    const int tight = kFull - au(kAu23LipTightener) * 65 / 100;
    const int gap_up = part * 42 / kFull + au(kAu10UpperLipRaiser) * 60 / kFull * part / kFull;
    const int gap_down =
        part * 45 / kFull + jaw_drop() + au(kAu20LipStretcher) * 30 / kFull * part / kFull;
    const int upper_lip = f_.lip_thickness * tight / kFull * (1200 - smile * 4 / 10) / 1200;
    const int lower_lip = f_.lip_thickness * 13 / 10 * tight / kFull;
    const int middle =
        y - f_.mouth_bend / 2 + smile * 30 / kFull - au(kAu15LipCornerDepressor) * 35 / kFull;
    // From corner to corner over `height` in the middle: a parabola, or half an ellipse when the
    // jaw hangs.
    const int round = std::min(kFull, jaw_drop() * 3) * (kFull - std::min(kFull, smile)) / kFull;
    const auto lip = [&](int height) {
      std::vector<CanvasPoint> path;
      for (int angle = 1800; angle >= 0; angle -= 75) {
        const int c = fixed_cos(angle), sine = fixed_sin(angle);
        const int rise = (sine * sine / 4096 * (kFull - round) + sine * round) / kFull;
        const int across = (c + 4096) / 2;
        const int corner = ly + (ry - ly) * across / 4096;
        path.push_back(at(lx + (rx - lx) * across / 4096,
                          corner + (height - (ly + ry) / 2) * rise / 4096, 60));
      }
      return path;
    };
    const auto between = [](std::vector<CanvasPoint> top, const std::vector<CanvasPoint>& bottom) {
      top.insert(top.end(), bottom.rbegin(), bottom.rend());
      return top;
    };
    const std::vector<CanvasPoint> outer_top = lip(middle - gap_up - upper_lip),
                                   inner_top = lip(middle - gap_up);
    const std::vector<CanvasPoint> inner_bottom = lip(middle + gap_down),
                                   outer_bottom = lip(middle + gap_down + lower_lip);

    canvas_.glow(at(0, middle + gap_down + lower_lip + 90, 60), length(260), length(80), dark(60),
                 120 + au(kAu17ChinRaiser) * 100 / kFull);
    canvas_.polygon(between(outer_top, inner_top), std::max(0, f_.lip_tone - 10));
    canvas_.polygon(between(inner_bottom, outer_bottom), std::min(255, f_.lip_tone + 8));
    if (gap_up + gap_down > 30) {
      const std::vector<CanvasPoint> opening = between(inner_top, inner_bottom);
      canvas_.polygon(opening, 22);
      canvas_.clip(opening);
      const int open = gap_up + gap_down;
      if (jaw_drop() > 120) {
        canvas_.polygon(
            ellipse((lx + rx) / 2, middle + gap_down, std::abs(rx - lx) / 3, open * 4 / 10),
            dark(70));
      }
      const bool hanging =
          jaw_drop() > 120 && smile < 400 && au(kAu20LipStretcher) < 400;  // hides the teeth
      if (!hanging) {
        canvas_.polygon(between(inner_top, lip(middle - gap_up + std::min(open * 7 / 10, 130))),
                        228);
      }
      if (au(kAu20LipStretcher) > 400 ||
          au(kAu10UpperLipRaiser) > 500) {  // the lower teeth show too
        canvas_.polygon(between(lip(middle + gap_down - open / 4), inner_bottom), 205);
      }
      canvas_.unclip();
      line(inner_top, 24, 30, 150);
      line(inner_bottom, 24, 30, 120);
    } else {
      line(lip(middle), 44, std::min(35, dark(95)), 225);
    }
    for (const int side : {-1, 1}) {  // dimples of the corners
      const int cx = side < 0 ? lx : rx, cy = side < 0 ? ly : ry;
      canvas_.glow(at(cx + side * 25, cy, 30), length(70), length(70), dark(80), 150);
    }
    if (au(kAu17ChinRaiser) > 250) {
      line(arc(-130, f_.chin - 190, 0, f_.chin - 250, 130, f_.chin - 190), 36, dark(65),
           au(kAu17ChinRaiser) * 150 / kFull);
    }
  }

  void beard() {
    const int tone = f_.brow_tone;
    const int top = (f_.nose_length + f_.mouth_height) / 2 + 20;
    if (f_.beard != 2) {
      for (const int side : {-1, 1}) {
        const int r = length(55);
        canvas_.stroke(
            arc(side * 20, top, side * 200, top - 20, side * (f_.mouth_width + 10), top + 70),
            {r, r, r / 3}, tone, 200);
      }
    }
    if (f_.beard >= 2) {
      canvas_.clip(head_outline());
      canvas_.glow(at(0, f_.chin + jaw_drop() * 6 / 10), length(900), length(380), tone, 256);
      canvas_.unclip();
    }
  }

  void hair_front() {
    if (f_.hair_style == 0) return;
    canvas_.clip(head_outline());
    const int temple = f_.cheek - 130, ear = f_.cheek + 40;
    std::vector<CanvasPoint> hair = ellipse(0, -600, 1300, 1000, 1800, 3600);
    append(hair, arc(ear, 0, temple + 20, -250, temple - 60, f_.hairline + 180));
    append(hair, arc(temple - 60, f_.hairline + 180, (temple + f_.parting) / 2, f_.hairline + 20,
                     f_.parting, f_.hairline - 130));
    append(hair, arc(f_.parting, f_.hairline - 130, (f_.parting - temple) / 2, f_.hairline + 20,
                     60 - temple, f_.hairline + 180));
    append(hair, arc(60 - temple, f_.hairline + 180, -temple - 20, -250, -ear, 0));
    canvas_.polygon(hair, f_.hair_tone);
    canvas_.glow(at(f_.light_x * 40, -1150), length(600), length(260),
                 std::min(255, f_.hair_tone + 70), 130);
    canvas_.unclip();
  }

  void glasses() {
    const int tone = dice_.chance(70) ? 25 : 190;
    const int r = f_.eye_width + 95;
    for (const int side : {-1, 1}) {
      const std::vector<CanvasPoint> rim = ellipse(side * f_.eye_distance, 20, r, r * 85 / 100);
      canvas_.polygon(rim, 255, 18);
      canvas_.stroke(rim, {length(22), length(22), length(22)}, tone, 235);
      line({at(side * (f_.eye_distance + r), 0), at(side * f_.cheek, -40)}, 44, tone, 235);
    }
    line(arc(-f_.eye_distance + r, 0, 0, -60, f_.eye_distance - r, 0), 44, tone, 235);
  }

  // A bar, a hand or an object before a part of the face.
  void occlusion() {
    const int tone = dice_.between(10, 245);
    const int x = dice_.between(-900, 900);
    const int y = dice_.between(-500, 1000);
    const int w = dice_.between(180, 420);
    const int h = dice_.between(180, 420);
    const int lean = dice_.between(-250, 250);
    if (dice_.chance(50)) {
      canvas_.polygon(ellipse(x, y, w, h), tone);
    } else {
      canvas_.polygon(std::array{at(x - w / 2 - lean, -2500), at(x + w / 2 - lean, -2500),
                                 at(x + w / 2 + lean, 2500), at(x - w / 2 + lean, 2500)},
                      tone);
    }
  }

  const DrawnFace& f_;
  Dice& dice_;
  Canvas canvas_;
  int neck_ = 0;  // where it meets the clothes
};

}  // namespace

Image paint_face(const DrawnFace& face, Dice& dice, bool occluded) {
  return Painter(face, dice).paint(occluded);
}

}  // namespace fer
