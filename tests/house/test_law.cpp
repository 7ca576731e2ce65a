// The law of the house: engine -> gpu -> widgets -> app (an arrow: may be included by what stands to its right), and
// each outside world belongs to one folder. Read from the #include lines themselves.
#include <QtTest>

#include <map>
#include <regex>

#include "tests/house/tree.h"

namespace {

const std::vector<std::string> order = {"engine", "gpu", "widgets", "app"};

/// An outside world: the headers that belong to it and the folders that may see it.
struct World {
  const char* name;
  std::regex headers;
  std::vector<std::string> folders;
};

const std::vector<World>& worlds() {
  static const std::vector<World> list = {
      {"Eigen", std::regex("Eigen/.*|unsupported/Eigen/.*"), {"engine"}},
      {"Vulkan", std::regex("vulkan/.*|volk\\.h|vk_.*"), {"gpu"}},
      {"CUDA", std::regex("cuda.*|cublas.*"), {"gpu"}},
      {"Dear ImGui", std::regex("(imgui/)?imgui.*"), {"widgets"}},
      {"Qt", std::regex("Q[A-Za-z0-9]+(/.*)?|Qt.*"), {"app"}},
      {"CLI11", std::regex("CLI/.*"), {"app"}},
  };
  return list;
}

struct Include {
  std::string header, place, folder, file;
};

std::vector<Include> includes_of(const std::vector<SourceFile>& tree) {
  static const std::regex line_form("^\\s*#\\s*include\\s*[<\"]([^>\"]+)[>\"].*");
  std::vector<Include> found;
  for (const SourceFile& file : tree) {
    if (!file.ends_with(".cpp") && !file.ends_with(".h") && !file.ends_with(".inc")) continue;
    for (size_t i = 0; i < file.lines.size(); ++i) {
      std::smatch m;
      if (std::regex_match(file.lines[i], m, line_form))
        found.push_back({m[1], file.place(i), file.folder(), file.path});
    }
  }
  return found;
}

/// What is wrong with that include, or nothing.
std::string fault(const Include& include) {
  const auto stands = std::find(order.begin(), order.end(), include.folder);
  if (stands == order.end()) return {};  // tests and tools may see everything
  const std::string target = include.header.substr(0, include.header.find('/'));
  const auto other = std::find(order.begin(), order.end(), target);
  if (other != order.end() && other > stands)
    return include.place + ": " + include.folder + "/ includes " + include.header + ", which stands to its right";
  if (target == "tests") return include.place + ": " + include.folder + "/ includes a test";
  if (include.header.starts_with(".")) return include.place + ": " + include.header + " is not named from the root";
  for (const World& world : worlds()) {
    if (!std::regex_match(include.header, world.headers)) continue;
    if (std::find(world.folders.begin(), world.folders.end(), include.folder) == world.folders.end())
      return include.place + ": " + include.header + " is " + world.name + ", which belongs to " +
             world.folders.front() + "/";
  }
  static const std::regex header_about_json(".*/json[a-z_]*\\.h"), any_header(".*\\.h");
  if (include.header == "nlohmann/json.hpp" && std::regex_match(include.file, any_header) &&
      !std::regex_match(include.file, header_about_json))
    return include.place + ": JSON's header costs four seconds a file; include it from a .cpp";
  return {};
}

}  // namespace

class TestLaw : public QObject {
  Q_OBJECT

 private slots:
  void includes_obey_the_arrows();
  void the_law_can_be_broken_data();
  void the_law_can_be_broken();

 private:
  std::vector<SourceFile> tree_ = read_tree(CUTAWAY_SOURCE_DIR);
};

void TestLaw::includes_obey_the_arrows() {
  const std::vector<Include> includes = includes_of(tree_);
  QVERIFY2(includes.size() > 100, "the tree was not read");
  std::string faults;
  for (const Include& include : includes)
    if (const std::string why = fault(include); !why.empty()) faults += why + "\n";
  QVERIFY2(faults.empty(), faults.c_str());
}

void TestLaw::the_law_can_be_broken_data() {
  QTest::addColumn<QString>("folder");
  QTest::addColumn<QString>("header");
  QTest::addColumn<bool>("lawful");
  QTest::addRow("engine sees Vulkan") << "engine"
                                      << "vulkan/vulkan.h" << false;
  QTest::addRow("engine sees gpu") << "engine"
                                   << "gpu/device.h" << false;
  QTest::addRow("engine sees Eigen") << "engine"
                                     << "Eigen/Dense" << true;
  QTest::addRow("gpu sees Qt") << "gpu"
                               << "QString" << false;
  QTest::addRow("gpu sees engine") << "gpu"
                                   << "engine/graph.h" << true;
  QTest::addRow("widgets see Qt") << "widgets"
                                  << "QtGui/QImage" << false;
  QTest::addRow("widgets see volk") << "widgets"
                                    << "volk.h" << false;
  QTest::addRow("widgets see app") << "widgets"
                                   << "app/engine.h" << false;
  QTest::addRow("widgets see ImGui") << "widgets"
                                     << "imgui.h" << true;
  QTest::addRow("app sees Qt") << "app"
                               << "QWidget" << true;
  QTest::addRow("app sees ImGui") << "app"
                                  << "imgui.h" << false;
  QTest::addRow("app sees widgets") << "app"
                                    << "widgets/view.h" << true;
  QTest::addRow("a way around") << "app"
                                << "../gpu/device.h" << false;
  QTest::addRow("engine sees a test") << "engine"
                                      << "tests/support/interpreter.h" << false;
}

void TestLaw::the_law_can_be_broken() {
  QFETCH(QString, folder);
  QFETCH(QString, header);
  QFETCH(bool, lawful);
  const Include include{header.toStdString(), "x.cpp:1", folder.toStdString(), "x.cpp"};
  QCOMPARE(fault(include).empty(), lawful);
}

QTEST_APPLESS_MAIN(TestLaw)
#include "test_law.moc"
