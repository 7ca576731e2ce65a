// The options of the calls. Every value is read as text and checked here, so that a refusal names the option, what was
// typed and what would be right.
//
//   Arguments arguments("tokenize", "Shows the ids and pieces of a text.");
//   arguments.positional("MODEL", model, "…").flag("--json", json, "…");
//   const Result<bool> go_on = arguments.read(words);     // false: --help was asked and printed
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/model.h"
#include "engine/session.h"

namespace cutaway {

using Words = std::vector<std::string>;    // what stands behind the call's name
using Given = std::optional<std::string>;  // an option's value as typed

class Arguments {
 public:
  Arguments(const std::string& call, const std::string& what);
  ~Arguments();
  Arguments& flag(const std::string& name, bool& on, const std::string& help);
  Arguments& option(const std::string& name, Given& value, const std::string& shown_as, const std::string& help);
  Arguments& options(const std::string& name, Words& values, const std::string& shown_as, const std::string& help);
  Arguments& positional(const std::string& shown_as, std::string& value, const std::string& help, bool required = true);
  /// Options added after this stand under that heading in --help.
  Arguments& group(const std::string& heading);
  Result<bool> read(const Words&);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

/// "--steps is 1e3; a whole number from 0 to 1048576 is needed".
Result<int64_t> whole(const std::string& option, const std::string& text, int64_t low, int64_t high);
Result<int64_t> whole(const std::string& option, const Given& text, int64_t absent, int64_t low, int64_t high);
Result<double> real(const std::string& option, const std::string& text, double low, double high);
/// "fp32", "fp16", "bf16" of --dtype as the type of stored weights.
Result<DType> weights_dtype(const std::string& option, const std::string& text);
/// "fp32", "fp16", "bf16", "fp8", "q8_0", "q4_0" of --cache-dtype.
Result<DType> cache_dtype_of(const std::string& option, const std::string& text);

/// MODEL, and what every call that opens one understands.
struct ModelOptions {
  std::string model;
  Given backend, dtype, cache_dtype, threads, attention, mask, moe, prefix, random_weights;
  bool json = false;

  void add_to(Arguments&);
  Result<OpenOptions> open_options() const;
  /// With the weights as that backend takes them.
  Result<ModelPtr> open(const Backend&) const;
  Result<std::shared_ptr<Backend>> make_backend() const;
  /// --cache-dtype, or the type of --dtype where that backend's caches can have it.
  Result<SessionOptions> session_options(const Backend&) const;
};

/// The text or ids a model reads.
struct Input {
  std::vector<int32_t> ids;
  std::string text;                  // empty when ids were given and the model has no tokenizer
  std::vector<int32_t> decoder_ids;  // encoder-decoder: what the decoder reads, its start token first

  /// Positions of the text that goes on: the decoder's where there are two.
  int64_t positions() const { return static_cast<int64_t>((decoder_ids.empty() ? ids : decoder_ids).size()); }
};
/// A session that has read the input.
Result<SnapshotPtr> read_input(Session&, const Input&);
/// A text as `run --prompt` takes it, with special tokens; `option` stands in messages.
Result<Input> encode_text(const Model&, const std::string& option, std::string text);

struct InputOptions {
  Given prompt, prompt_file, ids, decoder_prompt, decoder_ids;

  void add_to(Arguments&);
  /// Ids with the special tokens that the model wants. room: positions that generated tokens will take.
  Result<Input> read(const Model&, int64_t room) const;

 private:
  Result<std::vector<int32_t>> read_decoder(const Model&) const;
};

struct SamplingOptions {
  Given steps, sample;

  void add_to(Arguments&);
  /// How many tokens to generate; absent: what the model can do (0 without a causal head).
  Result<int64_t> count(const Model&, int64_t absent) const;
  Result<Sampling> sampling() const;
};

/// Session on the model's back end that has read the input, and `steps` tokens more. The last generated token is
/// chosen but not run: T of a trace is the prompt and the generated tokens but the last.
struct Generated {
  std::unique_ptr<Session> session;
  SnapshotPtr step;  // the last pass
  struct Token {
    TokenChoice choice;
    std::vector<TokenChoice> top;  // best first
    double ms = 0;                 // since the token before it; the first: since the prefill began
  };
  std::vector<Token> tokens;
  double prefill_ms = 0, decode_ms = 0;
};
Result<Generated> generate(ModelPtr, std::shared_ptr<Backend>, const Input&, int64_t steps, const Sampling&,
                           const Taps& taps, const SessionOptions& session);

/// A token as a person should see it: the tokenizer's piece, or "#17" without one.
std::string piece_of(const Model&, int32_t id);
std::string text_of(const Model&, std::span<const int32_t> ids);

}  // namespace cutaway
