// Hugging Face's answers on the CPU.
#include <QtTest>

#include "tests/support/goldens.h"

int main(int argc, char** argv) {
  cutaway::tests::TestGoldens test({{cutaway::make_cpu_backend(0)}});
  return QTest::qExec(&test, argc, argv);
}
