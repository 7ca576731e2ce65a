#include "app/window/open_window.h"

#include <QApplication>
#include <QMainWindow>

namespace cutaway {

int run_window(int argc, char** argv) {
  QApplication application(argc, argv);
  QApplication::setApplicationName("Cutaway");
  QApplication::setOrganizationName("Cutaway");
  QMainWindow window;
  window.resize(1600, 1000);
  window.show();
  return QApplication::exec();
}

}  // namespace cutaway
