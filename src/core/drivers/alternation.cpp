#include "drivers/alternation.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>
#include <vector>

#include "drivers/beta.hpp"
#include "drivers/half_step.hpp"
#include "drivers/lane_moves.hpp"
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

// Half-steps by passes over X.
template <class T, class X> class PassMoves {
public:
  PassMoves(const Kernels<T> &K, const X &x, const Alternation<T> &a, Run run)
      : K_(K), x_(x), a_(a), run_(run) {}

  bool inner(const Solve<T> &solve, SolveSums &sums) {
    FusedModel<T> model{{solve, rows_of(a_.inner), 0}, constant(a_.outer.rows), a_.rhs,
                        a_.gram_inner, nullptr, {}};
    if (!update(K_, x_, &model, 1, run_))
      return false;
    sums = model.sums;
    return true;
  }

  bool outer(const Solve<T> &s, SolveSums &sums) {
    return solve(K_, s, rows_of(a_.outer), constant(a_.rhs), nullptr, nullptr, nullptr, sums,
                 run_) &&
           gram(K_, constant(a_.outer.rows), a_.gram_outer, run_);
  }

  void write_factors() {}

private:
  static RowArrays<T> rows_of(const SweptFactor<T> &factor) {
    return {constant(factor.rows), {}, factor.rows, {}};
  }

  const Kernels<T> &K_;
  const X &x_;
  const Alternation<T> &a_;
  Run run_;
};

// Alternates between the factors until the rule says so. The factors and a.rhs are written at last,
// or in each iteration where their sums are wanted.
template <class T, class Moves>
bool iterate(const Kernels<T> &K, const Alternation<T> &a, Moves &moves, Index &done, Run run) {
  const Index k = a.inner.rows.cols, square = k * k;
  SweepBeside<T> inner(a.inner, a.order), outer(a.outer, a.order);
  SolveSums sums;
  const auto move = [&](bool is_outer) {
    sums = {};
    return is_outer ? moves.outer(outer.beside(a.gram_inner), sums)
                    : moves.inner(inner.beside(a.gram_outer), sums);
  };
  for (done = 0; done < a.most;) {
    if (!move(a.outer_first))
      return false;
    const double first = sums.violation;
    if (!move(!a.outer_first))
      return false;
    const double violation = first + sums.violation;
    a.measures[2 * done] = violation;
    a.measures[2 * done + 1] = sums.cross;
    const double *const gram_W = a.outer_first ? a.gram_outer : a.gram_inner;
    const double *const gram_H = a.outer_first ? a.gram_inner : a.gram_outer;
    std::copy(gram_W, gram_W + square, a.grams + 2 * square * done);
    std::copy(gram_H, gram_H + square, a.grams + 2 * square * done + square);
    if (a.sums) {
      moves.write_factors();
      if (!write_sums(K, a, a.sums + 2 * k * done, run))
        return false;
    }
    ++done;
    if (is_settled(violation, a.first_violation, a.tol, a.rounding))
      break;
  }
  moves.write_factors();
  return true;
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
  if constexpr (std::is_same_v<X, MatrixView<const T>>)
    if (fits_in_lanes(K, x, a)) {
      LaneMoves<T> moves(K, x, a);
      return iterate(K, a, moves, done, run);
    }
  PassMoves<T, X> moves(K, x, a, run);
  return iterate(K, a, moves, done, run);
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
