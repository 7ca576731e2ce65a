// The laws that every architecture keeps on every back end, as one table: architectures() x corners() x back ends. A
// new architecture is tested the day it is listed.
#pragma once

#include <QObject>

#include <vector>

#include "tests/support/run.h"

namespace cutaway::tests {

/// A back end and how far from the interpreter in double precision it may be (spec/dense.md 10.4).
struct Contender {
  std::shared_ptr<Backend> backend;
  double hidden = 2e-5, logits = 1e-4, probs = 1e-5;
};

class TestVariants : public QObject {
  Q_OBJECT

 public:
  explicit TestVariants(std::vector<Contender> contenders) : contenders_(std::move(contenders)) {}

 private slots:
  /// Makes the row's model, or skips where the back end refuses its graph as a machine's limit.
  void init();
  void agrees_with_the_interpreter_data() { variants(); }
  void agrees_with_the_interpreter();
  void agrees_at_every_length_data() { variants(); }
  void agrees_at_every_length();
  void d02_cached_equals_uncached_data() { variants(); }
  void d02_cached_equals_uncached();
  void d03_the_past_does_not_see_the_future_data() { variants(); }
  void d03_the_past_does_not_see_the_future();
  void bidirectional_rows_see_everything_data() { variants(); }
  void bidirectional_rows_see_everything();
  void d04_rows_of_probs_sum_to_one_data() { variants(); }
  void d04_rows_of_probs_sum_to_one();
  void equal_masks_give_equal_bits_data() { variants(); }
  void equal_masks_give_equal_bits();
  void unequal_masks_give_unequal_logits_data() { variants(); }
  void unequal_masks_give_unequal_logits();
  void forking_the_cache_changes_nothing_behind_data() { variants(); }
  void forking_the_cache_changes_nothing_behind();
  void a_tap_costs_nothing_but_its_record_data() { variants(); }
  void a_tap_costs_nothing_but_its_record();
  void taps_change_no_bit_data() { variants(); }
  void taps_change_no_bit();

 private:
  struct Variant {
    ModelPtr model;
    Contender on;
    bool cached = false;  // keys and values are kept from step to step
  };
  void variants();
  const Variant& fetch() const { return variant_; }
  /// Fails the running test when a run differs from the interpreter by more than the back end may.
  void hold_against_interpreter(const Variant&, const std::vector<MaskRule>&, int64_t tokens);

  std::vector<Contender> contenders_;
  Variant variant_;
};

}  // namespace cutaway::tests
