// Runs the real program as a user would, with a limit on its time and its memory.
#pragma once

#include <QByteArray>
#include <QString>
#include <QStringList>

namespace cutaway::tests {

struct Outcome {
  bool started = false, crashed = false, in_time = false;
  int code = -1;
  QByteArray out, err;

  QByteArrayList error_lines() const;  // those of stderr that say something
};

/// build/…/cutaway with those arguments and no display; at most `seconds` and 6 GiB of addresses (less under the
/// address sanitizer's own rules, where only the time is limited).
Outcome run_cutaway(const QStringList& arguments, int seconds = 10);
/// The program's path, empty when it is not built.
QString program();

}  // namespace cutaway::tests
