#include "engine/architectures/rope_config.h"

#include <cmath>

namespace cutaway {
namespace {

Result<RopeScaling> scaling_named(const Config& config, const std::string& name) {
  if (name == "default") return RopeScaling::None;
  if (name == "linear") return RopeScaling::Linear;
  if (name == "dynamic") return RopeScaling::Dynamic;
  if (name == "llama3") return RopeScaling::Llama3;
  if (name == "yarn") return RopeScaling::Yarn;
  if (name == "longrope" || name == "su") return RopeScaling::LongRope;
  return error("{}: rope_scaling.rope_type is \"{}\"; known are default, linear, dynamic, llama3, yarn and longrope",
               config.file(), name);
}

void read_yarn(Keys& keys, const Config& in, RopeSpec& rope) {
  rope.beta_fast = static_cast<float>(keys.kept(in.number("beta_fast", 32), 32.));
  rope.beta_slow = static_cast<float>(keys.kept(in.number("beta_slow", 1), 1.));
  rope.truncate = keys.kept(in.boolean("truncate", true), true);
  const double mscale = keys.kept(in.number("mscale", 0), 0.), all = keys.kept(in.number("mscale_all_dim", 0), 0.);
  const double ratio = mscale != 0 && all != 0
                           ? yarn_mscale(rope.factor, mscale) / static_cast<double>(yarn_mscale(rope.factor, all))
                           : yarn_mscale(rope.factor, 1);
  rope.attention_factor = static_cast<float>(keys.kept(in.number("attention_factor", ratio), ratio));
}

void read_long(Keys& keys, const Config& in, int64_t n_ctx, RopeSpec& rope) {
  const auto list = [&](std::string_view key) {
    const std::vector<double> values = keys.kept(in.numbers(key), {});
    if (static_cast<int64_t>(values.size()) != rope.width / 2)
      keys.refuse(
          error("{}: rope_scaling.{} has {} numbers; {} pairs turn", in.file(), key, values.size(), rope.width / 2));
    for (const double value : values)
      if (!(value > 0)) keys.refuse(error("{}: rope_scaling.{} holds {}; expected above 0", in.file(), key, value));
    return std::vector<float>(values.begin(), values.end());
  };
  rope.short_factors = list("short_factor");
  rope.long_factors = list("long_factor");
  const double s = in.has("factor") ? rope.factor : static_cast<double>(n_ctx) / rope.original_n_ctx;
  const double m = s <= 1 ? 1 : std::sqrt(1 + std::log(s) / std::log(rope.original_n_ctx));
  rope.attention_factor = static_cast<float>(keys.kept(in.number("attention_factor", m), m));
}

void read_scaling(Keys& keys, const Config& outer, const Config& in, int64_t n_ctx, RopeSpec& rope) {
  const std::string old_name = keys.kept(in.text("type", "default"), {});
  const std::string name = keys.kept(in.text("rope_type", old_name), {});
  rope.scaling = keys.kept(scaling_named(outer, name), RopeScaling::None);
  if (rope.scaling == RopeScaling::None) return;
  const bool needed = rope.scaling != RopeScaling::LongRope;
  rope.factor = static_cast<float>(
      keys.kept(in.number("factor", needed ? std::optional<double>() : std::optional<double>(1)), 1.));
  if (!(rope.factor >= 1))
    keys.refuse(error("{}: rope_scaling.factor is {}; expected at least 1", outer.file(), rope.factor));
  const int64_t at_top = keys.integer("original_max_position_embeddings", n_ctx, 1, 1 << 24);
  rope.original_n_ctx =
      static_cast<float>(keys.kept(in.integer("original_max_position_embeddings", at_top, 1, 1 << 24), at_top));
  if (rope.scaling == RopeScaling::Dynamic) rope.original_n_ctx = static_cast<float>(n_ctx);
  rope.low_freq_factor = static_cast<float>(keys.kept(in.number("low_freq_factor", 1), 1.));
  rope.high_freq_factor = static_cast<float>(keys.kept(in.number("high_freq_factor", 4), 4.));
  if (rope.scaling == RopeScaling::Llama3 &&
      !(rope.low_freq_factor > 0 && rope.high_freq_factor > rope.low_freq_factor))
    keys.refuse(
        error("{}: rope_scaling.low_freq_factor is {} and high_freq_factor {}; the second must be the larger one",
              outer.file(), rope.low_freq_factor, rope.high_freq_factor));
  if (rope.scaling == RopeScaling::Yarn) read_yarn(keys, in, rope);
  if (rope.scaling == RopeScaling::LongRope) read_long(keys, in, n_ctx, rope);
}

}  // namespace

float yarn_mscale(double factor, double mscale) {
  return factor <= 1 ? 1.f : static_cast<float>(0.1 * mscale * std::log(factor) + 1);
}

RopeSpec read_rope(Keys& keys, const Config& config, int64_t width, int64_t n_ctx, double default_theta) {
  RopeSpec rope;
  rope.width = width;
  if (width < 2 || width % 2)
    keys.refuse(error("{}: {} dimensions of a head turn; pairs turn, so it must be even", config.file(), width));
  const double at_top = keys.number("rope_theta", default_theta);
  const auto newer = config.object("rope_parameters"), older = config.object("rope_scaling");
  for (const auto* inside : {&newer, &older}) {
    if (!*inside) {
      keys.refuse(inside->error());
      return rope;
    }
  }
  const double theta = keys.kept((*newer).number("rope_theta", at_top), at_top);
  if (!(theta > 1)) keys.refuse(error("{}: rope_theta is {}; expected above 1", config.file(), theta));
  rope.theta = static_cast<float>(theta);
  rope.interleaved = keys.boolean("rope_interleaved", false);
  read_scaling(keys, config, config.has("rope_parameters") ? *newer : *older, n_ctx, rope);
  return rope;
}

}  // namespace cutaway
