#include "tests/support/program.h"

#include <sys/resource.h>

#include <QFileInfo>
#include <QProcess>
#include <QProcessEnvironment>

namespace cutaway::tests {

QByteArrayList Outcome::error_lines() const {
  QByteArrayList said;
  for (const QByteArray& line : err.split('\n'))
    if (!line.trimmed().isEmpty()) said << line;
  return said;
}

QString program() {
  const QString path = qEnvironmentVariable("CUTAWAY_BINARY");
  return QFileInfo(path).isExecutable() ? path : QString();
}

Outcome run_cutaway(const QStringList& arguments, int seconds) {
  QProcess process;
  QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
  for (const char* name : {"DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"}) environment.remove(name);
  process.setProcessEnvironment(environment);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  process.setChildProcessModifier([] {
    const rlimit limit{6ull << 30, 6ull << 30};
    setrlimit(RLIMIT_AS, &limit);
  });
#endif
  process.start(program(), arguments);
  Outcome outcome;
  outcome.started = process.waitForStarted();
  process.closeWriteChannel();
  outcome.in_time = outcome.started && process.waitForFinished(seconds * 1000);
  if (!outcome.in_time) {
    process.kill();
    process.waitForFinished();
  }
  outcome.crashed = process.exitStatus() == QProcess::CrashExit;
  outcome.code = process.exitCode();
  outcome.out = process.readAllStandardOutput();
  outcome.err = process.readAllStandardError();
  return outcome;
}

}  // namespace cutaway::tests
