// Where a figure comes from: what every exported file carries.
#include "app/export/export.h"

namespace cutaway {

namespace {

std::string_view spelt(DType type) { return type == DType::F16 ? "fp16" : type == DType::BF16 ? "bf16" : "fp32"; }

std::string_view spelt(ScaleMode mode) {
  return mode == ScaleMode::Row ? "row" : mode == ScaleMode::Global ? "global" : "log";
}

std::string weights_of(const Model& model) {
  if (model.random_weights) return "random weights";
  return model.weights_sha256.empty() ? "" : "sha256 " + model.weights_sha256.substr(0, 8);
}

std::string heads_of(const Selection& at) {
  return at.heads == Heads::Mean ? "mean" : at.heads == Heads::Max ? "max" : std::to_string(at.head);
}

/// What was read, or the ids where no tokenizer makes text of them.
std::string text_of(const Snapshot& step) {
  if (!step.text.empty()) return step.text;
  std::string ids = "ids";
  for (const int32_t id : step.ids) ids += fmt::format(" {}", id);
  return ids;
}

}  // namespace

Provenance provenance_of(const Scene& scene, std::string_view view, bool with_text) {
  const Snapshot& step = *scene.step;
  const Model& model = *step.model;
  const NodeId probs = step.graph().in(scene.at.block, Role::Probs);
  std::string masks;
  for (const MaskRule& rule : step.masks) masks += (masks.empty() ? "" : ", ") + rule.text();
  Provenance said = {
      {"program", "Cutaway " CUTAWAY_VERSION},
      {"model", model.name},
      {"weights", weights_of(model)},
      {"view", std::string(view)},
      {"block", scene.at.block},
      {"layer", probs == no_node ? "" : std::to_string(step.graph()[probs].layer)},
      {"head", heads_of(scene.at)},
      {"tokens", std::to_string(step.positions())},
      {"step", std::to_string(step.positions() - step.n_prompt)},
      {"scale", std::string(spelt(scene.at.scale))},
      {"sink", scene.at.without_sink ? "taken out, rows renormalised" : "kept"},
      {"mask", masks},
      {"backend", step.backend_name},
      {"dtype", model.weights ? std::string(spelt(model.weights->storage_dtype())) : ""},
  };
  if (with_text) said.emplace_back("text", text_of(step));
  return said;
}

std::string provenance_line(const Scene& scene, std::string_view view) {
  const bool of_one_head = view == "attention" || view == "arcs";  // the others show every layer
  std::string layer, line;
  const auto add = [&](const std::string& part) { line += (line.empty() || part.empty() ? "" : " · ") + part; };
  for (const auto& [key, value] : provenance_of(scene, view, false)) {
    if (value.empty()) continue;
    if (key == "model" || key == "backend" || key == "dtype") add(value);
    if (key == "weights") add(scene.step->model->random_weights ? value : "weights " + value);
    if (key == "layer") layer = "L" + value;
    if (key == "head" && of_one_head)
      add(layer + (scene.at.heads == Heads::One ? " H" + value : " " + value + " of heads"));
    if (key == "tokens") add(value + " tokens");
    if (key == "step") add("step " + value);
    if (key == "mask") add(value + " mask");
    if (key == "sink" && scene.at.without_sink) add("without sink, renormalised");
  }
  add("Cutaway " CUTAWAY_VERSION);
  return line;
}

}  // namespace cutaway
