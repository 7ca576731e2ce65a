// One program, two faces: a call on the command line, or the window.
#include "app/cli/command_line.h"
#include "app/window/open_window.h"

int main(int argc, char** argv) {
  const int code = cutaway::run_command_line(argc, argv);
  return code == cutaway::open_window ? cutaway::run_window(argc, argv) : code;
}
