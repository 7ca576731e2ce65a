// What a model reads and how it goes on: INPUT and SAMPLING of the calls.
#include <chrono>

#include "app/cli/arguments.h"
#include "engine/files/bounded_reader.h"

namespace cutaway {

namespace {

constexpr uint64_t prompt_file_limit = 16u << 20;  // bytes; far above any context length

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

Result<std::vector<int32_t>> read_ids(const std::string& option, const std::string& text, const Model& model) {
  std::vector<int32_t> ids;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    std::string word = text.substr(begin, end - begin);
    while (!word.empty() && word.front() == ' ') word.erase(0, 1);
    while (!word.empty() && word.back() == ' ') word.pop_back();
    const Result<int64_t> id =
        whole(fmt::format("{}: number {}", option, ids.size()), word, 0, model.spec.vocab_size - 1);
    if (!id) return id.error();
    ids.push_back(static_cast<int32_t>(*id));
    begin = end + 1;
  }
  return ids;
}

/// A masked model's own mask token may be spelt <mask> or [MASK]; either is taken.
std::string with_own_mask(const Model& model, std::string text) {
  const int32_t mask = model.tokenizer->specials().mask;
  if (model.spec.objective != Objective::MaskedLm || mask < 0) return text;
  const std::string own = model.tokenizer->piece(mask);
  for (const std::string other : {"[MASK]", "<mask>"})
    for (size_t at = text.find(other); other != own && at != std::string::npos; at = text.find(other, at + own.size()))
      text.replace(at, other.size(), own);
  return text;
}

Result<std::string> read_prompt_file(const std::string& path) {
  Result<std::string> text = read_text_file(path, prompt_file_limit);
  if (text && text->ends_with('\n')) text->pop_back();  // the end of the last line is no part of the text
  if (text && text->ends_with('\r')) text->pop_back();
  return text;
}

}  // namespace

Result<Input> encode_text(const Model& model, const std::string& option, std::string text) {
  if (text.empty()) return error("{} is empty; at least one character is needed", option);
  if (!model.tokenizer)
    return error("{}: {} has no tokenizer.json; give --ids 1,2,3 with ids below {}", option, model.name,
                 model.spec.vocab_size);
  text = with_own_mask(model, std::move(text));
  Result<Encoding> encoded = model.tokenizer->encode(text, true);
  if (!encoded) return error("{}: {}", option, encoded.error().text);
  if (encoded->ids.empty()) return error("{} is \"{}\"; the tokenizer makes no token of it", option, text);
  for (const int32_t id : encoded->ids)
    if (id >= model.spec.vocab_size)
      return error("{}: tokenizer.json gives id {}; the model has vocab_size {}", option, id, model.spec.vocab_size);
  return Input{std::move(encoded->ids), std::move(text)};
}

void InputOptions::add_to(Arguments& arguments) {
  arguments.group("Input")
      .option("--prompt", prompt, "TEXT", "What the model reads; a masked model fills each [MASK]")
      .option("--prompt-file", prompt_file, "FILE", "The same from a file; the end of its last line is left out")
      .option("--ids", ids, "1,2,3", "The same as ids: no tokenizer, no special tokens added")
      .option("--decoder-prompt", decoder_prompt, "TEXT", "The target's beginning, in encoder-decoder models")
      .option("--decoder-ids", decoder_ids, "1,2,3", "The same as ids");
}

/// What the decoder of an encoder-decoder reads: ids as they are given, or its start token and a text.
Result<std::vector<int32_t>> InputOptions::read_decoder(const Model& model) const {
  if (decoder_prompt && decoder_ids)
    return error("--decoder-prompt and --decoder-ids are both given; one of them says what the decoder reads");
  if (decoder_ids) return read_ids("--decoder-ids", *decoder_ids, model);
  std::vector<int32_t> read{static_cast<int32_t>(model.spec.decoder_start_id)};
  if (!decoder_prompt) return read;
  if (!model.tokenizer)
    return error("--decoder-prompt: {} has no tokenizer.json; give --decoder-ids 0,1,2", model.name);
  const Result<Encoding> encoded = model.tokenizer->encode(*decoder_prompt, false);
  if (!encoded) return error("--decoder-prompt: {}", encoded.error().text);
  read.insert(read.end(), encoded->ids.begin(), encoded->ids.end());
  return read;
}

Result<Input> InputOptions::read(const Model& model, int64_t room) const {
  if (!model.spec.encoder_decoder() && (decoder_prompt || decoder_ids))
    return error("{} is given; {} has one stack and no decoder beside an encoder",
                 decoder_prompt ? "--decoder-prompt" : "--decoder-ids", model.name);
  const int given = prompt.has_value() + prompt_file.has_value() + ids.has_value();
  if (given != 1)
    return error("{} of --prompt, --prompt-file and --ids are given; exactly one is needed",
                 given == 0 ? "none" : "several");
  Input input;
  if (ids) {
    Result<std::vector<int32_t>> read = read_ids("--ids", *ids, model);
    if (!read) return read.error();
    input.ids = std::move(*read);
    input.text = text_of(model, input.ids);
  } else {
    Result<std::string> text = prompt ? Result<std::string>(*prompt) : read_prompt_file(*prompt_file);
    if (!text) return error("--prompt-file: {}", text.error().text);
    Result<Input> read = encode_text(model, prompt ? "--prompt" : "--prompt-file", std::move(*text));
    if (!read) return read.error();
    input = std::move(*read);
  }
  if (model.spec.encoder_decoder()) {
    Result<std::vector<int32_t>> read = read_decoder(model);
    if (!read) return read.error();
    input.decoder_ids = std::move(*read);
  }
  const int64_t n = input.positions();
  if (const auto source = static_cast<int64_t>(input.ids.size()); source > model.spec.n_ctx)
    return error("the input has {} tokens; {} reads at most {}", source, model.name, model.spec.n_ctx);
  if (n > model.spec.n_ctx)
    return error("the input has {} tokens; {} reads at most {}", n, model.name, model.spec.n_ctx);
  if (n + room > model.spec.n_ctx)
    return error("the input has {} tokens and --steps adds {} positions; {} reads at most {}", n, room, model.name,
                 model.spec.n_ctx);
  return input;
}

void SamplingOptions::add_to(Arguments& arguments) {
  arguments.group("Sampling")
      .option("--steps", steps, "N", "Tokens to generate, exactly; 0: the prompt alone")
      .option("--sample", sample, "HOW", "greedy, or temperature=0.8,top_k=40,top_p=0.95,seed=1");
}

Result<int64_t> SamplingOptions::count(const Model& model, int64_t absent) const {
  const bool generates = model.spec.objective == Objective::CausalLm;
  const Result<int64_t> n = whole("--steps", steps, generates ? absent : 0, 0, 1 << 20);
  if (n && *n > 0 && !generates)
    return error("--steps is {}; {} is not a causal model and generates nothing: 0 is needed", *n, model.name);
  return n;
}

Result<Sampling> SamplingOptions::sampling() const {
  if (!sample) return Sampling{};
  Result<Sampling> how = Sampling::parse(*sample);
  if (!how) return error("--sample: {}", how.error().text);
  return how;
}

Result<SnapshotPtr> read_input(Session& session, const Input& input) {
  if (input.decoder_ids.empty()) return session.read_ids(input.ids, input.text);
  return session.read_pair(input.ids, input.decoder_ids, input.text);
}

Result<Generated> generate(ModelPtr model, std::shared_ptr<Backend> backend, const Input& input, int64_t steps,
                           const Sampling& how, const Taps& taps, const SessionOptions& options) {
  Result<std::unique_ptr<Session>> session = Session::start(model, backend, options);
  if (!session) return session.error();
  Generated made;
  made.session = std::move(*session);
  if (!taps.empty())
    if (const Result<SnapshotPtr> set = made.session->set_taps(taps); !set) return set.error();
  auto start = std::chrono::steady_clock::now();
  Result<SnapshotPtr> step = read_input(*made.session, input);
  if (!step) return step.error();
  made.prefill_ms = ms_since(start);
  for (int64_t i = 0; i < steps; ++i) {
    const Snapshot& now = **step;
    const auto logits = std::span<const float>(now.logits).first(static_cast<size_t>(made.session->usable_vocab()));
    Generated::Token token{sample(logits, how, now.positions()), now.best};
    if (i + 1 < steps) {
      step = made.session->step(how);
      if (!step) return step.error();
    }
    token.ms = ms_since(start);
    start = std::chrono::steady_clock::now();
    if (i > 0) made.decode_ms += token.ms;
    made.tokens.push_back(std::move(token));
  }
  made.step = *step;
  return made;
}

std::string piece_of(const Model& model, int32_t id) {
  return model.tokenizer ? model.tokenizer->piece(id) : fmt::format("#{}", id);
}

std::string text_of(const Model& model, std::span<const int32_t> ids) {
  return model.tokenizer ? model.tokenizer->decode(ids) : std::string();
}

}  // namespace cutaway
