#include "app/window/open_window.h"

#include <QApplication>

#include "app/window/main_window.h"

namespace cutaway {

int run_window(int argc, char** argv) {
  QApplication application(argc, argv);
  QApplication::setApplicationName("Cutaway");
  QApplication::setOrganizationName("Cutaway");
  QApplication::setStyle("Fusion");
  load_fonts();
  QApplication::setFont(font_of(Face::Sans, 13));
  MainWindow window(read_window_arguments(argc, argv));
  window.show();
  return QApplication::exec();
}

}  // namespace cutaway
