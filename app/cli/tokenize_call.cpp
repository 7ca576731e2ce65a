// cutaway tokenize
#include "app/cli/json.h"

namespace cutaway {

Result<void> tokenize_call(const Words& words) {
  ModelOptions options;
  std::string text;
  Arguments arguments("tokenize",
                      "Ids and pieces of a text, as `cutaway run --prompt` takes them, special tokens included.");
  arguments.positional("MODEL", options.model, "A name of `cutaway list`, or a folder with tokenizer.json")
      .positional("TEXT", text, "The text; after -- when it begins with a dash")
      .flag("--json", options.json, "Prints one JSON object");
  const Result<bool> go_on = arguments.read(words);
  if (!go_on) return go_on.error();
  if (!*go_on) return {};
  const Result<ModelPtr> model = options.open();
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
