// A trace as a step of a model without weights: the graph is made from the tensors that are there.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <new>

#include "engine/files/json_text.h"
#include "engine/files/tensor_files.h"
#include "engine/session.h"
#include "engine/trace.h"
#include "engine/trace_names.h"

namespace cutaway {
namespace {

using nlohmann::json;

constexpr int64_t max_positions = 1 << 24, max_width = 1 << 20;
constexpr int64_t max_scored_values = 1 << 26;  // logits that are turned into surprisal while opening

std::vector<float> floats_of(const FileTensor& t) {
  std::vector<float> values(static_cast<size_t>(elements(t.shape)));
  to_float({t.data.data(), *t.dtype, t.shape}, values.data());
  return values;
}

class TraceReader {
 public:
  explicit TraceReader(std::shared_ptr<const TensorFiles> files)
      : files_(std::move(files)), arena_(make_host_arena()) {}

  Result<SnapshotPtr> read() {
    for (auto step : {&TraceReader::read_metadata, &TraceReader::find_blocks, &TraceReader::read_hidden,
                      &TraceReader::read_blocks, &TraceReader::read_logits})
      if (auto ok = (this->*step)(); !ok) return ok.error();
    if (step_.recording.empty() && step_.dense.empty() && step_.logits.empty())
      return error("{} holds no tensor that a view reads", file());
    finish();
    return SnapshotPtr(std::make_shared<const Snapshot>(std::move(step_)));
  }

 private:
  const std::string& file() const { return files_->name(); }

  std::string meta(const char* key) const {
    const auto at = files_->metadata().find(key);
    return at == files_->metadata().end() ? "" : at->second;
  }

  Result<json> meta_json(const char* key) const {
    const std::string text = meta(key);
    if (text.empty()) return error("{}: the metadata has no {}", file(), key);
    auto value = parse_json(fmt::format("{}: {}", file(), key), text, 8);
    return value;
  }

  Result<void> read_metadata() {
    if (meta("format") != "cutaway-trace")
      return error("{} is not a trace: its metadata has the format \"{}\", not \"cutaway-trace\"", file(),
                   meta("format"));
    if (meta("version") != "1") return error("{}: the version is \"{}\"; version 1 is read", file(), meta("version"));
    const auto ids = meta_json("input_ids"), tokens = meta_json("tokens");
    if (!ids) return ids.error();
    if (!tokens) return tokens.error();
    if (!ids->is_array() || ids->empty())
      return error("{}: input_ids is {}; a list of ids is needed", file(), text_of(*ids));
    if (!tokens->is_array()) return error("{}: tokens is {}; a list of texts is needed", file(), text_of(*tokens));
    if (ids->size() != tokens->size())
      return error("{}: input_ids has {} entries, tokens has {}", file(), ids->size(), tokens->size());
    for (const json& id : *ids) {
      if (!id.is_number_unsigned() || id.get<uint64_t>() > static_cast<uint64_t>(INT32_MAX))
        return error("{}: input_ids has {}; a whole number is needed", file(), text_of(id));
      step_.ids.push_back(id.get<int32_t>());
    }
    for (const json& token : *tokens) {
      if (!token.is_string()) return error("{}: tokens has {}; a text is needed", file(), text_of(token));
      step_.pieces.push_back(token.get<std::string>());
    }
    n_ = step_.positions();
    if (!meta("attention").empty()) {
      auto attention = meta_json("attention");
      if (!attention) return attention.error();
      if (!attention->is_object())
        return error("{}: attention is {}; an object is needed", file(), text_of(*attention));
      attention_ = std::move(*attention);
    }
    return {};
  }

  Result<void> find_blocks() {
    for (const FileTensor& t : files_->tensors()) {
      const auto place = place_of(t.name);
      if (!place) continue;
      Block& block = blocks_[{place->stack, place->layer, place->block}];
      block.place = *place;
      block.parts[place->part] = &t;
    }
    return {};
  }

  /// Rank, a floating type and sane sizes; what names a (H, T, S) or the like.
  Result<void> check(const FileTensor& t, size_t rank, const char* want) const {
    if (!t.dtype || *t.dtype > DType::BF16)
      return error("{}: {} has the type {}; F32, F16 or BF16 is needed", file(), t.name, t.dtype_name);
    if (t.shape.size() != rank)
      return error("{}: {} is {}; {} is needed", file(), t.name, cutaway::text_of(t.shape), want);
    for (int64_t size : t.shape)
      if (size < 1 || size > max_positions)
        return error("{}: {} is {}; sizes from 1 to {} are read", file(), t.name, cutaway::text_of(t.shape),
                     max_positions);
    return {};
  }

  NodeId add(Op op, Role role, const std::string& path, const Block* block, std::vector<Size> shape) {
    Node node;
    node.op = op;
    node.id = static_cast<NodeId>(graph_.nodes.size());
    node.role = role;
    node.path = path;
    node.shape = std::move(shape);
    if (block) node.block = block->place.block, node.layer = block->place.layer;
    graph_.nodes.push_back(std::move(node));
    return graph_.nodes.back().id;
  }

  static Size tokens_of(const std::string& stack) {
    return {Law::T, 0, stack == "encoder." ? Counts::EncoderTokens : Counts::DecoderTokens};
  }

  /// (H, T, width) or (T, width) as rows of a position.
  void record(NodeId id, const FileTensor& t) {
    const int64_t heads = t.shape.size() == 3 ? t.shape[0] : 1, T = t.shape[t.shape.size() - 2], width = t.shape.back();
    record_rows(id, heads, T, width, floats_of(t));
  }
  void record_rows(NodeId id, int64_t heads, int64_t T, int64_t width, const std::vector<float>& values) {
    PagedRows rows(arena_, sizeof(float) * static_cast<size_t>(heads * width));
    std::vector<float> turned(values.size());
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < T; ++i)
        std::copy_n(&values[static_cast<size_t>((h * T + i) * width)], width,
                    &turned[static_cast<size_t>((i * heads + h) * width)]);
    if (!rows.grow(T)) throw std::bad_alloc();
    rows.scatter(0, T, turned.data());
    step_.recording.emplace(id, std::move(rows));
  }

  Result<void> read_hidden() {
    for (const FileTensor& t : files_->tensors()) {
      std::string_view name = t.name;
      std::string stack;
      for (std::string_view prefix : {"encoder.", "decoder."})
        if (name.starts_with(prefix)) stack = prefix, name.remove_prefix(prefix.size());
      if (!name.starts_with("hidden.")) continue;
      const auto layer = layer_number(name.substr(7));
      if (!layer && name != "hidden.embed") continue;
      if (auto ok = check(t, 2, "(T, D)"); !ok) return ok;
      if (auto ok = check_tokens(t, t.shape[0], stack); !ok) return ok;
      Block none;
      none.place.layer = layer.value_or(-1);
      const NodeId id =
          add(Op::add, Role::Hidden, t.name, &none, {tokens_of(stack), {Law::Fixed, t.shape[1], Counts::Features}});
      record(id, t);
      spec_.d_model = t.shape[1];
    }
    return {};
  }

  /// A stack alone runs over the tokens that the metadata lists; of two stacks each has its own.
  Result<void> check_tokens(const FileTensor& t, int64_t T, const std::string& stack) {
    longest_ = std::max(longest_, T);
    if (stack.empty() && T != n_)
      return error("{}: {} is {}; input_ids has {} tokens", file(), t.name, cutaway::text_of(t.shape), n_);
    return {};
  }

  Result<void> read_blocks() {
    for (const auto& [key, block] : blocks_)
      if (auto ok = read_block(block); !ok) return ok;
    return {};
  }

  /// What the tensors of a block agree on.
  struct Geometry {
    int64_t H = 0, Hkv = 0, Dh = 0, T = 0, S = 0;
    float scale = 1;
  };

  Result<void> read_block(const Block& block) {
    const FileTensor* probs = block.part("probs");
    const bool rebuilds = block.part("q") && block.part("k") && block.part("lse");
    if (!probs && !rebuilds) return {};  // q alone feeds no view
    Geometry g;
    for (auto step : {&TraceReader::measure_probs, &TraceReader::measure_rows, &TraceReader::measure_lse})
      if (auto ok = (this->*step)(block, g); !ok) return ok;
    const auto entry = attention_.find(block.place.block);
    const bool said = entry != attention_.end() && entry->is_object();
    if (auto ok = read_scale(block, said ? *entry : json::object(), rebuilds && !probs, g); !ok) return ok;
    auto mask = read_mask(block, said ? *entry : json::object(), g);
    if (!mask) return mask.error();
    step_.masks.push_back(std::move(*mask));
    add_nodes(block, g, static_cast<int>(step_.masks.size()) - 1);
    return probs ? read_dense(*probs, g) : Result<void>{};
  }

  Result<void> measure_probs(const Block& block, Geometry& g) {
    const FileTensor* probs = block.part("probs");
    if (!probs) return {};
    if (auto ok = check(*probs, 3, "(H, T, S)"); !ok) return ok;
    g.H = g.Hkv = probs->shape[0], g.T = probs->shape[1], g.S = probs->shape[2];
    if (auto ok = check_tokens(*probs, g.T, block.place.stack); !ok) return ok;
    if (auto ok = check_tokens(*probs, g.S, block.crosses() ? "cross" : block.place.stack); !ok) return ok;
    if (!block.crosses() && g.T != g.S)
      return error("{}: {} is {}; a self-attention map has as many keys as queries", file(), probs->name,
                   cutaway::text_of(probs->shape));
    return {};
  }

  /// q (H, T, Dh), k and v (Hkv, S, Dh): against probs and each other.
  Result<void> measure_rows(const Block& block, Geometry& g) {
    for (const char* name : {"q", "k", "v"}) {
      const FileTensor* t = block.part(name);
      if (!t) continue;
      const bool query = *name == 'q';
      if (auto ok = check(*t, 3, query ? "(H, T, Dh)" : "(Hkv, S, Dh)"); !ok) return ok;
      if (t->shape[2] > max_width || t->shape[0] > max_width)
        return error("{}: {} is {}; widths up to {} are read", file(), t->name, cutaway::text_of(t->shape), max_width);
      const bool foreign = !query && block.crosses();
      if (auto ok = check_tokens(*t, t->shape[1], foreign ? "cross" : block.place.stack); !ok) return ok;
      int64_t& heads = query ? g.H : g.Hkv;
      int64_t& tokens = query ? g.T : g.S;
      const bool kv_from_probs = !query && block.part("probs") && !block.part("q");
      const bool fresh_heads = heads == 0 || !query;
      if ((!fresh_heads && heads != t->shape[0]) || (tokens != 0 && tokens != t->shape[1]) ||
          (*name == 'k' && g.Dh != 0 && g.Dh != t->shape[2]) ||
          (*name == 'v' && block.part("k") && block.part("k")->shape[0] != t->shape[0]))
        return error("{}: {} is {}; the other tensors of {} have {} heads, {} positions, {} values a head", file(),
                     t->name, cutaway::text_of(t->shape), block.place.block, query ? g.H : g.Hkv, tokens, g.Dh);
      if (!kv_from_probs) heads = t->shape[0];
      tokens = t->shape[1];
      if (*name != 'v') g.Dh = t->shape[2];
    }
    if (g.H > 0 && g.Hkv > 0 && g.H % g.Hkv != 0)
      return error("{}: {} has {} query heads; they must be a multiple of its {} key heads", file(), block.place.block,
                   g.H, g.Hkv);
    return {};
  }

  Result<void> measure_lse(const Block& block, Geometry& g) {
    const FileTensor* lse = block.part("lse");
    if (!lse) return {};
    if (auto ok = check(*lse, 2, "(H, T)"); !ok) return ok;
    if ((g.H != 0 && lse->shape[0] != g.H) || (g.T != 0 && lse->shape[1] != g.T))
      return error("{}: {} is {}; the other tensors of {} make it ({}, {})", file(), lse->name,
                   cutaway::text_of(lse->shape), block.place.block, g.H, g.T);
    return {};
  }

  /// A map that must be rebuilt needs its scale, and can't have what a dot product alone doesn't give.
  Result<void> read_scale(const Block& block, const json& entry, bool needed, Geometry& g) {
    const std::string& name = block.place.block;
    if (entry.contains("scale")) {
      if (!entry["scale"].is_number() || !std::isfinite(entry["scale"].get<double>()))
        return error("{}: the scale of {} is {}; a number is needed", file(), name, text_of(entry["scale"]));
      g.scale = entry["scale"].get<float>();
    } else if (needed) {
      return error("{}: attention says no scale for {}, whose map is to be rebuilt from q and k", file(), name);
    }
    if (needed && (block.part("bias") || (entry.contains("softcap") && !entry["softcap"].is_null())))
      return error("{}: {} has a bias or a softcap; such a map is read from probs, which are missing", file(), name);
    return {};
  }

  Result<MaskRule> read_mask(const Block& block, const json& entry, const Geometry& g) {
    const std::string& name = block.place.block;
    const FileTensor* bits = block.part("mask");
    if (bits && (!bits->dtype || (*bits->dtype != DType::U8 && *bits->dtype != DType::BOOL)))
      return error("{}: {} has the type {}; U8 is needed", file(), bits->name, bits->dtype_name);
    if (bits && bits->shape != Shape{g.T, g.S})
      return error("{}: {} is {}; the other tensors of {} make it ({}, {})", file(), bits->name,
                   cutaway::text_of(bits->shape), name, g.T, g.S);
    if (entry.contains("mask")) {
      if (!entry["mask"].is_string())
        return error("{}: the mask of {} is {}; a rule is needed", file(), name, text_of(entry["mask"]));
      const std::string rule = entry["mask"].get<std::string>();
      if (rule != "custom") {
        auto parsed = MaskRule::parse(rule);
        if (!parsed) return error("{}: {}: {}", file(), name, parsed.error().text);
        return parsed;
      }
    }
    if (!bits) {
      if (block.crosses()) return MaskRule{MaskRule::Kind::Bidirectional, 0, nullptr};
      return error("{}: {} has neither a mask rule nor a mask tensor", file(), name);
    }
    auto painted = std::make_shared<MaskBits>(g.T, g.S);
    for (int64_t i = 0; i < g.T * g.S; ++i)
      if (bits->data[static_cast<size_t>(i)] != std::byte{0}) painted->set(i / g.S, i % g.S, true);
    return MaskRule{MaskRule::Kind::Custom, 0, std::move(painted)};
  }

  /// q, k, lse, mask and probs, as a builder would have made them; v where the file has it.
  void add_nodes(const Block& block, const Geometry& g, int mask_slot) {
    const Size T = tokens_of(block.place.stack), S = block.crosses() ? tokens_of("encoder.") : T;
    const auto fixed = [](int64_t n, Counts counts) { return Size{Law::Fixed, n, counts}; };
    const Params params{
        .scale = g.scale, .heads = g.H, .kv_heads = g.Hkv, .head_dim = g.Dh, .value_dim = g.Dh, .mask_slot = mask_slot};
    if (T.counts == Counts::EncoderTokens) source_ = std::max(source_, g.T);
    if (S.counts == Counts::EncoderTokens) source_ = std::max(source_, g.S);
    const auto part = [&](const char* name, Op op, Role role, std::vector<Size> shape) {  // its node, with its rows
      const NodeId id = add(op, role, fmt::format("{}.{}", block.place.block, name), &block, std::move(shape));
      graph_.nodes.back().params = params;
      if (const FileTensor* t = block.part(name); t && op == Op::split_heads) record(id, *t);
      return id;
    };
    const NodeId q = part("q", Op::split_heads, Role::Q, {fixed(g.H, Counts::Heads), T, fixed(g.Dh, Counts::Features)});
    const NodeId k =
        part("k", Op::split_heads, Role::K, {fixed(g.Hkv, Counts::Heads), S, fixed(g.Dh, Counts::Features)});
    if (const FileTensor* v = block.part("v"))
      part("v", Op::split_heads, Role::V, {fixed(v->shape[0], Counts::Heads), S, fixed(v->shape[2], Counts::Features)});
    const NodeId lse = part("lse", Op::lse, Role::Lse, {fixed(g.H, Counts::Heads), T});
    if (const FileTensor* t = block.part("lse")) record_rows(lse, g.H, g.T, 1, floats_of(*t));
    part("mask", Op::mask, Role::Mask, {T, S});
    part("probs", Op::probs, Role::Probs, {fixed(g.H, Counts::Heads), T, S});
    graph_.nodes.back().inputs = {q, k, lse};
    if (block.crosses() || block.place.stack == "encoder.") return;
    const auto at = static_cast<size_t>(block.place.layer);
    if (spec_.layers.size() <= at) spec_.layers.resize(at + 1);
    LayerSpec& layer = spec_.layers[at];
    layer.attention.n_heads = g.H, layer.attention.n_kv_heads = g.Hkv, layer.attention.head_dim = g.Dh;
    layer.attention.scale = g.scale, layer.attention.mask_slot = mask_slot;
  }

  Result<void> read_dense(const FileTensor& probs, const Geometry& g) {
    DenseProbs dense{g.H, g.T, g.S, floats_of(probs)};
    const auto bad = std::ranges::find_if(dense.values, [](float p) { return !(p >= 0 && p <= 1.001f); });
    if (bad != dense.values.end())
      return error("{}: {} has the weight {}; they are from 0 to 1", file(), probs.name, *bad);
    step_.dense.emplace(graph_.nodes.back().id, std::move(dense));
    return {};
  }

  Result<void> read_logits() {
    const FileTensor* t = files_->find("logits");
    if (!t) t = files_->find("decoder.logits");
    if (!t) return {};
    if (auto ok = check(*t, 2, "(T, V)"); !ok) return ok;
    if (auto ok = check_tokens(*t, t->shape[0], two_stacks() ? "decoder." : ""); !ok) return ok;
    const int64_t T = t->shape[0], V = t->shape[1];
    for (size_t i = 0; i < step_.ids.size(); ++i)
      if (step_.ids[i] >= V && !two_stacks())
        return error("{}: input_ids has {} at position {}; logits are of {} ids", file(), step_.ids[i], i, V);
    const auto row_bytes = static_cast<size_t>(V) * bytes_of(*t->dtype);
    const auto row = [&](int64_t i, std::vector<float>& out) {
      out.resize(static_cast<size_t>(V));
      to_float({t->data.data() + static_cast<size_t>(i) * row_bytes, *t->dtype, {V}}, out.data());
      return std::ranges::all_of(out, [](float v) { return std::isfinite(v); });
    };
    if (!row(T - 1, step_.logits)) return error("{}: logits hold values that are no finite numbers", file());
    graph_.logits =
        add(Op::take_rows, Role::Logits, t->name, nullptr, {tokens_of("decoder."), {Law::Fixed, V, Counts::Features}});
    spec_.vocab_size = V;
    if (T * V > max_scored_values || two_stacks()) return {};
    step_.surprisal_bits.assign(static_cast<size_t>(T), std::numeric_limits<float>::quiet_NaN());
    std::vector<float> values;
    for (int64_t i = 0; i < T; ++i) {
      if (!row(i, values)) return error("{}: logits hold values that are no finite numbers", file());
      if (i + 1 < T)
        step_.surprisal_bits[static_cast<size_t>(i) + 1] =
            -log_probability(values, step_.ids[static_cast<size_t>(i) + 1]) / std::log(2.f);
      const std::string& piece = step_.pieces[static_cast<size_t>(i)];
      if (piece == "[MASK]" || piece == "<mask>") step_.fills.push_back({i, best_choices(values, 10)});
    }
    return {};
  }

  bool two_stacks() const {
    return std::ranges::any_of(blocks_, [](const auto& block) { return !block.second.place.stack.empty(); });
  }

  /// The encoder's text where the file has it (ours do, beside the contract's keys); else numbers stand in for tokens.
  void read_source() {
    const auto tokens = parse_json(file(), meta("source_tokens").empty() ? "[]" : meta("source_tokens"), 2);
    step_.source_ids.assign(static_cast<size_t>(source_), 0);
    for (size_t i = 0; i < static_cast<size_t>(source_); ++i) {
      const bool said = tokens && tokens->is_array() && i < tokens->size() && (*tokens)[i].is_string();
      step_.source_pieces.push_back(said ? (*tokens)[i].get<std::string>() : fmt::format("#{}", i));
    }
  }

  /// What a person reads of it, and the fields that views take for granted.
  void finish() {
    const bool causal = std::ranges::any_of(
        step_.masks, [](const MaskRule& rule) { return rule.kind != MaskRule::Kind::Bidirectional; });
    const std::string objective = meta("objective");
    spec_.objective = objective == "masked-lm" || (objective.empty() && !causal) ? Objective::MaskedLm
                      : objective == "embedding"                                 ? Objective::Embedding
                                                                                 : Objective::CausalLm;
    if (spec_.objective != Objective::CausalLm)
      step_.logits.clear(), step_.surprisal_bits.clear();
    else
      step_.fills.clear();
    for (int64_t i = step_.positions(); i < longest_; ++i) {  // of two stacks the longer one lends its length
      step_.ids.push_back(0);
      step_.pieces.push_back(fmt::format("#{}", i));
    }
    read_source();
    if (!step_.surprisal_bits.empty())
      step_.surprisal_bits.resize(step_.ids.size(), std::numeric_limits<float>::quiet_NaN());
    if (!step_.logits.empty()) {
      step_.best = best_choices(step_.logits, 40);
      step_.entropy_bits = entropy_bits(step_.logits);
    }
    auto model = std::make_shared<Model>();
    spec_.name = model->name = meta("model").empty() ? file() : meta("model");
    spec_.n_ctx = step_.positions();
    spec_.masks = step_.masks;
    model->spec = std::move(spec_);
    model->graph = std::make_shared<const Graph>(std::move(graph_));
    step_.model = std::move(model);
    step_.backend_name = meta("backend");
    step_.text = meta("text");
    int64_t n_prompt = 0;
    const std::string given = meta("n_prompt");
    std::from_chars(given.data(), given.data() + given.size(), n_prompt);
    step_.n_prompt = n_prompt >= 1 && n_prompt <= n_ ? n_prompt : n_;
    step_.node_ms.assign(step_.graph().nodes.size(), 0.f);
    step_.serial = next_trace_serial();
  }

  /// Sessions count up from 1, traces down from the other end: no two steps are equal.
  static uint64_t next_trace_serial() {
    static std::atomic<uint64_t> serial{0};
    return --serial;
  }

  std::shared_ptr<const TensorFiles> files_;
  std::shared_ptr<PageArena> arena_;
  json attention_ = json::object();
  std::map<std::tuple<std::string, int, std::string>, Block> blocks_;  // stack by stack, layer by layer
  Graph graph_;
  ModelSpec spec_;
  Snapshot step_;
  int64_t n_ = 0, longest_ = 0, source_ = 0;
};

}  // namespace

Result<SnapshotPtr> read_trace(std::shared_ptr<const TensorFiles> files) {
  const std::string name = files->name();
  try {
    return TraceReader(std::move(files)).read();
  } catch (const std::bad_alloc&) {
    return machine_error("{}: not enough memory to open it", name);
  }
}

Result<SnapshotPtr> read_trace(const std::string& path) {
  auto files = TensorFiles::open_file(path);
  if (!files) return files.error();
  return read_trace(std::move(*files));
}

}  // namespace cutaway
