// cutaway tokenize
#include "app/cli/json.h"
#include "app/cli/library.h"

namespace cutaway {

Result<void> tokenize_call(const Words& words) {
  ModelOptions options;
  std::string text;
  Arguments arguments("tokenize",
                      "Ids and pieces of a text, as `cutaway run --prompt` takes them, special tokens included.");
  options.add_to(arguments);
  arguments.positional("TEXT", text, "The text; after -- when it begins with a dash");
  const Result<bool> go_on = arguments.read(words);
  if (!go_on) return go_on.error();
  if (!*go_on) return {};
  if (const Result<OpenOptions> given = options.open_options(); !given) return given.error();
  const Result<ModelPtr> model = open_tokenizer(options.model);
  if (!model) return model.error();
  const Result<Input> read = encode_text(**model, "TEXT", text);
  if (!read) return read.error();
  Json pieces = Json::array();
  std::string lines;
  for (const int32_t id : read->ids) {
    pieces.push_back(piece_of(**model, id));
    lines += fmt::format("{:>7}  {}\n", id, piece_of(**model, id));
  }
  return options.json ? print(Json{{"ids", read->ids}, {"pieces", pieces}}) : print(lines);
}

}  // namespace cutaway
