// What the tests of gpu/ share: one device with the validation layer on, and numbers going there and back.
#pragma once

#include <QtTest>

#include <random>

#include "gpu/vulkan/backend.h"

namespace cutaway {

/// The device of this process, opened once; null without a driver, then why_no_device() says why.
inline std::shared_ptr<Device>& test_device_slot() {
  static std::shared_ptr<Device> device;
  return device;
}
inline std::string& why_no_device() {
  static std::string why;
  return why;
}
inline std::shared_ptr<Device> test_device() {
  auto& device = test_device_slot();
  if (device || !why_no_device().empty()) return device;
  auto opened = open_device({.validate = true});
  if (opened)
    device = *opened;
  else
    why_no_device() = opened.error().text;
  return device;
}

#define NEED_DEVICE() \
  if (!cutaway::test_device()) QSKIP(cutaway::why_no_device().c_str())

/// What the validation layer said, in one text: empty in a healthy test.
inline QByteArray complaints() {
  QByteArray text;
  if (!test_device_slot()) return text;
  for (const std::string& message : validation_messages(*test_device_slot()))
    text += message.c_str() + QByteArray("\n");
  return text;
}

/// Runs a suite over a back end on the device alone; any word from the validation layer fails it.
template <class Suite>
int run_on_device(int argc, char** argv, VulkanBackend::Attend attend = VulkanBackend::Attend::AsTheDeviceLikes) {
  const auto device = test_device();
  if (!device) {
    std::printf("SKIP   : everything: %s\n", why_no_device().c_str());
    return 0;
  }
  int failed = 0;
  {
    Suite suite({{std::make_shared<VulkanBackend>(device, attend)}});
    failed = QTest::qExec(&suite, argc, argv);
  }
  const bool complained = !complaints().isEmpty();
  test_device_slot().reset();
  return failed || complained;
}

inline std::vector<float> random_numbers(size_t n, unsigned seed, float deviation = 1) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> numbers(n);
  for (float& x : numbers) x = normal(generator);
  return numbers;
}

template <class T>
BufferPtr to_device(const std::vector<T>& values) {
  auto buffer = *test_device()->buffer(values.size() * sizeof(T), MemoryKind::Upload, "a test");
  std::memcpy(buffer->host, values.data(), values.size() * sizeof(T));
  return buffer;
}
inline BufferPtr space_on_device(size_t floats) {
  return *test_device()->buffer(floats * sizeof(float), MemoryKind::Download, "a test");
}
inline std::vector<float> from_device(const BufferPtr& buffer) {
  const auto* floats = reinterpret_cast<const float*>(buffer->host);
  return std::vector<float>(floats, floats + buffer->bytes / sizeof(float));
}

/// One dispatch, waited for.
template <class Push>
void run(std::string_view shader, std::initializer_list<uint32_t> constants, const Push& push, uint64_t groups) {
  WorkLease work(*test_device());
  work->begin(nullptr);
  work->dispatch(shader, constants, push, groups, 1e3);
  const auto done = work->finish();
  QVERIFY2(done, done ? "" : done.error().text.c_str());
}

/// Largest |a - b| / max(1, max |b|); NaN anywhere but in the same place counts as infinite.
template <class A, class B>
double worst(const A& a, const B& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double top = 1, difference = 0;
  for (size_t i = 0; i < b.size(); ++i)
    if (std::isfinite(static_cast<double>(b[i]))) top = std::max(top, std::abs(static_cast<double>(b[i])));
  for (size_t i = 0; i < a.size(); ++i) {
    const double x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    const double d = std::abs(x - y);
    difference = std::max(difference, std::isfinite(d) ? d : std::numeric_limits<double>::infinity());
  }
  return difference / top;
}

#define WITHIN(got, want, tolerance)                                                                    \
  do {                                                                                                  \
    const double off = cutaway::worst(got, want);                                                       \
    QVERIFY2(off <= (tolerance), qPrintable(QString("off by %1, allowed %2").arg(off).arg(tolerance))); \
  } while (false)

}  // namespace cutaway
