// Every architecture and corner with attention as a real GPU runs it: attend.comp, one group a query.
#include "tests/gpu/gpu_test.h"
#include "tests/support/variants.h"

int main(int argc, char** argv) {
  using namespace cutaway;
  return run_on_device<tests::TestVariants>(argc, argv, VulkanBackend::Attend::ByGroups);
}
