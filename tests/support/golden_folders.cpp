#include "tests/support/golden_folders.h"

#include <QDir>
#include <QFile>
#include <QJsonDocument>
#include <QJsonObject>

#include "engine/architecture.h"

namespace cutaway::tests {

QString golden_model_type(const QString& folder) {
  QFile file(QString(CUTAWAY_SOURCE_DIR) + "/" + folder + "/config.json");
  if (!file.open(QIODevice::ReadOnly)) return {};
  return QJsonDocument::fromJson(file.readAll()).object()["model_type"].toString();
}

namespace {

/// The folders in tests/goldens whose model, kept in `where` under the same name, the engine reads.
QStringList read_by_the_engine(const QString& where) {
  QStringList names = QDir(QString(CUTAWAY_SOURCE_DIR) + "/tests/goldens").entryList(QDir::Dirs | QDir::NoDotAndDotDot);
  names.removeIf([&](const QString& name) { return !architecture_for(golden_model_type(where + name).toStdString()); });
  return names;
}

}  // namespace

QStringList golden_folders() { return read_by_the_engine("tests/goldens/"); }

QStringList golden_folders_of(const QString& model_type) {
  QStringList names = golden_folders();
  names.removeIf([&](const QString& name) { return golden_model_type("tests/goldens/" + name) != model_type; });
  return names;
}

QStringList golden_bundled() { return read_by_the_engine("assets/models/"); }

}  // namespace cutaway::tests
