// The arrays of an extrapolated fit, which take turns, its momentum and when it has converged: what
// solvers/steps/momentum.py does between two iterations, for those of one call.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "drivers/run.hpp"
#include "kernels/interface.hpp"

namespace nonneg {

// The three arrays of a factor, and what is in them, by their numbers: the start of the next solve,
// the plain iterate, the best one; then where the last solve went, before and after extrapolation.
template <class T> struct TurningRows {
  MatrixView<T> arrays[3];
  int64_t *roles; // start, plain, best, solved, moved
};

// Numbers that iterations hand on.
struct MomentumState {
  double momentum, cap, last, best;
  double pause, quiet, n_iter; // whole numbers
};

// How the momentum goes, and when a fit has converged; see solvers/steps/momentum.py.
struct MomentumRule {
  double growth, cap_growth, shrinkage;
  double tol, nearly, least_decrease;
  int64_t pause, reset; // iterations of a pause; every so many go without momentum, 0: none
};

template <class T> struct Turns {
  TurningRows<T> W, H;
  MomentumState *state;
  uint8_t *restarts;          // of the last n_recent iterations
  double *decreases, *values; // of the last n_settled iterations
  Index n_recent, n_settled;
  MomentumRule rule;
};

enum Role { kStart, kPlain, kBest, kSolved, kMoved };

template <class T> MatrixView<const T> constant(const MatrixView<T> &A) {
  return {A.data, A.rows, A.cols, A.stride};
}

template <class T> const MatrixView<T> &array_of(const TurningRows<T> &A, Role role) {
  return A.arrays[A.roles[role]];
}

// The next solve writes over no array that it reads later, and not over the best one.
template <class T> RowArrays<T> arrays_of_solve(const TurningRows<T> &A) {
  int64_t *const roles = A.roles;
  const auto other_than = [](int64_t a, int64_t b, int64_t c) {
    int64_t i = 0;
    while (i == a || i == b || i == c)
      ++i;
    return i;
  };
  const bool is_taken = roles[kStart] == roles[kBest] || roles[kStart] == roles[kPlain];
  roles[kSolved] = is_taken ? other_than(roles[kStart], roles[kPlain], roles[kBest]) : roles[kStart];
  roles[kMoved] = roles[kPlain] == roles[kBest]
                      ? other_than(roles[kSolved], roles[kBest], roles[kBest])
                      : roles[kPlain];
  return {constant(array_of(A, kStart)), constant(array_of(A, kPlain)), array_of(A, kSolved),
          array_of(A, kMoved)};
}

// The sum of a[i] b[i] in NumPy's order, so that restarts are the same ones.
template <class T> double pairwise(const T *a, const T *b, Index n) {
  const auto term = [a, b](Index i) { return static_cast<double>(a[i]) * static_cast<double>(b[i]); };
  if (n < 8) {
    double sum = 0;
    for (Index i = 0; i < n; ++i)
      sum += term(i);
    return sum;
  }
  if (n > 128) {
    Index half = n / 2;
    half -= half % 8;
    return pairwise(a, b, half) + pairwise(a + half, b + half, n - half);
  }
  double r[8];
  for (int j = 0; j < 8; ++j)
    r[j] = term(j);
  Index i = 8;
  for (; i < n - n % 8; i += 8)
    for (int j = 0; j < 8; ++j)
      r[j] += term(i + j);
  double sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
  for (; i < n; ++i)
    sum += term(i);
  return sum;
}

// Sets where the next iteration starts; returns whether it is a restart.
template <class T> bool accept(const Turns<T> &t, double objective, double decrease) {
  MomentumState &s = *t.state;
  int64_t *const W = t.W.roles, *const H = t.H.roles;
  const Index n_iter = static_cast<Index>(s.n_iter);
  t.decreases[n_iter % t.n_settled] = decrease;
  const bool restart = objective > s.last;
  s.last = objective;
  t.restarts[n_iter % t.n_recent] = restart;
  const bool is_best = objective <= s.best;
  if (is_best)
    s.best = objective;
  const int64_t best_W = is_best ? W[kMoved] : W[kBest], best_H = is_best ? H[kSolved] : H[kBest];
  W[kStart] = W[kMoved];
  W[kPlain] = restart ? W[kMoved] : W[kSolved];
  H[kStart] = restart ? H[kSolved] : H[kMoved];
  H[kPlain] = H[kSolved];
  W[kBest] = best_W;
  H[kBest] = best_H;
  if (restart) {
    s.cap = s.momentum;
    s.momentum /= t.rule.shrinkage;
    if (std::count(t.restarts, t.restarts + t.n_recent, 1) > t.n_recent / 2) {
      s.pause = static_cast<double>(t.rule.pause);
      std::fill_n(t.restarts, t.n_recent, 0);
    }
  } else {
    s.momentum = std::min(s.cap, t.rule.growth * s.momentum);
    s.cap = std::min(1.0, t.rule.cap_growth * s.cap);
  }
  return restart;
}

// Whether the fit has converged; ends the iteration.
template <class T> bool is_settled(const Turns<T> &t, double residual, bool restart) {
  MomentumState &s = *t.state;
  if (s.n_iter == 0 && !std::isfinite(t.values[0]))
    std::fill_n(t.values, t.n_settled, s.best); // the objective at the start is not known
  const Index slot = static_cast<Index>(s.n_iter) % t.n_settled;
  const double gained = t.values[slot] - s.best;
  t.values[slot] = s.best;
  s.n_iter += 1;
  if (t.rule.tol == 0)
    return false;
  s.quiet = residual <= t.rule.tol && !restart ? s.quiet + 1 : 0;
  const double least = t.rule.least_decrease * s.best;
  double sum = 0;
  for (Index i = 0; i < t.n_settled; ++i)
    sum += t.decreases[i];
  const bool still = sum <= least && gained <= least;
  const bool slow = gained <= t.rule.nearly * t.rule.tol * s.best;
  return (s.quiet >= 2 && slow) || still;
}

} // namespace nonneg
