#include "gpu/vulkan/core.h"

#ifdef __SANITIZE_ADDRESS__
#include <dlfcn.h>
#endif

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "gpu/vulkan/check.h"

namespace cutaway {
namespace {

constexpr const char* validation_layer = "VK_LAYER_KHRONOS_validation";

/// Loads the loader library once a process. False without one.
bool loader_is_here() {
  static const bool here = volkInitialize() == VK_SUCCESS;
  return here;
}

/// The loader's functions dispatch on the object they are given, so those of the first instance serve every later one.
void load_functions(VkInstance instance) {
  static std::once_flag once;
  std::call_once(once, [&] { volkLoadInstance(instance); });
}

VKAPI_ATTR VkBool32 VKAPI_CALL heard(VkDebugUtilsMessageSeverityFlagBitsEXT, VkDebugUtilsMessageTypeFlagsEXT,
                                     const VkDebugUtilsMessengerCallbackDataEXT* data, void* messages) {
  static_cast<Messages*>(messages)->add(data->pMessage);
  std::fprintf(stderr, "%s\n", data->pMessage);  // only ever called where somebody asked for the layer
  return VK_FALSE;
}

VkDebugUtilsMessengerCreateInfoEXT messenger_info(Messages* messages) {
  VkDebugUtilsMessengerCreateInfoEXT info{VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT};
  info.messageSeverity =
      VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
  // Not GENERAL: there the loader tells about drivers of other cards that it could not open.
  info.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT;
  info.pfnUserCallback = heard;
  info.pUserData = messages;
  return info;
}

bool has_validation_layer() {
  uint32_t n = 0;
  if (vkEnumerateInstanceLayerProperties(&n, nullptr) != VK_SUCCESS) return false;
  std::vector<VkLayerProperties> layers(n);
  const VkResult status = vkEnumerateInstanceLayerProperties(&n, layers.data());
  if (status != VK_SUCCESS && status != VK_INCOMPLETE) return false;
  return std::any_of(layers.begin(), layers.begin() + n,
                     [](const VkLayerProperties& l) { return std::strcmp(l.layerName, validation_layer) == 0; });
}

/// A family that can compute and draw.
std::optional<uint32_t> family_of(VkPhysicalDevice physical) {
  uint32_t n = 0;
  vkGetPhysicalDeviceQueueFamilyProperties(physical, &n, nullptr);
  std::vector<VkQueueFamilyProperties> families(n);
  vkGetPhysicalDeviceQueueFamilyProperties(physical, &n, families.data());
  constexpr VkQueueFlags both = VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT;
  for (uint32_t i = 0; i < n; ++i)
    if ((families[i].queueFlags & both) == both) return i;
  return std::nullopt;
}

/// The features we ask for, chained: the same chain asks what there is and switches it on.
struct Features {
  VkPhysicalDeviceFeatures2 all{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
  VkPhysicalDeviceVulkan12Features v12{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
  VkPhysicalDeviceVulkan13Features v13{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES};
  Features() {
    all.pNext = &v12;
    v12.pNext = &v13;
  }
  Features(const Features&) = delete;
  Features& operator=(const Features&) = delete;
  bool enough() const {
    return v12.bufferDeviceAddress && v13.dynamicRendering && v13.synchronization2 && v13.maintenance4;
  }
};

std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

void Messages::add(std::string text) {
  std::lock_guard lock(mutex_);
  texts_.push_back(std::move(text));
}

std::vector<std::string> Messages::all() const {
  std::lock_guard lock(mutex_);
  return texts_;
}

Result<std::unique_ptr<Instance>> Instance::make(bool validate) {
  if (!loader_is_here()) return machine_error("there is no Vulkan loader on this machine (libvulkan.so.1)");
  if (volkGetInstanceVersion() < VK_API_VERSION_1_3)
    return machine_error("the Vulkan loader of this machine is older than 1.3");
  if (validate && !has_validation_layer()) return machine_error("{} is not installed", validation_layer);

  std::unique_ptr<Instance> instance(new Instance);
  VkApplicationInfo application{VK_STRUCTURE_TYPE_APPLICATION_INFO};
  application.pApplicationName = "Cutaway";
  application.apiVersion = VK_API_VERSION_1_3;
  const VkDebugUtilsMessengerCreateInfoEXT listen = messenger_info(&instance->messages_);
  const char* extension = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
  VkInstanceCreateInfo info{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
  info.pApplicationInfo = &application;
  if (validate) {
    info.pNext = &listen;
    info.enabledLayerCount = 1;
    info.ppEnabledLayerNames = &validation_layer;
    info.enabledExtensionCount = 1;
    info.ppEnabledExtensionNames = &extension;
  }
  const VkResult status = vkCreateInstance(&info, nullptr, &instance->handle_);
  if (status == VK_ERROR_INCOMPATIBLE_DRIVER) return machine_error("there is no Vulkan driver on this machine");
  if (auto ok = check(status, "vkCreateInstance"); !ok) return ok.error();
  load_functions(instance->handle_);
  if (validate) {
    const auto create = reinterpret_cast<PFN_vkCreateDebugUtilsMessengerEXT>(
        vkGetInstanceProcAddr(instance->handle_, "vkCreateDebugUtilsMessengerEXT"));
    auto ok =
        check(create(instance->handle_, &listen, nullptr, &instance->messenger_), "vkCreateDebugUtilsMessengerEXT");
    if (!ok) return ok.error();
  }
  return instance;
}

Instance::~Instance() {
#ifdef __SANITIZE_ADDRESS__
  // Pinned, so that the leak checker can still name the software driver at exit and find it in tests/lsan.supp.
  (void)dlopen("libvulkan_lvp.so", RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
#endif
  if (messenger_) {
    const auto destroy = reinterpret_cast<PFN_vkDestroyDebugUtilsMessengerEXT>(
        vkGetInstanceProcAddr(handle_, "vkDestroyDebugUtilsMessengerEXT"));
    destroy(handle_, messenger_, nullptr);
  }
  if (handle_) vkDestroyInstance(handle_, nullptr);
}

std::vector<VkPhysicalDevice> Instance::devices() const {
  uint32_t n = 0;
  if (vkEnumeratePhysicalDevices(handle_, &n, nullptr) != VK_SUCCESS) return {};
  std::vector<VkPhysicalDevice> found(n);
  const VkResult status = vkEnumeratePhysicalDevices(handle_, &n, found.data());
  if (status != VK_SUCCESS && status != VK_INCOMPLETE) return {};
  found.resize(n);
  const auto rank = [](VkPhysicalDevice device) {
    VkPhysicalDeviceProperties p{};
    vkGetPhysicalDeviceProperties(device, &p);
    const int kind = p.deviceType == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU     ? 0
                     : p.deviceType == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU ? 1
                     : p.deviceType == VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU    ? 2
                                                                              : 3;
    return (describe(device).usable ? 0 : 10) + kind;
  };
  std::stable_sort(found.begin(), found.end(), [&](auto a, auto b) { return rank(a) < rank(b); });
  return found;
}

DeviceFound describe(VkPhysicalDevice physical) {
  VkPhysicalDeviceDriverProperties driver{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
  VkPhysicalDeviceProperties2 properties{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
  properties.pNext = &driver;
  vkGetPhysicalDeviceProperties2(physical, &properties);
  DeviceFound found;
  found.name = properties.properties.deviceName;
  found.driver = fmt::format("{} {}", driver.driverName, driver.driverInfo);
  found.is_cpu = properties.properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
  if (properties.properties.apiVersion >= VK_API_VERSION_1_3 && family_of(physical)) {
    Features have;
    vkGetPhysicalDeviceFeatures2(physical, &have.all);
    found.usable = have.enough();
  }
  return found;
}

Result<std::shared_ptr<const Core>> Core::make(const DeviceOptions& options) {
  const bool validate = options.validate || from_environment("CUTAWAY_VALIDATE") == "1";
  const std::string name = options.name.empty() ? from_environment("CUTAWAY_DEVICE") : options.name;
  auto instance = Instance::make(validate);
  if (!instance) return instance.error();
  std::shared_ptr<Core> core(new Core);
  core->instance_ = *std::move(instance);
  std::string seen;
  for (VkPhysicalDevice physical : core->instance_->devices()) {
    const DeviceFound found = describe(physical);
    seen += (seen.empty() ? "" : ", ") + found.name;
    if (!found.usable || found.name.find(name) == std::string::npos) continue;
    core->physical_ = physical;
    if (auto ok = core->make_device(); !ok) return ok.error();
    return std::shared_ptr<const Core>(core);
  }
  if (seen.empty()) return machine_error("there is no Vulkan device on this machine");
  if (name.empty()) return machine_error("no Vulkan device of this machine has all that Cutaway needs: {}", seen);
  return machine_error("there is no usable Vulkan device named {}; this machine has {}", name, seen);
}

Result<void> Core::make_device() {
  family_ = *family_of(physical_);
  const float priority = 1;
  VkDeviceQueueCreateInfo queue{VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO};
  queue.queueFamilyIndex = family_;
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;
  Features want;
  want.v12.bufferDeviceAddress = VK_TRUE;
  want.v13.dynamicRendering = VK_TRUE;
  want.v13.synchronization2 = VK_TRUE;
  want.v13.maintenance4 = VK_TRUE;  // group sizes as SPIR-V 1.6 writes them
  VkDeviceCreateInfo info{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO};
  info.pNext = &want.all;
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue;
  if (auto ok = check(vkCreateDevice(physical_, &info, nullptr, &device_), "vkCreateDevice"); !ok) return ok.error();
  vkGetDeviceQueue(device_, family_, 0, &queue_);
  return {};
}

Core::~Core() {
  if (device_) vkDestroyDevice(device_, nullptr);
}

}  // namespace cutaway
