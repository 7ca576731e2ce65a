#include "engine/tokenizers/sentencepiece.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <new>

#include "engine/files/bounded_reader.h"
#include "engine/tokenizers/build.h"
#include "engine/tokenizers/charsmap.h"
#include "engine/tokenizers/pieces.h"

namespace cutaway {
namespace {

using nlohmann::json;
constexpr uint64_t max_file_bytes = 64 << 20;
constexpr size_t max_pieces = 1 << 22;

/// One field of a message: a number (wire types 0, 1, 5) or bytes (2).
struct Field {
  uint64_t number = 0;
  int wire = 0;
  uint64_t value = 0;
  std::string_view bytes;
};

/// The fields of a message one by one. Stops at the first that doesn't fit, and says so.
class Wire {
 public:
  Wire(const std::string& file, const char* message, std::string_view bytes)
      : file_(file), message_(message), bytes_(bytes) {}

  bool next(Field& field) {
    if (at_ == bytes_.size() || why_) return false;
    const uint64_t tag = varint();
    field = {tag >> 3, static_cast<int>(tag & 7), 0, {}};
    if (field.number == 0 && !why_) fail("the field number 0");
    if (field.wire == 0)
      field.value = varint();
    else if (field.wire == 1)
      field.value = fixed(8);
    else if (field.wire == 2)
      field.bytes = take(varint());
    else if (field.wire == 5)
      field.value = fixed(4);
    else
      fail(fmt::format("the wire type {} in field {}", field.wire, field.number));
    return !why_;
  }
  /// A field that we know must have this wire type.
  bool is(const Field& field, int wire) {
    if (field.wire != wire)
      fail(fmt::format("field {} with the wire type {}; {} is needed", field.number, field.wire, wire));
    return field.wire == wire;
  }
  const std::optional<Error>& why() const { return why_; }

 private:
  void fail(const std::string& what) {
    if (!why_) why_ = error("{}: its {} has {} before byte {}", file_, message_, what, at_);
  }
  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - at_) {
      fail(fmt::format("{} bytes of {} that are said to follow", bytes_.size() - at_, count));
      return {};
    }
    at_ += count;
    return bytes_.substr(at_ - count, count);
  }
  uint64_t fixed(size_t count) {
    uint64_t value = 0;
    const std::string_view bytes = take(count);
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::string_view byte = take(1);
      if (byte.empty()) return 0;
      value |= static_cast<uint64_t>(byte[0] & 0x7f) << shift;
      if ((byte[0] & 0x80) == 0) return value;
    }
    fail("a number of more than ten bytes");
    return 0;
  }

  const std::string& file_;
  const char* message_;
  std::string_view bytes_;
  size_t at_ = 0;
  std::optional<Error> why_;
};

/// sentencepiece_model.proto: what we need of it.
struct Model {
  Pieces pieces;
  uint64_t kind = 1;  // trainer_spec.model_type: 1 Unigram, 2 BPE, 3 word, 4 character
  bool byte_fallback = false, space_as_suffix = false;
  std::string_view charsmap;
  bool dummy_prefix = true, remove_extra = true, escape = true;
};

std::optional<Error> read_piece(const std::string& file, std::string_view bytes, Pieces& out) {
  Wire wire(file, "piece", bytes);
  std::string token;
  float score = 0;
  uint64_t type = 1;
  for (Field field; wire.next(field);) {
    if (field.number == 1 && wire.is(field, 2)) token = field.bytes;
    if (field.number == 2 && wire.is(field, 5)) score = std::bit_cast<float>(static_cast<uint32_t>(field.value));
    if (field.number == 3 && wire.is(field, 0)) type = field.value;
  }
  if (wire.why()) return wire.why();
  const size_t id = out.tokens.size();
  if (id >= max_pieces) return error("{}: it has more than {} pieces", file, max_pieces);
  if (type < 1 || type > 6) return error("{}: piece {} has the type {}; types go from 1 to 6", file, id, type);
  if (!std::isfinite(score)) return error("{}: piece {} has the score {}", file, id, score);
  if (token.empty()) return error("{}: piece {} is empty", file, id);
  out.tokens.push_back(std::move(token));
  out.scores.push_back(score);
  out.types.push_back(static_cast<PieceType>(type));
  return std::nullopt;
}

std::optional<Error> read_trainer(const std::string& file, std::string_view bytes, Model& out) {
  Wire wire(file, "trainer_spec", bytes);
  const auto id = [](const Field& field) { return static_cast<int64_t>(static_cast<int32_t>(field.value)); };
  for (Field field; wire.next(field);) {
    if (field.number == 3 && wire.is(field, 0)) out.kind = field.value;
    if (field.number == 24 && wire.is(field, 0)) out.space_as_suffix = field.value != 0;
    if (field.number == 35 && wire.is(field, 0)) out.byte_fallback = field.value != 0;
    if (field.number == 40 && wire.is(field, 0)) out.pieces.unk = id(field);
    if (field.number == 41 && wire.is(field, 0)) out.pieces.bos = id(field);
    if (field.number == 42 && wire.is(field, 0)) out.pieces.eos = id(field);
  }
  return wire.why();
}

std::optional<Error> read_normalizer_spec(const std::string& file, std::string_view bytes, Model& out) {
  Wire wire(file, "normalizer_spec", bytes);
  for (Field field; wire.next(field);) {
    if (field.number == 2 && wire.is(field, 2)) out.charsmap = field.bytes;
    if (field.number == 3 && wire.is(field, 0)) out.dummy_prefix = field.value != 0;
    if (field.number == 4 && wire.is(field, 0)) out.remove_extra = field.value != 0;
    if (field.number == 5 && wire.is(field, 0)) out.escape = field.value != 0;
  }
  return wire.why();
}

Result<Model> read_model(const std::string& file, std::string_view bytes) {
  Model model;
  model.pieces.unk = 0, model.pieces.bos = 1, model.pieces.eos = 2;  // the defaults of the proto
  Wire wire(file, "model", bytes);
  std::optional<Error> why;
  for (Field field; !why && wire.next(field);) {
    if (field.number == 1 && wire.is(field, 2)) why = read_piece(file, field.bytes, model.pieces);
    if (field.number == 2 && wire.is(field, 2)) why = read_trainer(file, field.bytes, model);
    if (field.number == 3 && wire.is(field, 2)) why = read_normalizer_spec(file, field.bytes, model);
  }
  if (!why) why = wire.why();
  if (why) return *why;
  if (model.pieces.tokens.empty()) return error("{} has no pieces", file);
  if (model.kind != 1 && model.kind != 2)
    return error("{}: model_type is {}; 1 (Unigram) and 2 (BPE) are read", file, model.kind);
  if (model.space_as_suffix) return error("{}: treat_whitespace_as_suffix is true, which is not read", file);
  if (!model.escape) return error("{}: escape_whitespaces is false, which is not read", file);
  return model;
}

Result<std::shared_ptr<const Tokenizer>> build(const std::string& file, std::string_view bytes,
                                               const SentencePieceSettings& settings) {
  Result<Model> model = read_model(file, bytes);
  if (!model) return model.error();
  Pieces& pieces = model->pieces;
  const bool bpe = model->kind == 2;
  pieces.add_bos = settings.add_bos.value_or(bpe && pieces.bos >= 0);
  pieces.add_eos = settings.add_eos.value_or(!bpe && pieces.eos >= 0);
  if (auto ok = check_pieces(file, pieces); !ok) return ok.error();
  json tokenizer = {{"added_tokens", added_tokens_of(pieces, true)},
                    {"normalizer",
                     {{"type", "SentencePiece"},
                      {"precompiled_charsmap", to_base64(model->charsmap)},
                      {"add_dummy_prefix", model->dummy_prefix},
                      {"remove_extra_whitespaces", model->remove_extra}}},
                    {"decoder", sentencepiece_decoder(model->dummy_prefix, model->remove_extra)},
                    {"post_processor", template_of(pieces)}};
  tokenizer["model"] = {{"type", bpe ? "SentencePieceBPE" : "Unigram"},
                        {"vocab", scored_vocab_of(pieces, false)},
                        {"byte_fallback", model->byte_fallback},
                        {"single_precision", true}};
  if (pieces.unk >= 0) tokenizer["model"]["unk_id"] = pieces.unk;
  return build_tokenizer(file, tokenizer);
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> parse_sentencepiece(const std::string& file, std::string_view bytes,
                                                             const SentencePieceSettings& settings) {
  if (bytes.size() > max_file_bytes)
    return error("{} has {} bytes; at most {} are read", file, bytes.size(), max_file_bytes);
  try {
    return build(file, bytes, settings);
  } catch (const std::bad_alloc&) {
    return machine_error("{}: not enough memory to read it", file);
  }
}

Result<std::shared_ptr<const Tokenizer>> read_sentencepiece(const std::string& path,
                                                            const SentencePieceSettings& settings) {
  const Result<std::string> bytes = read_text_file(path, max_file_bytes);
  if (!bytes) return bytes.error();
  return parse_sentencepiece(file_name(path), *bytes, settings);
}

}  // namespace cutaway
