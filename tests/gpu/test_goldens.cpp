// Other people's answers on the Vulkan device, with the validation layer on.
#include "tests/gpu/gpu_test.h"
#include "tests/support/goldens.h"

int main(int argc, char** argv) { return cutaway::run_on_device<cutaway::tests::TestGoldens>(argc, argv); }
