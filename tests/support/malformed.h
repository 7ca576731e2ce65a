// One malformed input: a good tiny folder, what spoils it, the call, and words that the refusal must hold.
#pragma once

#include <QByteArrayList>
#include <QJsonObject>
#include <QList>
#include <QString>
#include <QStringList>

#include <functional>
#include <string>

namespace cutaway::tests {

struct Malformed {
  const char* name;
  std::function<void(const QString& folder)> spoil;
  QByteArrayList says;  // all of them stand in the one line on stderr
  /// FOLDER and OUT are put in; empty: run FOLDER --ids 1,2,3 --steps 2 --trace OUT/t.safetensors
  QStringList call = {};
  bool may_run = false;  // odd but lawful: exit code 0 will do as well
};

/// Runs the case in folders of its own. Nothing when the program did as it must: exit code 2, one line that says what
/// it must say, no file left behind, in time and in bounded memory; else what went wrong.
std::string fault_of(const Malformed&);
/// The same call on the folder as it was must work; nothing when it does.
std::string fault_of_good(const QStringList& call);

/// A new config.json with these keys changed; a value of null takes the key out.
std::function<void(const QString&)> config_with(const QJsonObject& changes);
/// A file of the folder holds these bytes instead.
std::function<void(const QString&)> file_holds(const char* file, const QByteArray& bytes);

}  // namespace cutaway::tests
