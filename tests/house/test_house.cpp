// Order in the house: nothing at the root that nobody expects, short sources, words in both languages, shaders that
// say what they are, and no trace of the machine that somebody worked on.
#include <QtTest>

#include <map>
#include <regex>
#include <set>

#include "tests/house/tree.h"

class TestHouse : public QObject {
  Q_OBJECT

 private slots:
  void the_root_holds_what_everyone_expects();
  void sources_are_short();
  void words_are_complete();
  void every_word_is_said_somewhere();
  void shaders_have_a_head();
  void no_machine_in_the_tree();
  void nothing_is_left_for_later();

 private:
  /// Fails with every place at once.
  void report(const std::string& faults) { QVERIFY2(faults.empty(), faults.c_str()); }
  bool is_source(const SourceFile& file) const { return file.ends_with(".cpp") || file.ends_with(".h"); }

  std::vector<SourceFile> tree_ = read_tree(CUTAWAY_SOURCE_DIR);
};

void TestHouse::the_root_holds_what_everyone_expects() {
  static const std::set<std::string> expected = {".ci",
                                                 ".clang-format",
                                                 ".git",
                                                 ".gitignore",
                                                 "CMakeLists.txt",
                                                 "CMakePresets.json",
                                                 "LICENSE",
                                                 "README.md",
                                                 "app",
                                                 "assets",
                                                 "dev",
                                                 "engine",
                                                 "gpu",
                                                 "tests",
                                                 "widgets"};
  std::string faults;
  for (const auto& entry : std::filesystem::directory_iterator(CUTAWAY_SOURCE_DIR)) {
    const std::string name = entry.path().filename().string();
    const bool ignored = name.starts_with("build") || name == ".cache";
    if (!ignored && !expected.contains(name)) faults += name + " stands at the root; DESIGN.md has no place for it\n";
  }
  report(faults);
}

void TestHouse::sources_are_short() {
  std::string faults;
  for (const SourceFile& file : tree_)
    if (is_source(file) && file.lines.size() > 500)
      faults += file.path + " has " + std::to_string(file.lines.size()) + " lines; is it two things?\n";
  report(faults);
}

void TestHouse::words_are_complete() {
  static const std::regex form(R"re(^WORD\((\w+), "((?:[^"\\]|\\.)*)",\s*"((?:[^"\\]|\\.)*)"\).*)re");
  static const std::regex hole(R"(\{[^}]*\})");
  std::string faults;
  std::set<std::string> keys;
  for (const SourceFile& file : tree_) {
    if (file.path != "widgets/words.inc") continue;
    for (size_t i = 0; i < file.lines.size(); ++i) {
      const std::string& line = file.lines[i];
      if (!line.starts_with("WORD(")) continue;
      std::smatch m;
      // A long entry may stand on two lines.
      const std::string whole = line.ends_with(",") && i + 1 < file.lines.size()
                                    ? line + " " + file.lines[i + 1].substr(file.lines[i + 1].find_first_not_of(' '))
                                    : line;
      if (!std::regex_match(whole, m, form)) {
        faults += file.place(i) + ": not WORD(key, \"english\", \"russian\")\n";
        continue;
      }
      const std::string key = m[1], english = m[2], russian = m[3];
      if (!keys.insert(key).second) faults += file.place(i) + ": " + key + " stands twice\n";
      if (english.empty() || russian.empty()) faults += file.place(i) + ": " + key + " is empty in one language\n";
      const auto holes = [](const std::string& s) {
        return std::distance(std::sregex_iterator(s.begin(), s.end(), hole), std::sregex_iterator());
      };
      if (holes(english) != holes(russian)) faults += file.place(i) + ": " + key + " has unlike holes\n";
    }
  }
  QVERIFY2(!keys.empty(), "widgets/words.inc was not read");
  report(faults);
}

void TestHouse::every_word_is_said_somewhere() {
  std::set<std::string> keys, said;
  static const std::regex entry(R"(^WORD\((\w+),.*)"), use(R"(\bWord::(\w+))");
  for (const SourceFile& file : tree_)
    for (const std::string& line : file.lines) {
      std::smatch m;
      if (file.path == "widgets/words.inc" && std::regex_match(line, m, entry)) keys.insert(m[1]);
      for (std::sregex_iterator it(line.begin(), line.end(), use), end; it != end; ++it)
        if (is_source(file) || file.ends_with(".inc")) said.insert((*it)[1]);
    }
  for (const SourceFile& file : tree_)  // views.inc names a view's word without its enum
    if (file.path == "widgets/views/views.inc")
      for (const std::string& line : file.lines)
        for (const std::string& key : keys)
          if (line.find(key) != std::string::npos) said.insert(key);
  std::string faults;
  for (const std::string& key : keys)
    if (!said.contains(key)) faults += "widgets/words.inc: nobody says " + key + "\n";
  report(faults);
}

void TestHouse::shaders_have_a_head() {
  std::string faults;
  for (const SourceFile& file : tree_) {
    if (!file.ends_with(".comp") && !file.ends_with(".vert") && !file.ends_with(".frag")) continue;
    const std::string name = file.path.substr(file.path.rfind('/') + 1);
    const size_t first = !file.lines.empty() && file.lines[0].starts_with("#version");
    size_t last = first;
    while (last < file.lines.size() && file.lines[last].starts_with("//")) ++last;
    if (last == first || !file.lines[first].starts_with("// " + name))
      faults += file.place(0) + ": begins without \"// " + name + "\" and what it binds, works on and promises\n";
  }
  report(faults);
}

void TestHouse::no_machine_in_the_tree() {
  // Written in pieces, so that this file does not find itself.
  static const std::regex machine(std::string("(^|[^A-Za-z0-9_.])/(") + "work|farm|root|home/[a-z]+)/|/" +
                                  "w/[a-z]+/|/opt" + "/oracle");
  std::string faults;
  for (const SourceFile& file : tree_)
    for (size_t i = 0; i < file.lines.size(); ++i)
      if (std::regex_search(file.lines[i], machine))
        faults += file.place(i) + ": " + file.lines[i].substr(0, 120) + "\n";
  report(faults);
}

void TestHouse::nothing_is_left_for_later() {
  static const std::regex later(std::string("\\b(TO") + "DO|FIX" + "ME|X" + "XX)\\b");
  std::string faults;
  for (const SourceFile& file : tree_)
    for (size_t i = 0; i < file.lines.size(); ++i)
      if (is_source(file) && std::regex_search(file.lines[i], later))
        faults += file.place(i) + ": " + file.lines[i] + "\n";
  report(faults);
}

QTEST_APPLESS_MAIN(TestHouse)
#include "test_house.moc"
