// The byte receipt as a table: what each kind of layer keeps, by law and as measured, what the step touched, and what
// common formulas would have said.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/receipt.h"
#include "widgets/fonts.h"
#include "widgets/views/parts.h"

namespace cutaway {
namespace {

constexpr float line_height = 36, row_height = 21, number_width = 72;

/// "L0–L5", "L0, L2, L4", "L0 … L58 (30)".
std::string say_layers(const std::vector<int>& layers) {
  const size_t n = layers.size();
  if (layers.back() - layers.front() == static_cast<int>(n) - 1)
    return n == 1 ? fmt::format("L{}", layers[0]) : fmt::format("L{}–L{}", layers.front(), layers.back());
  if (n <= 4) return fmt::format("L{}", fmt::join(layers, ", L"));
  return fmt::format("L{}, L{} … L{} ({})", layers[0], layers[1], layers.back(), n);
}

std::string say_kind(const CacheBlock& block) {
  if (block.cross()) return std::string(say(Word::KindCross));
  if (block.latent) return std::string(say(Word::KindLatent));
  return block.group() == 1    ? std::string(say(Word::KindEveryHead))
         : block.kv_heads == 1 ? say(Word::KindOneHead, {say_integer(block.heads)})
                               : say(Word::KindGroups, {say_integer(block.group())});
}

/// "6 × 2 × 6 × 16 × 4 B × 24": layers, keys and values, heads, width, bytes, positions.
std::string law_text(const Receipt& receipt, const ReceiptLine& line) {
  const CacheBlock& block = line.like;
  const auto caches = static_cast<int64_t>(block.caches.size());
  const int64_t width = block.values / block.kv_heads / caches;
  const std::string rows = line.rows.law == Law::Window     ? fmt::format("min(T, {})", line.rows.n)
                           : line.rows.law == Law::Constant ? "S"
                                                            : "T";
  const std::string bytes = digits(line.row_bytes / static_cast<double>(block.values));
  return fmt::format("{} L × {}{} × {} B × {}{}", line.layers.size(), block.latent ? "" : fmt::format("{} × ", caches),
                     block.latent ? fmt::format("{}", width) : fmt::format("{} × {}", block.kv_heads, width), bytes,
                     rows, receipt.storage->name == "fp32" ? "" : fmt::format(" ({})", receipt.storage->name));
}

Word name_of(Mistake mistake) {
  constexpr Word names[] = {Word::WrongOneFormula, Word::WrongHiddenSize, Word::WrongEveryHead, Word::WrongNoWindow,
                            Word::WrongEveryLayer, Word::WrongCrossGrows, Word::WrongTwoBytes};
  return names[static_cast<size_t>(mistake)];
}

std::string_view formula_of(Mistake mistake) {
  constexpr std::string_view formulas[] = {"2 L Hkv (D / H) T b", "2 L D T b", "L H (Dk + Dv) T b", "min(T, w) := T",
                                           "L := all layers",     "S := T",    "2 B × parameters"};
  return formulas[static_cast<size_t>(mistake)];
}

/// "+682 %", "−81.0 %", "0 %".
std::string say_error(double error) {
  if (error == 0) return "0 %";
  return fmt::format("{}{}", error < 0 ? "−" : "+", say_percent(std::abs(error)));
}

const WrongEstimate& worst_of(const std::vector<WrongEstimate>& all) {
  return *std::ranges::max_element(all, {},
                                   [](const WrongEstimate& one) { return std::abs(std::log(one.error() + 1)); });
}

class ReceiptView final : public View {
 public:
  std::string_view id() const override { return "receipt"; }
  Word name() const override { return Word::ViewReceipt; }
  std::string refusal(const Snapshot& s) const override {
    return s.state.empty() ? std::string(say(Word::NoCache)) : std::string();
  }
  void draw(Canvas&, const Scene&) override;
  std::vector<Readout> readout(const Scene&, TileSource&) const override;
  Table table(const Scene&, TileSource&) const override;
  std::vector<Array> arrays(const Scene&, TileSource&) const override;

 private:
  float draw_lines(Canvas&, Rect, const Receipt&);
  void draw_wrong(Canvas&, Rect, const Receipt&);
};

void ReceiptView::draw(Canvas& c, const Scene& s) {
  const Rect area = c.area();
  const Receipt made = s.step ? receipt(*s.step) : Receipt();
  if (made.lines.empty()) {
    put_title(c, area, say(Word::ViewReceipt));
    for (int i = 0; i < 5; ++i)
      c.fill({area.x + 16, area.y + title_height + 24 + static_cast<float>(i) * line_height, area.w - 32, 1},
             c.theme().hairline);
    return put_notice(c, {area.x, area.bottom() - 60, area.w, 30},
                      s.step ? refusal(*s.step) : std::string(say(Word::PressSpace)));
  }
  put_title(c, area, say(Word::ViewReceipt),
            say(Word::ReceiptSub,
                {say_count(s.step->positions(), Word::TokenOne, Word::TokenFew, Word::TokenMany), made.storage->name}));
  const Rect inside{area.x + 16, area.y + title_height + 4, std::min(area.w - 32, 980.f), area.h - title_height - 16};
  const float end = draw_lines(c, inside, made);
  draw_wrong(c, {inside.x, end + 14, inside.w, inside.bottom() - end - 14}, made);
}

/// Columns from the right, each number_width wide; gives the lower edge.
float ReceiptView::draw_lines(Canvas& c, Rect r, const Receipt& made) {
  const Theme& t = c.theme();
  const float name_width = r.w - 4 * number_width - 8;
  float y = r.y + 10;
  const auto numbers = [&](float cy, std::initializer_list<std::string> texts, Face face, Color color) {
    float x = r.right() - 3 * number_width;
    for (const std::string& text : texts) put(c, x, cy, text, {face, 11, color, Align::Right}), x += number_width;
  };
  const auto word = [](Word w) { return std::string(say(w)); };
  put(c, r.x, y, say(Word::ReceiptKind), {Face::Sans, 11, t.dim});
  numbers(y, {word(Word::ReceiptLaw), word(Word::ReceiptUsed), word(Word::ReceiptPages), word(Word::ReceiptTouched)},
          Face::Sans, t.dim);
  y += 14;
  const auto room = static_cast<size_t>(std::max(1.f, (r.h - 60) / line_height));
  const size_t shown = std::min(made.lines.size(), room);
  for (size_t i = 0; i < shown; ++i, y += line_height) {
    const ReceiptLine& line = made.lines[i];
    c.fill({r.x, std::round(y), r.w, 1}, t.hairline);
    const std::string what = say_layers(line.layers) + " · " + say_kind(line.like);
    put(c, r.x, y + 11, fitted(what, Face::Sans, 11, name_width), {Face::Sans, 11, t.text});
    put(c, r.x, y + 26, fitted(law_text(made, line), Face::Mono, 10, name_width), {Face::Mono, 10, t.dim});
    numbers(y + 18,
            {say_bytes(line.law), say_bytes(static_cast<double>(line.used)),
             say_bytes(static_cast<double>(line.allocated)), say_bytes(line.touched)},
            Face::Sans, t.text);
  }
  c.fill({r.x, std::round(y), r.w, 1}, t.dim);
  put(c, r.x, y + 13, say(Word::Total), {Face::SansSemibold, 11, t.text});
  numbers(y + 13,
          {say_bytes(made.sum.law), say_bytes(static_cast<double>(made.sum.used)),
           say_bytes(static_cast<double>(made.sum.allocated)), say_bytes(made.sum.touched)},
          Face::SansSemibold, t.text);
  return y + 26;
}

void ReceiptView::draw_wrong(Canvas& c, Rect r, const Receipt& made) {
  const Theme& t = c.theme();
  if (r.h < 2 * row_height + 12) return;
  const float name_width = r.w - 3 * number_width - 8;
  float y = r.y + 10;
  put(c, r.x, y, fitted(say(Word::WrongFormulas), Face::SansSemibold, 11, name_width),
      {Face::SansSemibold, 11, t.secondary});
  float x = r.right() - 2 * number_width;
  for (const Word word : {Word::WrongSays, Word::WrongTruth, Word::WrongError})
    put(c, x, y, say(word), {Face::Sans, 11, t.dim, Align::Right}), x += number_width;
  y += 14;
  for (const WrongEstimate& one : made.wrong) {
    if (y + row_height > r.bottom()) break;
    c.fill({r.x, std::round(y), r.w, 1}, t.hairline);
    const float cy = y + row_height / 2 + 1;
    const std::string_view name = say(name_of(one.mistake)), formula = formula_of(one.mistake);
    const bool right = one.error() == 0;
    put(c, r.x, cy, fitted(name, Face::Sans, 11, name_width), {Face::Sans, 11, right ? t.dim : t.text});
    const float end = r.right() - 3 * number_width - 12, name_end = r.x + c.text_width(name, Face::Sans, 11) + 12;
    if (name_end + c.text_width(formula, Face::Mono, 10) <= end)
      put(c, end, cy, formula, {Face::Mono, 10, t.dim, Align::Right});
    x = r.right() - 2 * number_width;
    put(c, x, cy, say_bytes(one.bytes), {Face::Sans, 11, right ? t.dim : t.text, Align::Right});
    put(c, x + number_width, cy, say_bytes(one.truth), {Face::Sans, 11, t.dim, Align::Right});
    put(c, r.right(), cy, say_error(one.error()),
        {right ? Face::Sans : Face::SansSemibold, 11, right ? t.dim : t.text, Align::Right});
    y += row_height;
  }
}

std::vector<Readout> ReceiptView::readout(const Scene& s, TileSource&) const {
  if (!s.step) return {};
  const Receipt made = receipt(*s.step);
  if (made.lines.empty()) return {{std::string(say(Word::ViewReceipt)), refusal(*s.step)}};
  const auto bytes = [](size_t n) { return say_bytes(static_cast<double>(n)); };
  const WrongEstimate& worst = worst_of(made.wrong);
  const double difference = static_cast<double>(made.sum.used) - made.sum.law;
  return {{std::string(say(Word::ByLaw)), say_bytes(made.sum.law)},
          {std::string(say(Word::Used)), bytes(made.sum.used)},
          {std::string(say(Word::MeasuredLessLaw)), difference == 0 ? "0" : say_bytes(difference)},
          {std::string(say(Word::Allocated)), bytes(made.sum.allocated)},
          {std::string(say(Word::TouchedInStep)), say_bytes(made.sum.touched)},
          {std::string(say(name_of(worst.mistake))), say_bytes(worst.bytes) + ", " + say_error(worst.error())}};
}

Table ReceiptView::table(const Scene& s, TileSource&) const {
  Table table{{"row", "layers", "law", "law_bytes", "used_bytes", "allocated_bytes", "touched_bytes", "formula_bytes",
               "error_percent"},
              {}};
  if (!s.step) return table;
  const Receipt made = receipt(*s.step);
  const auto whole = [](double bytes) { return std::to_string(std::llround(bytes)); };
  const auto add = [&](const std::string& row, const std::string& layers, const std::string& law,
                       const ReceiptLine& line) {
    table.rows.push_back({row, layers, law, whole(line.law), std::to_string(line.used), std::to_string(line.allocated),
                          whole(line.touched), "", ""});
  };
  for (const ReceiptLine& line : made.lines)
    add(line.like.cross()  ? "cross"
        : line.like.latent ? "latent"
                           : "self",
        fmt::format("{}", fmt::join(line.layers, " ")), law_text(made, line), line);
  if (!made.lines.empty()) add("total", "", "", made.sum);
  for (const WrongEstimate& one : made.wrong)
    table.rows.push_back({std::string(say(name_of(one.mistake), Language::English)), "",
                          std::string(formula_of(one.mistake)), whole(one.truth), "", "", "", whole(one.bytes),
                          digits(one.error() * 100)});
  return table;
}

std::vector<Array> ReceiptView::arrays(const Scene& s, TileSource&) const {
  const Receipt made = s.step ? receipt(*s.step) : Receipt();
  const auto n = static_cast<int64_t>(made.lines.size());
  std::vector<Array> all{
      {"law_bytes", {n}, {}}, {"used_bytes", {n}, {}}, {"allocated_bytes", {n}, {}}, {"touched_bytes", {n}, {}}};
  for (const ReceiptLine& line : made.lines) {
    all[0].values.push_back(static_cast<float>(line.law));
    all[1].values.push_back(static_cast<float>(line.used));
    all[2].values.push_back(static_cast<float>(line.allocated));
    all[3].values.push_back(static_cast<float>(line.touched));
  }
  return all;
}

}  // namespace

std::unique_ptr<View> make_ReceiptView() { return std::make_unique<ReceiptView>(); }

}  // namespace cutaway
