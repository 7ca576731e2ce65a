// Every architecture and corner on the CPU, with one thread and with all of them.
#include <QtTest>

#include "tests/support/variants.h"

int main(int argc, char** argv) {
  cutaway::tests::TestVariants test({{cutaway::make_cpu_backend(1)}, {cutaway::make_cpu_backend(0)}});
  return QTest::qExec(&test, argc, argv);
}
