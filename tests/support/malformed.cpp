#include "tests/support/malformed.h"

#include <QDir>
#include <QTemporaryDir>

#include "tests/support/program.h"
#include "tests/support/tiny_folder.h"

namespace cutaway::tests {

namespace {

/// A good folder, spoilt, and an empty one for what the program writes.
struct Place {
  explicit Place(const Malformed& input) {
    QDir(root.path()).mkdir("model");
    QDir(root.path()).mkdir("out");
    write_tiny_gpt2(folder);
    if (input.spoil) input.spoil(folder);
    call = input.call;
    if (call.isEmpty()) call = {"run", "FOLDER", "--ids", "1,2,3", "--steps", "2", "--trace", "OUT/t.safetensors"};
    for (QString& word : call) word.replace("FOLDER", folder).replace("OUT", out);
  }

  QTemporaryDir root;
  QString folder = root.filePath("model"), out = root.filePath("out");
  QStringList call;
};

}  // namespace

std::string fault_of_good(const QStringList& call) {
  const Place place({"good", nullptr, {}, call});
  const Outcome outcome = run_cutaway(place.call);
  if (outcome.code == 0 && !outcome.crashed) return {};
  return "the good folder gives exit code " + std::to_string(outcome.code) + "; stderr: " + outcome.err.toStdString();
}

std::string fault_of(const Malformed& input) {
  const Place place(input);
  const Outcome outcome = run_cutaway(place.call);
  const auto fault = [&outcome](const std::string& what) {
    return what + "; stderr: " + outcome.err.left(400).toStdString();
  };
  if (!outcome.started) return "the program did not start";
  if (!outcome.in_time) return fault("more than ten seconds");
  if (outcome.crashed) return fault("a crash");
  if (outcome.code == 0 && input.may_run) return {};
  if (outcome.code != 2) return fault("exit code " + std::to_string(outcome.code) + ", not 2");
  if (outcome.error_lines().size() != 1)
    return fault(std::to_string(outcome.error_lines().size()) + " lines on stderr, not one");
  for (const QByteArray& word : input.says)
    if (!outcome.err.contains(word)) return fault("does not say \"" + word.toStdString() + "\"");
  const QStringList left = QDir(place.out).entryList(QDir::AllEntries | QDir::Hidden | QDir::NoDotAndDotDot);
  if (!left.isEmpty()) return fault("leaves " + left.join(", ").toStdString());
  return {};
}

std::function<void(const QString&)> config_with(const QJsonObject& changes) {
  return [changes](const QString& folder) {
    QJsonObject config = tiny_gpt2_config();
    for (auto it = changes.begin(); it != changes.end(); ++it) {
      if (it.value().isNull())
        config.remove(it.key());
      else
        config[it.key()] = it.value();
    }
    write_file(folder + "/config.json", json(config));
  };
}

std::function<void(const QString&)> file_holds(const char* file, const QByteArray& bytes) {
  return [file, bytes](const QString& folder) { write_file(folder + "/" + file, bytes); };
}

}  // namespace cutaway::tests
