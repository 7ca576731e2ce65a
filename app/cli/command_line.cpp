#include "app/cli/command_line.h"

#include <QByteArray>
#include <QLibrary>
#include <QString>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <new>

#include "app/cli/calls.h"
#include "app/cli/library.h"

namespace cutaway {

namespace {

struct Call {
  std::string_view name;
  Result<void> (*run)(const Words&);
  std::string_view form, what;
};

constexpr Call calls[] = {
    {"list", list_call, "[--json]", "models, blueprints, attention kinds, views, back ends, devices"},
    {"run", run_call, "MODEL INPUT [SAMPLING]", "runs a model and prints text; --json, --trace"},
    {"export", export_call, "MODEL INPUT --view VIEW -o FILE",
     "a view's picture or numbers: .svg .pdf .png .html .csv .npz"},
    {"footprint", footprint_call, "MODEL --context N", "bytes of weights, cache and state at a context length"},
    {"advise", advise_call, "--task TASK", "recommends an architecture, with reasons"},
    {"bench", bench_call, "MODEL", "tokens per second, first-map time, bytes read back"},
    {"tokenize", tokenize_call, "MODEL TEXT", "ids and pieces of a text"},
};

std::string help() {
  std::string text =
      "Cutaway shows the inside of language models while they run.\n\n"
      "  cutaway [MODEL|FILE]          opens the window on a model, a folder or a trace\n";
  for (const Call& call : calls)
    text += fmt::format("  cutaway {:<22}{}\n", fmt::format("{} {}", call.name, call.name == "list" ? call.form : "…"),
                        call.what);
  text += "  cutaway --version, --help, CALL --help\n\nForms:\n";
  for (const Call& call : calls) text += fmt::format("  cutaway {} {}\n", call.name, call.form);
  text +=
      "\nThe window takes --backend, --threads, --dtype, --attention, --mask, --random-weights, --language en|ru and\n"
      "--theme dark|light. Exit codes: 0 done, 2 what you gave is wrong, 3 this machine can't, 1 our own fault.\n";
  return text;
}

/// One line on stderr, valid UTF-8 and without control characters, whatever was typed.
int fail(const Error& why) {
  QString line = QString::fromUtf8(why.text.data(), static_cast<qsizetype>(why.text.size())).simplified();
  line.removeIf([](QChar c) { return c.category() == QChar::Other_Control; });
  if (line.size() > 2000) line = line.left(2000) + QStringLiteral("…");
  const QByteArray bytes = line.toUtf8();
  std::fprintf(stderr, "cutaway: %s\n", bytes.constData());
  return static_cast<int>(why.fault);
}

/// The arguments of a window: a target that is there and options that can be read.
Result<WindowArguments> window_arguments(const Words& words, bool& help_asked) {
  ModelOptions machine;
  Given language, theme;
  WindowArguments window;
  Arguments arguments("", "Opens the window.");
  arguments.positional("TARGET", window.target, "MODEL, a trace or a workspace", false)
      .option("--backend", machine.backend, "NAME", "auto, cpu, vulkan or cuda")
      .option("--threads", machine.threads, "N", "Threads of the CPU back end")
      .option("--dtype", machine.dtype, "TYPE", "Storage of the weights")
      .option("--cache-dtype", machine.cache_dtype, "TYPE", "Storage of the cache")
      .option("--attention", machine.attention, "KIND", "Another attention kind")
      .option("--mask", machine.mask, "RULE", "Another mask")
      .option("--random-weights", machine.random_weights, "SEED", "Weights drawn from SEED")
      .option("--language", language, "NAME", "en or ru")
      .option("--theme", theme, "NAME", "dark or light");
  const Result<bool> go_on = arguments.read(words);
  if (!go_on) return go_on.error();
  help_asked = !*go_on;
  machine.model = window.target;
  const Result<OpenOptions> options = machine.open_options();
  if (!options) return options.error();
  const Result<int64_t> threads = whole("--threads", machine.threads, 0, 1, 1024);
  if (!threads) return threads.error();
  if (language && *language != "en" && *language != "ru")
    return error("--language is \"{}\"; it can be en or ru", *language);
  if (theme && *theme != "dark" && *theme != "light")
    return error("--theme is \"{}\"; it can be dark or light", *theme);
  window.options = *options;
  if (machine.cache_dtype) window.cache = *cache_dtype_named(*machine.cache_dtype);  // open_options() read it
  window.backend = machine.backend.value_or("auto");
  window.threads = static_cast<int>(*threads);
  window.language = language.value_or("");
  window.theme = theme.value_or("");
  return window;
}

Result<void> check_target(const std::string& target) {
  if (target.empty()) return {};
  for (const LibraryEntry& entry : library())
    if (entry.name == target) return {};
  std::error_code failed;
  if (std::filesystem::exists(target, failed)) return {};
  return error("{} is neither a call (cutaway --help), nor a model (cutaway list), nor a file or folder", target);
}

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value && *value;
}

/// Qt ends the process where it finds no display; this says it in one line instead. The X server is asked through its
/// own library, found at run time as Qt does.
Result<void> check_display() {
  if (is_set("QT_QPA_PLATFORM") || is_set("WAYLAND_DISPLAY")) return {};
  constexpr std::string_view hint = "the calls of cutaway --help need none";
  if (!is_set("DISPLAY"))
    return machine_error("no display for the window (DISPLAY and WAYLAND_DISPLAY are not set); {}", hint);
  QLibrary xcb(QStringLiteral("xcb"), 1);
  const auto connect = reinterpret_cast<void* (*)(const char*, int*)>(xcb.resolve("xcb_connect"));
  const auto has_error = reinterpret_cast<int (*)(void*)>(xcb.resolve("xcb_connection_has_error"));
  const auto disconnect = reinterpret_cast<void (*)(void*)>(xcb.resolve("xcb_disconnect"));
  if (!connect || !has_error || !disconnect)
    return machine_error("no display for the window: libxcb is not there; {}", hint);
  void* connection = connect(nullptr, nullptr);
  const bool refused = has_error(connection) != 0;
  disconnect(connection);
  if (refused)
    return machine_error("no display for the window: DISPLAY is \"{}\" and nobody answers there; {}",
                         std::getenv("DISPLAY"), hint);
  return {};
}

int run(const Words& words) {
  if (!words.empty() && (words[0] == "--help" || words[0] == "-h")) {
    const Result<void> said = print(help());
    return said ? 0 : fail(said.error());
  }
  if (!words.empty() && words[0] == "--version") {
    const Result<void> said = print("cutaway " CUTAWAY_VERSION "\n");
    return said ? 0 : fail(said.error());
  }
  for (const Call& call : calls)
    if (!words.empty() && words[0] == call.name) {
      const Result<void> done = call.run(Words(words.begin() + 1, words.end()));
      return done ? 0 : fail(done.error());
    }
  bool help_asked = false;
  const Result<WindowArguments> window = window_arguments(words, help_asked);
  if (!window) return fail(window.error());
  if (help_asked) return 0;
  const Result<void> there = check_target(window->target);
  if (!there) return fail(there.error());
  if (const Result<void> display = check_display(); !display) return fail(display.error());
  return open_window;
}

}  // namespace

Result<void> print(const std::string& text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written && errno != EPIPE) return error("standard output: {}", std::strerror(errno));
  return {};
}

int run_command_line(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return run(Words(argv + std::min(argc, 1), argv + argc));
  } catch (const std::bad_alloc&) {
    return fail(machine_error("out of memory"));
  } catch (const std::exception& broken) {
    return fail({fmt::format("our own fault: {}", broken.what()), Fault::Ours});
  }
}

WindowArguments read_window_arguments(int argc, char** argv) {
  bool help_asked = false;
  const Result<WindowArguments> window = window_arguments(Words(argv + std::min(argc, 1), argv + argc), help_asked);
  return window ? *window : WindowArguments{};
}

}  // namespace cutaway
