// The program against other people's answers: tests/goldens (Hugging Face transformers, nanoGPT's body) and, where it
// is,
// ../shared/data (minGPT's gpt-nano, which sorts letters).
#pragma once

#include <QObject>

#include "tests/support/variants.h"

namespace cutaway::tests {

class TestGoldens : public QObject {
  Q_OBJECT

 public:
  explicit TestGoldens(std::vector<Contender> contenders) : contenders_(std::move(contenders)) {}

 private slots:
  void three_of_every_model_type();
  void whole_data() { folders(); }
  void whole();
  void token_by_token_data() { folders(); }
  void token_by_token();
  void bundled_data();
  void bundled();
  void gpt_nano_activations();
  void gpt_nano_sorts_everything();

 private:
  void folders();
  /// Runs the row's model in pieces and compares every tensor of its golden file.
  void hold_against_golden(int64_t piece);

  std::vector<Contender> contenders_;
};

}  // namespace cutaway::tests
