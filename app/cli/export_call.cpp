// cutaway export
#include <QByteArray>
#include <QGuiApplication>

#include "app/cli/calls.h"
#include "app/export/export.h"
#include "engine/trace.h"

namespace cutaway {

namespace {

struct ExportCall {
  ModelOptions model;
  InputOptions input;
  SamplingOptions sampling;
  Given view, file, layer, head, step, heads, scale, theme, language, preset, size, png_scale;
  bool no_sink = false, no_text = false, transparent = false;

  void add_to(Arguments&);
  Result<ExportOptions> export_options() const;
  Result<Selection> selection(const Graph&) const;
};

void ExportCall::add_to(Arguments& arguments) {
  model.add_to(arguments);
  input.add_to(arguments);
  sampling.add_to(arguments);
  arguments.group("Picture")
      .option("--view", view, "VIEW", "A name of `cutaway list`: attention, heads, arcs, mask, cache, logits, …")
      .option("-o,--output", file, "FILE", "Where to; its ending is .svg, .pdf, .png, .html, .csv or .npz")
      .option("--layer", layer, "L", "Counted from 0")
      .option("--head", head, "H", "Counted from 0")
      .option("--heads", heads, "HOW", "one (the one of --head), mean or max over the heads of the layer")
      .option("--step", step, "N", "The state after N generated tokens; 0: the prompt; the last when absent")
      .option("--scale", scale, "MODE", "row (a row's largest weight is full colour), global or log")
      .flag("--no-sink", no_sink, "Takes key 0 out and divides each row by what is left")
      .option("--preset", preset, "NAME", "column, two-columns, slide or post")
      .option("--size", size, "WxH", "Pixels of the figure, 820x760 when absent")
      .option("--png-scale", png_scale, "X", "Pixels of the image per pixel of the figure")
      .option("--theme", theme, "NAME", "light or dark")
      .option("--language", language, "NAME", "en or ru")
      .flag("--transparent", transparent, "No ground under the figure")
      .flag("--no-text", no_text, "Leaves the text that was read out of the provenance");
}

/// Index of a typed word in a list of allowed ones.
Result<size_t> one_of(const std::string& option, const Given& word, std::initializer_list<const char*> allowed) {
  std::string names;
  size_t i = 0;
  for (const char* name : allowed) {
    if (!word || *word == name) return i;  // absent: the first
    names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
    ++i;
  }
  return error("{} is \"{}\"; it can be {}", option, *word, names);
}

Result<ExportOptions> ExportCall::export_options() const {
  ExportOptions options;
  const Result<size_t> dark = one_of("--theme", theme, {"light", "dark"});
  if (!dark) return dark.error();
  const Result<size_t> russian = one_of("--language", language, {"en", "ru"});
  if (!russian) return russian.error();
  const Result<size_t> page = one_of("--preset", preset, {"", "column", "two-columns", "slide", "post"});
  if (!page) return page.error();
  options.dark = *dark == 1;
  options.language = *russian == 1 ? Language::Russian : Language::English;
  options.preset = preset.value_or("");
  options.transparent = transparent;
  options.with_text = !no_text;
  if (size) {
    const size_t x = std::min(size->find('x'), size->size());
    const Result<int64_t> width = whole("--size: width", size->substr(0, x), 120, 8192);
    if (!width) return width.error();
    const Result<int64_t> height = whole("--size: height", size->substr(std::min(x + 1, size->size())), 120, 8192);
    if (!height) return height.error();
    options.width = static_cast<float>(*width), options.height = static_cast<float>(*height);
  }
  if (png_scale) {
    const Result<double> factor = real("--png-scale", *png_scale, 0.1, 32);
    if (!factor) return factor.error();
    options.scale = static_cast<float>(*factor);
  }
  return options;
}

Result<Selection> ExportCall::selection(const Graph& graph) const {
  Selection at;
  const std::vector<std::string> blocks = graph.blocks_with(Role::Probs);
  const Result<int64_t> l = whole("--layer", layer, 0, 0, static_cast<int64_t>(blocks.size()) - 1);
  if (!l) return l.error();
  at.block = blocks[static_cast<size_t>(*l)];
  const int64_t n_heads = graph[graph.in(at.block, Role::Probs)].params.heads;
  const Result<int64_t> h = whole("--head", head, 0, 0, n_heads - 1);
  if (!h) return h.error();
  at.head = *h;
  const Result<size_t> over = one_of("--heads", heads, {"one", "mean", "max"});
  if (!over) return over.error();
  at.heads = *over == 0 ? Heads::One : *over == 1 ? Heads::Mean : Heads::Max;
  const Result<size_t> mode = one_of("--scale", scale, {"row", "global", "log"});
  if (!mode) return mode.error();
  at.scale = *mode == 0 ? ScaleMode::Row : *mode == 1 ? ScaleMode::Global : ScaleMode::Log;
  at.without_sink = no_sink;
  return at;
}

/// The session after so many generated tokens, all of them run.
Result<SnapshotPtr> run_to(Session& session, const Input& input, int64_t step, const Sampling& how) {
  Result<SnapshotPtr> now = read_input(session, input);
  for (int64_t i = 0; now && i < step; ++i) now = session.step(how);
  return now;
}

/// Qt's fonts and painters without a display; what Qt has to say about the machine is no concern of the caller.
class Headless {
 public:
  Headless() {
    qInstallMessageHandler([](QtMsgType type, const QMessageLogContext&, const QString& text) {
      if (type == QtFatalMsg) std::fprintf(stderr, "cutaway: %s\n", text.toUtf8().constData());
    });
    qputenv("QT_QPA_PLATFORM", "offscreen");
    app_ = std::make_unique<QGuiApplication>(argc_, argv_);
  }

 private:
  int argc_ = 1;
  char name_[8] = "cutaway";
  char* argv_[2] = {name_, nullptr};
  std::unique_ptr<QGuiApplication> app_;
};

/// A model that runs the input, up to the step that is asked for.
Result<SnapshotPtr> step_of_model(const ExportCall& call) {
  const Result<Sampling> how = call.sampling.sampling();
  if (!how) return how.error();
  const Result<std::shared_ptr<Backend>> backend = call.model.make_backend();
  if (!backend) return backend.error();
  const Result<ModelPtr> model = call.model.open(**backend);
  if (!model) return model.error();
  if (const Result<Selection> at = call.selection(*(*model)->graph); !at) return at.error();  // before a long run
  const Result<int64_t> steps = call.sampling.count(**model, 0);
  if (!steps) return steps.error();
  const int64_t last = call.sampling.steps ? *steps : (*model)->spec.n_ctx;
  const Result<int64_t> step = whole("--step", call.step, *steps, 0, last);
  if (!step) return step.error();
  if (*step > 0 && (*model)->spec.objective != Objective::CausalLm)
    return error("--step is {}; {} generates nothing, so 0 is its only step", *step, (*model)->name);
  const Result<Input> input = call.input.read(**model, *step);
  if (!input) return input.error();
  const Result<SessionOptions> options = call.model.session_options(**backend);
  if (!options) return options.error();
  const Result<std::unique_ptr<Session>> session = Session::start(*model, *backend, *options);
  if (!session) return session.error();
  return run_to(**session, *input, *step, *how);
}

/// A trace holds its own text and the step that was recorded.
Result<SnapshotPtr> step_of_trace(const ExportCall& call) {
  for (const auto& [option, value] :
       {std::pair("--prompt", &call.input.prompt), std::pair("--prompt-file", &call.input.prompt_file),
        std::pair("--ids", &call.input.ids), std::pair("--step", &call.step),
        std::pair("--steps", &call.sampling.steps)})
    if (*value)
      return error("{} is \"{}\"; {} is a trace and holds its own text and step", option, **value, call.model.model);
  return read_trace(call.model.model);
}

Result<void> run(const ExportCall& call) {
  if (!call.view) return error("--view is not given; a name of `cutaway list` is needed");
  if (!call.file) return error("-o is not given; a file that ends in .svg, .pdf, .png, .html, .csv or .npz is needed");
  if (const Result<void> possible = check_export(*call.view, *call.file); !possible) return possible;
  const Result<ExportOptions> options = call.export_options();
  if (!options) return options.error();
  const bool is_trace = call.model.model.ends_with(".safetensors");
  const Result<SnapshotPtr> step = is_trace ? step_of_trace(call) : step_of_model(call);
  if (!step) return step.error();
  const Result<Selection> at = call.selection((*step)->graph());
  if (!at) return at.error();
  std::optional<Headless> headless;
  if (export_needs_gui(*call.file)) headless.emplace();
  return export_view(*step, *call.view, *at, *call.file, *options);
}

}  // namespace

Result<void> export_call(const Words& words) {
  ExportCall call;
  Arguments arguments("export",
                      "Writes a view's picture or numbers without a window. MODEL may be a trace, FILE.safetensors; it "
                      "needs no input.");
  call.add_to(arguments);
  const Result<bool> go_on = arguments.read(words);
  if (!go_on) return go_on.error();
  return *go_on ? run(call) : Result<void>();
}

}  // namespace cutaway
