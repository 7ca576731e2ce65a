// A square product of Eigen's, as Eigen does it alone: the rate that the engine's prefill is held against.
#include <Eigen/Core>

#define CUTAWAY_JOIN(a, b) a##b
#define CUTAWAY_NAME(level) CUTAWAY_JOIN(eigen_product_, level)

namespace cutaway {

/// c += a b, all (n, n), 64-byte aligned.
void CUTAWAY_NAME(CUTAWAY_LEVEL)(const float* a, const float* b, float* c, long n) {
  using Matrix = Eigen::Map<const Eigen::MatrixXf, Eigen::Aligned64>;
  Eigen::Map<Eigen::MatrixXf, Eigen::Aligned64>(c, n, n).noalias() += Matrix(a, n, n) * Matrix(b, n, n);
}

}  // namespace cutaway
