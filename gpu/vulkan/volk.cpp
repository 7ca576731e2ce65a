// The one translation unit that holds volk's function pointers: Vulkan is loaded at run time.
#define VOLK_IMPLEMENTATION
#include <volk.h>
