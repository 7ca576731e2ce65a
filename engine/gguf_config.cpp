// Keys: GGUF's "{architecture}.…" to those of a config.json (spec/dense.md 12.2 and 12.3).
#include <algorithm>
#include <cmath>

#include "engine/files/json_text.h"
#include "engine/gguf_model.h"

namespace cutaway {
namespace {

using nlohmann::json;

/// One key of a config.json, and the key that says it behind the architecture's name.
struct Key {
  std::string_view hf, gguf;
};

constexpr Key llama_keys[] = {{"hidden_size", "embedding_length"},
                              {"intermediate_size", "feed_forward_length"},
                              {"num_hidden_layers", "block_count"},
                              {"num_attention_heads", "attention.head_count"},
                              {"num_key_value_heads", "attention.head_count_kv"},
                              {"head_dim", "attention.key_length"},
                              {"max_position_embeddings", "context_length"},
                              {"rms_norm_eps", "attention.layer_norm_rms_epsilon"},
                              {"rope_theta", "rope.freq_base"},
                              {"sliding_window", "attention.sliding_window"},
                              {"attn_logit_softcapping", "attn_logit_softcapping"},
                              {"final_logit_softcapping", "final_logit_softcapping"}};
constexpr Key deepseek_keys[] = {{"hidden_size", "embedding_length"},
                                 {"intermediate_size", "feed_forward_length"},
                                 {"num_hidden_layers", "block_count"},
                                 {"num_attention_heads", "attention.head_count"},
                                 {"max_position_embeddings", "context_length"},
                                 {"rms_norm_eps", "attention.layer_norm_rms_epsilon"},
                                 {"rope_theta", "rope.freq_base"},
                                 {"q_lora_rank", "attention.q_lora_rank"},
                                 {"kv_lora_rank", "attention.kv_lora_rank"},
                                 {"v_head_dim", "attention.value_length"},
                                 {"qk_rope_head_dim", "rope.dimension_count"},
                                 {"first_k_dense_replace", "leading_dense_block_count"},
                                 {"n_routed_experts", "expert_count"}};
constexpr Key gpt2_keys[] = {{"n_embd", "embedding_length"},    {"n_inner", "feed_forward_length"},
                             {"n_layer", "block_count"},        {"n_head", "attention.head_count"},
                             {"n_positions", "context_length"}, {"layer_norm_epsilon", "attention.layer_norm_epsilon"}};
constexpr Key falcon_keys[] = {{"hidden_size", "embedding_length"},
                               {"ffn_hidden_size", "feed_forward_length"},
                               {"num_hidden_layers", "block_count"},
                               {"num_attention_heads", "attention.head_count"},
                               {"num_kv_heads", "attention.head_count_kv"},
                               {"max_position_embeddings", "context_length"},
                               {"layer_norm_epsilon", "attention.layer_norm_epsilon"},
                               {"rope_theta", "rope.freq_base"}};
constexpr Key bert_keys[] = {
    {"hidden_size", "embedding_length"},           {"intermediate_size", "feed_forward_length"},
    {"num_hidden_layers", "block_count"},          {"num_attention_heads", "attention.head_count"},
    {"max_position_embeddings", "context_length"}, {"layer_norm_eps", "attention.layer_norm_epsilon"}};
constexpr Key t5_keys[] = {{"d_model", "embedding_length"},
                           {"d_ff", "feed_forward_length"},
                           {"num_layers", "block_count"},
                           {"num_decoder_layers", "decoder_block_count"},
                           {"num_heads", "attention.head_count"},
                           {"d_kv", "attention.key_length"},
                           {"relative_attention_num_buckets", "attention.relative_buckets_count"},
                           {"layer_norm_epsilon", "attention.layer_norm_rms_epsilon"},
                           {"decoder_start_token_id", "decoder_start_token_id"}};

struct Family {
  std::string_view architecture, model_type;
  std::span<const Key> keys;
  std::vector<std::string_view> needed;  // GGUF keys that must be there
  json also = json::object();            // what the converter has made so
};

const std::vector<Family>& families() {
  static const std::vector<std::string_view> sizes = {"embedding_length", "block_count", "attention.head_count"};
  static const std::vector<Family> all = {
      {"llama", "llama", llama_keys, sizes, {{"rope_interleaved", true}}},
      {"qwen2", "qwen2", llama_keys, sizes},
      {"qwen3", "qwen3", llama_keys, sizes},
      {"gemma2", "gemma2", llama_keys, sizes, {{"norm_offset", 0}}},  // its gains have the 1 already
      {"olmo2", "olmo2", llama_keys, sizes},
      {"deepseek2", "deepseek_v3", deepseek_keys, sizes, {{"rope_interleave", true}}},
      {"gpt2", "gpt2", gpt2_keys, sizes},
      {"starcoder", "gpt_bigcode", gpt2_keys, sizes},
      {"falcon", "falcon", falcon_keys, sizes},
      {"bert", "bert", bert_keys, sizes},
      {"t5", "t5", t5_keys, sizes},
  };
  return all;
}

/// Puts one config together; the first thing that is wrong is kept.
class Translation {
 public:
  Translation(const TensorFiles& files, const Family& family) : files_(files), gguf_(*files.gguf()), family_(family) {}

  Result<Config> config() {
    out_ = family_.also;
    out_["model_type"] = family_.model_type;
    for (std::string_view key : family_.needed)
      if (!gguf_.find(spelt(key))) fail("{} is missing", spelt(key));
    for (const Key& key : family_.keys) copy(key);
    vocabulary();
    rope();
    specifics();
    if (why_) return *why_;
    return Config::parse(gguf_.file(), out_.dump(-1, ' ', false, json::error_handler_t::replace));
  }

 private:
  template <class... Args>
  void fail(fmt::format_string<Args...> text, Args&&... args) {
    if (!why_) why_ = error("{}: {}", gguf_.file(), fmt::format(text, std::forward<Args>(args)...));
  }
  std::string spelt(std::string_view key) const { return fmt::format("{}.{}", family_.architecture, key); }

  void copy(const Key& key) {
    const GgufValue* value = gguf_.find(spelt(key.gguf));
    if (!value) return;
    if (const auto* list = std::get_if<GgufList>(&value->value)) return copy_list(key, *list);
    if (const auto* n = std::get_if<int64_t>(&value->value))
      out_[key.hf] = *n;
    else if (const auto* large = std::get_if<uint64_t>(&value->value))
      out_[key.hf] = *large;
    else if (const auto* real = std::get_if<double>(&value->value); real && std::isfinite(*real))
      out_[key.hf] = *real;
    else
      fail("{} is {}; a number is needed", spelt(key.gguf), text_of(*value));
  }
  /// One number per layer is read where all are equal.
  void copy_list(const Key& key, const GgufList& list) {
    const bool numbers = list.of != GgufType::STRING && list.count > 0;
    for (uint64_t i = 1; numbers && i < list.count; ++i)
      if (list.number(i) != list.number(0))
        return fail("{} is {} in layer 0 and {} in layer {}; layers of several shapes are not read", spelt(key.gguf),
                    list.number(0), list.number(i), i);
    if (!numbers)
      return fail("{} is a list of {} {}; a number is needed", spelt(key.gguf), list.count, name_of(list.of));
    out_[key.hf] = list.number(0);
  }

  int64_t integer(const std::string& key, int64_t absent) {
    const auto value = gguf_.integer(key, absent);
    if (!value) fail("{}", value.error().text.substr(gguf_.file().size() + 2));
    return value ? *value : absent;
  }
  bool has(const char* tensor) const { return files_.find(tensor) != nullptr; }

  void vocabulary() {
    const auto tokens = gguf_.texts("tokenizer.ggml.tokens");
    if (tokens && *tokens) out_["vocab_size"] = (*tokens)->count;
    if (gguf_.find(spelt("vocab_size"))) out_["vocab_size"] = integer(spelt("vocab_size"), 0);
    if (const FileTensor* table = files_.find("token_embd.weight"); table && !table->shape.empty())
      out_["vocab_size"] = table->shape[0];
    out_["tie_word_embeddings"] = !has("output.weight");
    const int64_t eos = integer("tokenizer.ggml.eos_token_id", -1);
    if (eos >= 0 && eos < UINT32_MAX) out_["eos_token_id"] = eos;
  }

  void rope() {
    const auto type = gguf_.text(spelt("rope.scaling.type"), "none");
    if (!type) return fail("{} is no text", spelt("rope.scaling.type"));
    const Key factor{"factor", "rope.scaling.factor"},
        context{"original_max_position_embeddings", "rope.scaling.original_context_length"},
        strength{"attention_factor", "rope.scaling.attn_factor"};
    if (*type == "linear" || *type == "yarn") {
      json inside = {{"rope_type", *type}};
      std::swap(out_, inside);
      for (const Key& key : {factor, context, strength}) copy(key);
      std::swap(out_, inside);
      out_["rope_scaling"] = inside;
    } else if (*type != "none") {
      fail("{} is \"{}\"; known are none, linear and yarn", spelt("rope.scaling.type"), *type);
    }
    if (const FileTensor* factors = files_.find("rope_freqs.weight")) divisors(*factors);
  }

  /// Llama 3.1's stretching as the converter stores it: a divisor of each frequency.
  void divisors(const FileTensor& t) {
    if (t.dtype != DType::F32 || t.shape.size() != 1 || t.shape[0] > 1 << 14)
      return fail("rope_freqs.weight is {} {}; a short row of F32 is needed", t.dtype_name, text_of(t.shape));
    std::vector<float> values(static_cast<size_t>(t.shape[0]));
    to_float({t.data.data(), *t.dtype, t.shape}, values.data());
    for (float value : values)
      if (!std::isfinite(value)) return fail("rope_freqs.weight holds {}", value);
    out_["rope_scaling"] = {
        {"rope_type", "longrope"}, {"short_factor", values}, {"long_factor", values}, {"attention_factor", 1.0}};
  }

  void specifics() {
    const std::string_view a = family_.architecture;
    const int64_t D = integer(spelt("embedding_length"), 0), H = integer(spelt("attention.head_count"), 1);
    const int64_t divided = H > 0 ? D / H : 0, key = integer(spelt("attention.key_length"), divided),
                  value = integer(spelt("attention.value_length"), key),
                  turning = integer(spelt("rope.dimension_count"), a == "deepseek2" ? 0 : key);
    if (a == "deepseek2") {
      out_["qk_nope_head_dim"] = key - turning;
      if (!gguf_.find(spelt("attention.q_lora_rank"))) out_["q_lora_rank"] = nullptr;
      if (integer(spelt("expert_count"), 0) == 0) out_["n_routed_experts"] = nullptr;
    } else if (key != value) {
      fail("{} is {} and {} is {}; they must be equal", spelt("attention.key_length"), key,
           spelt("attention.value_length"), value);
    } else if (turning != key) {
      fail("{} is {} of {} dimensions of a head; all of them must turn", spelt("rope.dimension_count"), turning, key);
    }
    if (a == "llama") out_["attention_bias"] = has("blk.0.attn_q.bias"), out_["mlp_bias"] = has("blk.0.ffn_up.bias");
    if (a == "gemma2")
      out_["query_pre_attn_scalar"] = integer(spelt("block_count"), 0) == 46 ? divided : key;  // the 27B
    if (a == "starcoder") out_["multi_query"] = integer(spelt("attention.head_count_kv"), H) == 1;
    if (a == "falcon") falcon();
    if (a == "bert") bert();
    if (a == "t5") out_["feed_forward_proj"] = has("enc.blk.0.ffn_gate.weight") ? "gated-gelu" : "relu";
  }

  void falcon() {
    const int64_t kv = integer(spelt("attention.head_count_kv"), 1);
    const bool two_norms = has("blk.0.attn_norm_2.weight");
    out_["new_decoder_architecture"] = kv > 1 || two_norms;
    out_["num_ln_in_parallel_attn"] = two_norms ? 2 : 1;
    out_["multi_query"] = kv == 1;
  }

  void bert() {
    const FileTensor* types = files_.find("token_types.weight");
    out_["type_vocab_size"] =
        types && !types->shape.empty() ? types->shape[0] : integer("tokenizer.ggml.token_type_count", 2);
  }

  const TensorFiles& files_;
  const Gguf& gguf_;
  const Family& family_;
  json out_;
  std::optional<Error> why_;
};

}  // namespace

Result<Config> gguf_config(const TensorFiles& files) {
  const Gguf& gguf = *files.gguf();
  const auto name = gguf.text("general.architecture", {});
  if (!name) return name.error();
  const auto family = std::ranges::find(families(), *name, &Family::architecture);
  if (family != families().end()) return Translation(files, *family).config();
  std::vector<std::string_view> known;
  for (const Family& one : families()) known.push_back(one.architecture);
  return error("{}: general.architecture is \"{}\"; known are {}", gguf.file(), *name, fmt::join(known, ", "));
}

}  // namespace cutaway
