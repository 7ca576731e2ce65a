// Other people's answers with attention as a real GPU runs it: attend.comp, one group a query.
#include "tests/gpu/gpu_test.h"
#include "tests/support/goldens.h"

int main(int argc, char** argv) {
  using namespace cutaway;
  return run_on_device<tests::TestGoldens>(argc, argv, VulkanBackend::Attend::ByGroups);
}
