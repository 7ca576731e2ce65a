// The built program as a child process, as a user calls it, without a display.
#pragma once

#include <QByteArray>
#include <QDir>
#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QProcess>
#include <QStringList>
#include <QTemporaryDir>

namespace cutaway {

struct Said {
  int code = -1;  // -1: it ended by a signal or not at all
  QByteArray out, err;
  QJsonObject json() const { return QJsonDocument::fromJson(out).object(); }
  int lines() const { return static_cast<int>(err.count('\n')); }
};

inline Said program(const QStringList& arguments, const QString& working_folder = {}) {
  QProcess child;
  QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
  for (const char* name : {"DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM", "XDG_RUNTIME_DIR"})
    environment.remove(name);
  child.setProcessEnvironment(environment);
  if (!working_folder.isEmpty()) child.setWorkingDirectory(working_folder);
  child.start(qEnvironmentVariable("CUTAWAY_BINARY"), arguments);
  if (!child.waitForFinished(120000) || child.exitStatus() != QProcess::NormalExit)
    return {-1, child.readAllStandardOutput(), child.readAllStandardError()};
  return {child.exitCode(), child.readAllStandardOutput(), child.readAllStandardError()};
}

inline QString source(const QString& path) { return QStringLiteral(CUTAWAY_SOURCE_DIR "/") + path; }

inline QByteArray file_bytes(const QString& path) {
  QFile file(path);
  return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

/// A folder with the bundled tokenizer and a small shape of that tokenizer's vocabulary; it runs with --random-weights.
class TinyModel {
 public:
  TinyModel()
      : TinyModel(R"({"model_type": "gpt2", "n_layer": 2, "n_embd": 48, "n_head": 3, "n_positions": 64,
                              "vocab_size": 2048})",
                  "mini-gpt") {}
  TinyModel(const QByteArray& config, const QString& tokenizer_of) {
    QFile file(folder_.filePath("config.json"));
    if (file.open(QIODevice::WriteOnly)) file.write(config);
    QFile::copy(source("assets/models/" + tokenizer_of + "/tokenizer.json"), folder_.filePath("tokenizer.json"));
  }
  QString path() const { return folder_.path(); }
  /// CALL FOLDER --random-weights 1 and the rest.
  QStringList call(const QString& name, const QStringList& rest) const {
    return QStringList{name, path(), "--random-weights", "1"} + rest;
  }

 private:
  QTemporaryDir folder_;
};

inline QByteArray tiny_bert() {
  return R"({"model_type": "bert", "num_hidden_layers": 2, "hidden_size": 48, "num_attention_heads": 3,
             "intermediate_size": 96, "max_position_embeddings": 64, "vocab_size": 2048, "type_vocab_size": 1})";
}

}  // namespace cutaway
