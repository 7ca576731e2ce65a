#include "tests/support/golden_folders.h"

#include <QDir>
#include <QFile>
#include <QJsonDocument>
#include <QJsonObject>

#include "engine/architecture.h"

namespace cutaway::tests {

QString golden_model_type(const QString& folder) {
  QFile file(QString(CUTAWAY_SOURCE_DIR) + "/tests/goldens/" + folder + "/config.json");
  if (!file.open(QIODevice::ReadOnly)) return {};
  return QJsonDocument::fromJson(file.readAll()).object()["model_type"].toString();
}

QStringList golden_folders() {
  QStringList names = QDir(QString(CUTAWAY_SOURCE_DIR) + "/tests/goldens").entryList(QDir::Dirs | QDir::NoDotAndDotDot);
  names.removeIf([](const QString& name) { return !architecture_for(golden_model_type(name).toStdString()); });
  return names;
}

QStringList golden_folders_of(const QString& model_type) {
  QStringList names = golden_folders();
  names.removeIf([&](const QString& name) { return golden_model_type(name) != model_type; });
  return names;
}

}  // namespace cutaway::tests
