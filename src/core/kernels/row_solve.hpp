// One row by its own Gram matrix: coordinate sweeps with the gradient kept up to date, and the
// exact solution by block principal pivoting (Kim and Park 2011, doi:10.1137/110821172).
#pragma once

#include "kernels/row_gram.hpp"
#include "kernels/simd.hpp"

namespace nonneg::NONNEG_ISA {

constexpr int kRowLoops = 20;         // exchanges of an exact row, plus k / 4
constexpr int kRowFullExchanges = 3;  // without progress, before single exchanges
constexpr double kRowPivot = 1e-13;   // a pivot below this share of its diagonal is none

// A problem 1/2 a G a' - q a' over a >= 0 and its state; arrays of `width` numbers.
template <class A> struct OwnRow {
  const A *G;
  const A *q;
  A *a, *g; // the row, and its gradient G a - q
  int k, width;
};

template <class A> NONNEG_INLINE void add_column(const OwnRow<A> &row, int t, A step) {
  using V = Vec<A>;
  constexpr int L = kLanes<A>;
  const V d = fill<V>(step);
  const A *const column = row.G + static_cast<Index>(t) * row.width;
  for (int s = 0; s < row.k; s += L)
    store(row.g + s, load<V>(row.g + s) + d * load<V>(column + s));
}

template <class A> NONNEG_INLINE A gradient_of(const OwnRow<A> &row, int t) { return row.g[t]; }

template <class A> NONNEG_INLINE A curvature_of(const OwnRow<A> &row, int t) {
  return row.G[static_cast<Index>(t) * row.width + t];
}

template <class A> NONNEG_INLINE void set_gradient(const OwnRow<A> &row) {
  for (int t = 0; t < row.width; ++t)
    row.g[t] = -row.q[t];
  for (int t = 0; t < row.k; ++t)
    if (row.a[t] != A(0))
      add_column(row, t, row.a[t]);
}

// Brings the gradient up to date after sweeps, which keep it so.
template <class A> NONNEG_INLINE void close_sweeps(const OwnRow<A> &) {}

struct RowSweep {
  double squares = 0, violation = 0, decrease = 0;
};

// One sweep over the coordinates in their order; `squares`, if any, gets the squared projected
// gradient of each, just before its step. A row is an `OwnRow` or a `FittedRow`.
template <class Row, class A>
NONNEG_INLINE RowSweep sweep_row(const Row &row, const int64_t *order, A least,
                                 double *squares = nullptr) {
  RowSweep done;
  for (int c = 0; c < row.k; ++c) {
    const int t = static_cast<int>(order[c]);
    const A gradient = gradient_of(row, t), old = row.a[t], curvature = curvature_of(row, t);
    const A projected = old > A(0) || gradient < A(0) ? gradient : A(0);
    done.violation += static_cast<double>(projected < A(0) ? -projected : projected);
    if (squares)
      squares[t] += static_cast<double>(projected) * static_cast<double>(projected);
    if (!(curvature > least))
      continue;
    A moved = old - gradient / curvature;
    moved = moved > A(0) ? moved : A(0);
    const A step = moved - old;
    if (step == A(0))
      continue;
    row.a[t] = moved;
    done.squares += static_cast<double>(step) * static_cast<double>(step);
    done.decrease -= static_cast<double>(step) *
                     (static_cast<double>(gradient) + 0.5 * static_cast<double>(curvature) *
                                                          static_cast<double>(step));
    add_column(row, t, step);
  }
  return done;
}

// Memory of an exact row, in float64.
struct RowPivot {
  double *factor;  // rows of L D, width apart
  double *scaled, *inverse, *z, *unit;
  int64_t *list, *passive;
};

NONNEG_INLINE double row_dot(const double *a, const double *b, int n) {
  using V = Vec<double>;
  constexpr int L = kLanes<double>;
  V sum = fill<V>(0.0);
  int i = 0;
  for (; i + L <= n; i += L)
    sum += load<V>(a + i) * load<V>(b + i);
  double total = sum_lanes<double>(sum);
  for (; i < n; ++i)
    total += a[i] * b[i];
  return total;
}

// z = G[F,F]^-1 q[F] for the listed coordinates; false where they are dependent.
static bool solve_listed(const OwnRow<double> &row, int n, const RowPivot &p) {
  for (int i = 0; i < n; ++i) {
    const double *const g = row.G + p.list[i] * row.width;
    double *const now = p.factor + static_cast<Index>(i) * row.width;
    double pivot = g[p.list[i]];
    const double smallest = kRowPivot * pivot;
    double sum = row.q[p.list[i]];
    for (int j = 0; j < i; ++j) {
      const double *const before = p.factor + static_cast<Index>(j) * row.width;
      const double entry = g[p.list[j]] - row_dot(before, p.scaled, j);
      now[j] = entry;
      p.scaled[j] = entry * p.inverse[j];
      pivot -= entry * p.scaled[j];
      sum -= p.scaled[j] * p.z[j];
    }
    if (!(pivot > smallest) || !(pivot > 0))
      return false;
    p.inverse[i] = 1 / pivot;
    p.z[i] = sum;
  }
  for (int j = n - 1; j >= 0; --j) {
    const double *const now = p.factor + static_cast<Index>(j) * row.width;
    p.z[j] *= p.inverse[j];
    for (int i = 0; i < j; ++i)
      p.z[i] -= now[i] * p.z[j];
  }
  return true;
}

// The exact row, from the passive set of its positive entries; false where pivoting goes
// round or the Gram matrix has no full rank.
static bool pivot_row(const OwnRow<double> &row, const RowPivot &p, double tolerance,
                      double &factorizations) {
  const int k = row.k;
  for (int t = 0; t < k; ++t) {
    const double d = row.G[static_cast<Index>(t) * row.width + t];
    p.unit[t] = d > 0 ? 1 / __builtin_sqrt(d) : 0;
    p.passive[t] = row.a[t] > 0 && d > 0;
  }
  int fewest = k + 1, chances = kRowFullExchanges;
  for (int loop = 0; loop < kRowLoops + k / 4; ++loop) {
    int n = 0;
    for (int t = 0; t < k; ++t)
      if (p.passive[t])
        p.list[n++] = t;
    factorizations += 1;
    if (!solve_listed(row, n, p))
      return false;
    for (int t = 0; t < row.width; ++t)
      row.a[t] = 0;
    for (int i = 0; i < n; ++i)
      row.a[p.list[i]] = p.z[i];
    set_gradient(row);
    // signs count in the scale of unit diagonals
    double scale = 0;
    for (int t = 0; t < k; ++t) {
      const double q = row.q[t] * p.unit[t];
      scale = larger(scale, q < 0 ? -q : q);
    }
    int wrong = 0, last = -1;
    for (int t = 0; t < k; ++t) {
      const bool out = p.passive[t] ? row.a[t] < -tolerance * scale * p.unit[t]
                                    : row.g[t] * p.unit[t] < -tolerance * scale && p.unit[t] > 0;
      p.list[t] = out;
      wrong += out;
      last = out ? t : last;
    }
    if (wrong == 0) {
      for (int t = 0; t < k; ++t)
        row.a[t] = row.a[t] > 0 ? row.a[t] : 0;
      return true;
    }
    bool all = true;
    if (wrong < fewest) {
      fewest = wrong;
      chances = kRowFullExchanges;
    } else if (chances > 0) {
      --chances;
    } else {
      all = false;
    }
    for (int t = 0; t < k; ++t)
      if (p.list[t] && (all || t == last))
        p.passive[t] = !p.passive[t];
  }
  return false;
}

} // namespace nonneg::NONNEG_ISA
