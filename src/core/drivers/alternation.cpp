#include "drivers/alternation.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "drivers/beta.hpp"
#include "drivers/half_step.hpp"
#include "drivers/products.hpp"
#include "drivers/storage.hpp"

namespace nonneg {

namespace {

template <class T> MatrixView<const T> constant(const MatrixView<T> &A) {
  return {A.data, A.rows, A.cols, A.stride};
}

// A sweep over a factor beside the other one's Gram matrix, in the precision of X.
template <class T> class SweepBeside {
public:
  SweepBeside(const SweptFactor<T> &factor, const int64_t *order)
      : factor_(factor), order_(order), k_(static_cast<int>(factor.rows.cols)),
        gram_(static_cast<size_t>(k_) * static_cast<size_t>(k_)),
        inverse_(static_cast<size_t>(k_)) {}

  Solve<T> beside(const double *gram) {
    for (size_t i = 0; i < gram_.size(); ++i)
      gram_[i] = static_cast<T>(gram[i] + factor_.Q[i]);
    for (size_t t = 0; t < inverse_.size(); ++t) {
      const T curvature = gram_[t * (inverse_.size() + 1)];
      // a subnormal curvature has an infinite reciprocal: too flat to step along
      inverse_[t] = curvature > std::numeric_limits<T>::min() ? 1 / curvature : T(0);
    }
    Solve<T> solve{};
    solve.sweep = {gram_.data(), inverse_.data(), factor_.l1, order_, k_};
    return solve;
  }

  RowArrays<T> rows() const { return {constant(factor_.rows), {}, factor_.rows, {}}; }

private:
  const SweptFactor<T> &factor_;
  const int64_t *order_;
  int k_;
  std::vector<T> gram_, inverse_;
};

template <class T>
bool write_sums(const Kernels<T> &K, const Alternation<T> &a, double *sums, Run run) {
  const bool inner_is_W = !a.outer_first;
  const SweptFactor<T> &W = inner_is_W ? a.inner : a.outer, &H = inner_is_W ? a.outer : a.inner;
  return column_sums(K, constant(W.rows), sums, run) &&
         column_sums(K, constant(H.rows), sums + W.rows.cols, run);
}

bool is_settled(double violation, double first, double tol, double rounding) {
  const double ratio = first != 0 ? violation / first : 0.0;
  return ratio <= tol || violation <= rounding;
}

} // namespace

template <class T>
bool repeat(const Kernels<T> &K, const Repetition<T> &r, Index &done, Run run) {
  for (done = 0; done < r.most;) {
    SolveSums sums;
    if (!solve(K, r.solve, r.rows, r.products, nullptr, nullptr, nullptr, sums, run))
      return false;
    r.violations[done++] = sums.violation;
    if (is_settled(sums.violation, r.first_violation, r.tol, r.rounding))
      break;
  }
  return true;
}

template <class T, class X>
bool alternate(const Kernels<T> &K, const X &x, const Alternation<T> &a, Index &done,
               Run run) {
  const Index k = a.inner.rows.cols, square = k * k;
  SweepBeside<T> inner(a.inner, a.order), outer(a.outer, a.order);
  SolveSums sums;
  const auto move_inner = [&] {
    FusedModel<T> model{{inner.beside(a.gram_outer), inner.rows(), 0}, constant(a.outer.rows),
                        a.rhs, a.gram_inner, nullptr, {}};
    if (!update(K, x, &model, 1, run))
      return false;
    sums = model.sums;
    return true;
  };
  const auto move_outer = [&] {
    sums = {};
    return solve(K, outer.beside(a.gram_inner), outer.rows(), constant(a.rhs), nullptr, nullptr,
                 nullptr, sums, run) &&
           gram(K, constant(a.outer.rows), a.gram_outer, run);
  };
  for (done = 0; done < a.most;) {
    if (!(a.outer_first ? move_outer() : move_inner()))
      return false;
    const double first = sums.violation;
    if (!(a.outer_first ? move_inner() : move_outer()))
      return false;
    const double violation = first + sums.violation;
    a.measures[2 * done] = violation;
    a.measures[2 * done + 1] = sums.cross;
    const double *const gram_W = a.outer_first ? a.gram_outer : a.gram_inner;
    const double *const gram_H = a.outer_first ? a.gram_inner : a.gram_outer;
    std::copy(gram_W, gram_W + square, a.grams + 2 * square * done);
    std::copy(gram_H, gram_H + square, a.grams + 2 * square * done + square);
    if (a.sums && !write_sums(K, a, a.sums + 2 * k * done, run))
      return false;
    ++done;
    if (is_settled(violation, a.first_violation, a.tol, a.rounding))
      break;
  }
  return true;
}

// ---- instances -------------------------------------------------------------------------

#define NONNEG_STORAGE(name, T, ...)                                                       \
  template bool alternate<T, __VA_ARGS__>(const Kernels<T> &, const __VA_ARGS__ &,         \
                                          const Alternation<T> &, Index &, Run);

#define NONNEG_DTYPE(T)                                                                    \
  template bool repeat<T>(const Kernels<T> &, const Repetition<T> &, Index &, Run);        \
  NONNEG_IN_MEMORY(NONNEG_STORAGE, T, MatrixView<const T>)

NONNEG_DTYPE(float)
NONNEG_DTYPE(double)

} // namespace nonneg
