// The way into gpu/: which devices this machine has, opening one, and the backend that runs models on it. Needs neither
// a Vulkan driver nor the loader library to start: without them every call says so and the program carries on on the
// CPU.
//
//   auto device = open_device({});                    // a real GPU before a CPU device
//   if (!device) return device.error();               // Fault::Machine: "there is no Vulkan driver on this machine"
//   auto backend = make_vulkan_backend(*device);      // compute; the same device draws, see gpu/vulkan/surface.h
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/backend.h"
#include "engine/result.h"

namespace cutaway {

class Device;  // gpu/vulkan/device.h

struct DeviceFound {
  std::string name;     // "llvmpipe (LLVM 15.0.6, 256 bits)"
  std::string driver;   // "llvmpipe Mesa 22.3.6 (LLVM 15.0.6)"
  bool is_cpu = false;  // a software device
  bool usable = false;  // has all that Cutaway asks for: Vulkan 1.3, buffer addresses, dynamic rendering
};

struct DeviceOptions {
  std::string name;       // part of a device's name; empty: CUTAWAY_DEVICE from the environment, or the best one
  bool validate = false;  // load the validation layer; CUTAWAY_VALIDATE=1 in the environment does the same
};

/// Every Vulkan device, in the order that open_device({}) would take them. Empty without a driver.
std::vector<DeviceFound> devices_found();

/// Makes the one instance and the one device that compute and draw. Fails with Fault::Machine.
Result<std::shared_ptr<Device>> open_device(const DeviceOptions&);

/// "llvmpipe (LLVM 15.0.6, 256 bits)".
std::string name_of(const Device&);
/// A software device: the window then presents through an offscreen image.
bool is_cpu(const Device&);
/// What the validation layer had to say so far; empty in a healthy program and without the layer.
std::vector<std::string> validation_messages(const Device&);

Result<std::shared_ptr<Backend>> make_vulkan_backend(std::shared_ptr<Device>);

}  // namespace cutaway
