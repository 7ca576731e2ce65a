// What the model would say next: the most likely tokens with their share, the entropy, and where the sampler cuts. For
// a masked model, the fills of every masked position. For a sentence encoder, the embedding. A click takes a token.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "widgets/fonts.h"
#include "widgets/views/parts.h"

namespace cutaway {
namespace {

constexpr float row_height = 22;

/// How many of the listed tokens the sampler may take: the top_k best, then the smallest set with mass top_p, of the
/// distribution at its temperature; -1 for the greedy one, which takes the first.
int64_t kept_by(const Sampling& sampling, const std::vector<TokenChoice>& best) {
  if (sampling.temperature == 0) return -1;
  auto n = static_cast<int64_t>(best.size());
  if (sampling.top_k > 0) n = std::min(n, sampling.top_k);
  if (sampling.top_p >= 1) return n;
  double all = 0, held = 0;
  for (int64_t i = 0; i < n; ++i) all += std::exp(best[static_cast<size_t>(i)].logprob / sampling.temperature);
  for (int64_t i = 0; i < n; ++i) {
    held += std::exp(best[static_cast<size_t>(i)].logprob / sampling.temperature) / all;
    if (held >= sampling.top_p) return i + 1;
  }
  return n;
}

class Logits final : public View {
 public:
  std::string_view id() const override { return "logits"; }
  Word name() const override { return Word::ViewLogits; }
  std::string refusal(const Snapshot& s) const override {
    if (s.model->spec.objective == Objective::Embedding) return {};
    return s.model->graph->logits == no_node ? std::string(say(Word::NoHead)) : std::string();
  }
  void draw(Canvas&, const Scene&) override;
  void hover(Point p, const Scene&, Selection&) override {
    hovered_.reset();
    for (size_t i = 0; i < rows_.size(); ++i)
      if (rows_[i].place.contains(p)) hovered_ = i;
  }
  Gesture click(Point p, const Scene&) override {
    for (const Row& row : rows_)
      if (row.place.contains(p)) return ChooseToken{row.position, row.id};
    return {};
  }
  std::vector<Readout> readout(const Scene&, TileSource&) const override;
  Table table(const Scene&, TileSource&) const override;
  std::vector<Array> arrays(const Scene&, TileSource&) const override;

 private:
  struct Row {
    Rect place;
    int64_t position = 0;
    int32_t id = 0;
    float logprob = 0;
    size_t rank = 0;
  };
  void draw_list(Canvas&, Rect, const Scene&, const std::vector<TokenChoice>&, int64_t position, int64_t kept);
  void draw_embedding(Canvas&, Rect, const Scene&);
  static bool is_next(const Snapshot& s) { return s.fills.empty() && !s.best.empty(); }

  std::vector<Row> rows_;
  std::optional<size_t> hovered_;
};

void Logits::draw(Canvas& c, const Scene& s) {
  const Theme& t = c.theme();
  const Rect area = c.area();
  rows_.clear();
  if (!s.step || s.step->positions() == 0 ||
      (s.step->best.empty() && s.step->fills.empty() && s.step->pooled.empty())) {
    put_title(c, area, say(Word::ViewLogits));
    for (int i = 0; i < 8; ++i)
      c.outline({area.x + 110.5f, area.y + title_height + 12.5f + static_cast<float>(i) * row_height,
                 std::max(10.f, (area.w - 190) * std::pow(0.7f, static_cast<float>(i))), 10},
                t.hairline, 1);
    const bool mlm = s.step && s.step->model->spec.objective == Objective::MaskedLm;
    const std::string why = s.step ? refusal(*s.step) : std::string();
    return put_notice(c, {area.x, area.y + title_height + 190, area.w, 30},
                      !why.empty() ? why : std::string(say(mlm ? Word::MaskSomething : Word::PressSpace)));
  }
  if (!s.step->fills.empty()) {
    put_title(c, area, say(Word::FillsTitle),
              say_count(static_cast<int64_t>(s.step->fills.size()), Word::GapOne, Word::GapFew, Word::GapMany));
    const float width = std::max(220.f, std::min(420.f, (area.w - 16) / static_cast<float>(s.step->fills.size())));
    float x = area.x, y = area.y + title_height;
    for (const Fill& fill : s.step->fills) {
      if (x + width > area.right() + 1) x = area.x, y += 24 + row_height * 10 + 20;
      if (y + 80 > area.bottom()) break;
      put(c, x + 16, y + 10, say(Word::PositionOf, {std::to_string(fill.position)}),
          {Face::SansSemibold, 11, t.secondary});
      draw_list(c, {x, y + 24, width, std::min(area.bottom() - y - 24, row_height * 10)}, s, fill.best, fill.position,
                -1);
      x += width;
    }
    return;
  }
  if (s.step->best.empty()) return draw_embedding(c, area, s);
  const int64_t last = s.step->positions() - 1;
  put_title(c, area, say(Word::NextTokenAfter, {token_in_text(*s.step, last)}),
            say(Word::EntropyIs, {say_number(s.step->entropy_bits) + " " + std::string(say(Word::UnitBit))}));
  const float foot = s.step->model->random_weights ? 40.f : 28.f;
  draw_list(c, {area.x, area.y + title_height + 4, area.w, area.h - title_height - 4 - foot}, s, s.step->best, last + 1,
            kept_by(s.at.sampling, s.step->best));
  double shown = 0;
  for (const Row& row : rows_) shown += std::exp(static_cast<double>(row.logprob));
  std::string line = say(Word::RestIs, {say_percent(std::max(0., 1 - shown))});
  if (s.step->model->random_weights) line += " · " + std::string(say(Word::RandomWeights));
  put(c, area.x + 16, area.bottom() - 14, fitted(line, Face::Sans, 11, area.w - 32), {Face::Sans, 11, t.dim});
}

void Logits::draw_list(Canvas& c, Rect area, const Scene& s, const std::vector<TokenChoice>& best, int64_t position,
                       int64_t kept) {
  const Theme& t = c.theme();
  if (best.empty()) return;
  const auto shown = std::min(best.size(), static_cast<size_t>(std::max(1.f, area.h / row_height)));
  float token = 40;
  for (size_t i = 0; i < shown; ++i)
    token = std::max(token, c.text_width(written(piece_of(*s.step, best[i].id), true), Face::Mono, 12));
  token = std::min(token, area.w * 0.35f);
  const float x = area.x + 16 + token + 12, room = std::max(20.f, std::min(area.right() - 16 - 64, x + 560) - x);
  const double most = std::exp(static_cast<double>(best.front().logprob));
  for (size_t i = 0; i < shown; ++i) {
    const float y = area.y + (static_cast<float>(i) + 0.5f) * row_height;
    const double p = std::exp(static_cast<double>(best[i].logprob));
    const bool cut = kept >= 0 && static_cast<int64_t>(i) >= kept;
    const bool on = hovered_ && *hovered_ == rows_.size();
    const Rect place{area.x + 8, y - row_height / 2, x + room + 64 - area.x - 8, row_height};
    if (on) c.fill(place, t.raised);
    put(c, area.x + 16, y, fitted(written(piece_of(*s.step, best[i].id), true), Face::Mono, 12, token),
        {Face::Mono, 12,
         i == 0 ? t.text
         : cut  ? t.dim
                : t.secondary});
    c.fill({x, y - 5, std::max(1.f, static_cast<float>(p / most) * room), 10}, cut ? t.zone : t.bar);
    put(c, x + room + 60, y, say_percent(p), {Face::Sans, 12, i == 0 ? t.text : t.secondary, Align::Right});
    rows_.push_back({place, position, best[i].id, best[i].logprob, i + 1});
  }
  if (kept > 0 && kept < static_cast<int64_t>(shown) && s.at.sampling.temperature > 0) {
    const float y = area.y + static_cast<float>(kept) * row_height;
    c.line({area.x + 16, y}, {x + room + 60, y}, t.dim, 1, true);
    put(c, x + room - 4, y + 8, say(Word::SamplerCuts), {Face::Sans, 10, t.dim, Align::Right});
  }
}

/// A sentence embedding: one bar a dimension, up and down from zero.
void Logits::draw_embedding(Canvas& c, Rect area, const Scene& s) {
  const Theme& t = c.theme();
  const auto& v = s.step->pooled;
  put_title(c, area, say(Word::EmbeddingTitle), say(Word::EmbeddingSub, {say_integer(static_cast<int64_t>(v.size()))}));
  const Rect plot{area.x + 56, area.y + title_height + 16, area.w - 72, std::min(260.f, area.h - title_height - 48)};
  float most = 1e-9f;
  for (const float x : v) most = std::max(most, std::abs(x));
  const float zero = plot.y + plot.h / 2;
  for (const float at : {most, 0.f, -most}) {
    const float y = std::round(zero - at / most * plot.h / 2);
    c.fill({plot.x, y, plot.w, 1}, t.hairline);
    put(c, plot.x - 6, y, say_number(at), {Face::Sans, 10, t.dim, Align::Right});
  }
  const auto columns = std::min<int64_t>(static_cast<int64_t>(v.size()), static_cast<int64_t>(plot.w));
  const float w = plot.w / static_cast<float>(columns);
  for (int64_t i = 0; i < columns; ++i) {
    // Where dimensions share a pixel, the one farthest from zero is shown.
    float far = 0;
    for (auto k = static_cast<size_t>(i * static_cast<int64_t>(v.size()) / columns);
         k < static_cast<size_t>((i + 1) * static_cast<int64_t>(v.size()) / columns); ++k)
      if (std::abs(v[k]) > std::abs(far)) far = v[k];
    const float h = far / most * plot.h / 2;
    c.fill({plot.x + w * static_cast<float>(i), h > 0 ? zero - h : zero, std::max(1.f, w - (w >= 3 ? 1.f : 0.f)),
            std::abs(h)},
           t.bar);
  }
}

std::vector<Readout> Logits::readout(const Scene& s, TileSource&) const {
  if (!s.step) return {};
  std::vector<Readout> lines;
  if (hovered_ && *hovered_ < rows_.size()) {
    const Row& row = rows_[*hovered_];
    const double p = std::exp(static_cast<double>(row.logprob));
    lines.push_back({std::string(say(Word::Token)), written(piece_of(*s.step, row.id), true)});
    lines.push_back({std::string(say(Word::TokenId)), std::to_string(row.id)});
    lines.push_back({std::string(say(Word::Probability)), say_percent(p)});
    lines.push_back({std::string(say(Word::LogProbability)), say_number(row.logprob)});
    if (is_next(*s.step) && static_cast<size_t>(row.id) < s.step->logits.size())
      lines.push_back({std::string(say(Word::Logit)), say_number(s.step->logits[static_cast<size_t>(row.id)])});
    lines.push_back({std::string(say(Word::Rank)), std::to_string(row.rank)});
  }
  if (is_next(*s.step)) {
    lines.push_back(
        {std::string(say(Word::Entropy)), say_number(s.step->entropy_bits) + " " + std::string(say(Word::UnitBit))});
    std::string best;
    for (size_t i = 0; i < std::min<size_t>(5, s.step->best.size()); ++i)
      best += (best.empty() ? "" : ", ") + written(piece_of(*s.step, s.step->best[i].id), true) + " " +
              say_percent(std::exp(s.step->best[i].logprob));
    lines.push_back({std::string(say(Word::MostLikely)), best});
  }
  for (const Fill& fill : s.step->fills)
    if (!fill.best.empty())
      lines.push_back({say(Word::PositionOf, {std::to_string(fill.position)}),
                       written(piece_of(*s.step, fill.best.front().id), true) + " " +
                           say_percent(std::exp(fill.best.front().logprob))});
  return lines;
}

Table Logits::table(const Scene& s, TileSource&) const {
  Table table{{"position", "rank", "id", "token", "logprob", "probability"}, {}};
  if (!s.step) return table;
  const auto add = [&](int64_t position, const std::vector<TokenChoice>& best) {
    for (size_t i = 0; i < best.size(); ++i)
      table.rows.push_back({std::to_string(position), std::to_string(i + 1), std::to_string(best[i].id),
                            piece_of(*s.step, best[i].id), digits(best[i].logprob),
                            digits(std::exp(static_cast<double>(best[i].logprob)))});
  };
  for (const Fill& fill : s.step->fills) add(fill.position, fill.best);
  if (is_next(*s.step)) add(s.step->positions(), s.step->best);
  if (s.step->best.empty() && s.step->fills.empty() && !s.step->pooled.empty()) {
    table.columns = {"dimension", "value"};
    for (size_t i = 0; i < s.step->pooled.size(); ++i)
      table.rows.push_back({std::to_string(i), digits(s.step->pooled[i])});
  }
  return table;
}

std::vector<Array> Logits::arrays(const Scene& s, TileSource&) const {
  std::vector<Array> arrays;
  if (!s.step) return arrays;
  if (!s.step->logits.empty())
    arrays.push_back({"logits", {static_cast<int64_t>(s.step->logits.size())}, s.step->logits});
  if (!s.step->pooled.empty())
    arrays.push_back({"embedding", {static_cast<int64_t>(s.step->pooled.size())}, s.step->pooled});
  Array ids{"fill_ids", {0, 10}, {}}, logprobs{"fill_logprobs", {0, 10}, {}};
  for (const Fill& fill : s.step->fills) {
    if (fill.best.size() != 10) continue;
    ++ids.shape[0], ++logprobs.shape[0];
    for (const TokenChoice& choice : fill.best)
      ids.values.push_back(static_cast<float>(choice.id)), logprobs.values.push_back(choice.logprob);
  }
  if (ids.shape[0] > 0) arrays.push_back(ids), arrays.push_back(logprobs);
  return arrays;
}

}  // namespace

std::unique_ptr<View> make_Logits() { return std::make_unique<Logits>(); }

}  // namespace cutaway
