// Live switches of the attention on the Vulkan device say what they say on the CPU, at once and in pieces.
#include <QtTest>

#include "engine/switch.h"
#include "tests/gpu/gpu_test.h"
#include "tests/support/variants.h"

namespace cutaway {

class TestSwitch : public QObject {
  Q_OBJECT

 public:
  explicit TestSwitch(std::vector<tests::Contender> contenders) : backend_(contenders.front().backend) {}

 private slots:
  void as_on_the_cpu_data() {
    QTest::addColumn<QString>("corner");
    QTest::addColumn<QString>("attention");
    for (const char* corner : {"gpt2-2x64x4", "llama-gqa", "mistral", "gemma2"})
      for (const char* attention : {"mha", "mqa", "mla:rank=7", "window:size=6"})
        QTest::addRow("%s %s", corner, attention) << corner << attention;
  }
  void as_on_the_cpu() {
    QFETCH(QString, corner);
    QFETCH(QString, attention);
    for (const Architecture& architecture : architectures())
      for (const ModelSpec& spec : architecture.corners()) {
        if (!spec.name.starts_with(corner.toStdString())) continue;
        const auto model = switch_attention(tests::random_model(spec), attention.toStdString());
        QVERIFY2(model, model ? "" : model.error().text.c_str());
        const auto ids = tests::random_ids(spec, 33);
        const Taps taps = tests::all_taps(*(*model)->graph);
        const auto want = tests::run(make_cpu_backend(1), *model, taps, ids, (*model)->spec.masks);
        QVERIFY(want);
        for (int64_t piece : {0, 7, 1}) {
          const auto got = tests::run(backend_, *model, taps, ids, (*model)->spec.masks, piece);
          if (!got && got.error().fault == Fault::Machine) QSKIP(got.error().text.c_str());
          QVERIFY2(got, got ? "" : got.error().text.c_str());
          QVERIFY(tests::difference(got->logits, want->logits) <= 1e-4);
          for (const auto& [path, rows] : want->rows)
            QVERIFY2(tests::difference(got->rows.at(path), rows) <= 1e-4, path.c_str());
        }
      }
  }

 private:
  std::shared_ptr<Backend> backend_;
};

}  // namespace cutaway

int main(int argc, char** argv) { return cutaway::run_on_device<cutaway::TestSwitch>(argc, argv); }
#include "test_switch.moc"
