// Opening devices, memory, and what the disk keeps of pipelines.
#include "tests/gpu/gpu_test.h"

#include <QTemporaryDir>

#include "gpu/vulkan/pipeline_cache.h"

using namespace cutaway;

class TestDevice : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase();
  void no_driver();
  void found_and_opened();
  void two_at_once();
  void pieces_of_memory();
  void too_much_memory();
  void pages_on_the_device();
  void cache_file();
  void cleanup() { QVERIFY2(complaints().isEmpty(), complaints()); }
  void cleanupTestCase() { test_device_slot().reset(); }

 private:
  QTemporaryDir folder_;
};

void TestDevice::initTestCase() { qputenv("XDG_CACHE_HOME", folder_.path().toUtf8()); }

/// A machine without a driver, as the loader sees it.
void TestDevice::no_driver() {
  const QByteArray drivers = qgetenv("VK_DRIVER_FILES"), icds = qgetenv("VK_ICD_FILENAMES");
  qputenv("VK_DRIVER_FILES", "/nonexistent/driver.json");
  qputenv("VK_ICD_FILENAMES", "/nonexistent/driver.json");
  const auto opened = open_device({});
  const auto found = devices_found();
  drivers.isNull() ? qunsetenv("VK_DRIVER_FILES") : qputenv("VK_DRIVER_FILES", drivers);
  icds.isNull() ? qunsetenv("VK_ICD_FILENAMES") : qputenv("VK_ICD_FILENAMES", icds);
  QVERIFY(!opened);
  QCOMPARE(opened.error().fault, Fault::Machine);
  QVERIFY2(opened.error().text.find("Vulkan") != std::string::npos, opened.error().text.c_str());
  QVERIFY(found.empty());
}

void TestDevice::found_and_opened() {
  NEED_DEVICE();
  const auto found = devices_found();
  QVERIFY(!found.empty());
  QVERIFY(found.front().usable);
  QVERIFY(!found.front().name.empty() && !found.front().driver.empty());
  for (size_t i = 1; i < found.size(); ++i)
    QVERIFY2(!(found[i - 1].is_cpu && found[i].usable && !found[i].is_cpu), "a CPU device stands before a real one");
  if (qEnvironmentVariableIsEmpty("CUTAWAY_DEVICE")) QCOMPARE(name_of(*test_device()), found.front().name);
  const auto named = open_device({.name = found.front().name});
  QVERIFY(named);
  QCOMPARE(name_of(**named), found.front().name);
}

void TestDevice::two_at_once() {
  NEED_DEVICE();
  const auto other = open_device({.validate = true});
  QVERIFY(other);
  auto one = *make_vulkan_backend(test_device()), two = *make_vulkan_backend(*other);
  for (const auto& backend : {one, two}) {
    PagedRows rows(backend->arena(), 20);
    QVERIFY(rows.grow(40));
    std::vector<float> out(200);
    QVERIFY(backend->read(rows, 0, 40, out.data()));
  }
  QVERIFY(validation_messages(**other).empty());
}

void TestDevice::pieces_of_memory() {
  NEED_DEVICE();
  Memory& memory = test_device()->memory();
  std::mt19937 random(1);
  std::vector<BufferPtr> kept;
  for (int round = 0; round < 2000; ++round) {
    if (random() % 3 && kept.size() < 200) {
      auto taken = memory.take(random() % 70000 + 1, MemoryKind::Device, "a test");
      QVERIFY(taken);
      QCOMPARE((*taken)->address % 256, uint64_t{0});
      for (const BufferPtr& other : kept)
        QVERIFY((*taken)->address + (*taken)->bytes <= other->address ||
                other->address + other->bytes <= (*taken)->address);
      kept.push_back(*taken);
    } else if (!kept.empty()) {
      kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(random() % kept.size()));
    }
  }
  const size_t blocks = memory.blocks_bytes();
  kept.clear();
  const auto whole = memory.take(size_t{30} << 20, MemoryKind::Device, "a test");  // the pieces grew together again
  QVERIFY(whole);
  QCOMPARE(memory.blocks_bytes(), blocks);
}

void TestDevice::too_much_memory() {
  NEED_DEVICE();
  const auto taken = test_device()->memory().take(size_t{1} << 46, MemoryKind::Device, "the impossible");
  QVERIFY(!taken);
  QCOMPARE(taken.error().fault, Fault::Machine);
  QVERIFY2(taken.error().text.find("the impossible") != std::string::npos, taken.error().text.c_str());
}

void TestDevice::pages_on_the_device() {
  NEED_DEVICE();
  const auto backend = *make_vulkan_backend(test_device());
  {
    PagedRows rows(backend->arena(), 12);
    QVERIFY(rows.grow(17));
    QCOMPARE(backend->arena()->live_bytes(), size_t{2 * 16 * 12});
    const PagedRows seen = rows;
    rows.truncate(9);
    QVERIFY(rows.grow(1));  // a fork: somebody sees row 10 of the old page
    QVERIFY(rows.pages()[0] != seen.pages()[0]);
    QVERIFY(rows.pages()[0]->device_address != seen.pages()[0]->device_address);
    QCOMPARE(backend->arena()->live_bytes(), size_t{3 * 16 * 12});
  }
  QCOMPARE(backend->arena()->live_bytes(), size_t{0});
}

void TestDevice::cache_file() {
  const std::string path = folder_.filePath("some/where/cache.bin").toStdString();
  QVERIFY(read_cache_file(path).empty());
  const std::vector<std::byte> data(1000, std::byte{7});
  write_cache_file(path, data);
  QCOMPARE(read_cache_file(path), data);
  QFile file(QString::fromStdString(path));
  QVERIFY(file.open(QIODevice::ReadWrite));
  file.seek(500);
  file.putChar('x');
  file.close();
  QVERIFY2(read_cache_file(path).empty(), "a damaged cache was used");
  QVERIFY(file.resize(100));
  QVERIFY2(read_cache_file(path).empty(), "a cut cache was used");
}

QTEST_APPLESS_MAIN(TestDevice)
#include "test_device.moc"
