// The quadratic model of a row, minimised over non-negative rows by coordinate sweeps: a row in
// each lane of the vectors.
#pragma once

#include "kernels/irls_interface.hpp"
#include "kernels/simd.hpp"

namespace nonneg::NONNEG_ISA {

// Sweeps over a model at most; a row is done when one decreases the model by at most this share of
// what its first one did: the model changes with the next step (D-IRLS-SWEEPS).
constexpr int kModelSweeps = 16;
constexpr double kModelSettled = 0.01;

// The place of the pair (t, u), t <= u < k, among all pairs.
NONNEG_INLINE Index pair_of(int k, int t, int u) {
  return static_cast<Index>(t) * k - static_cast<Index>(t) * (t - 1) / 2 + (u - t);
}
NONNEG_INLINE Index pairs_of(int k) { return static_cast<Index>(k) * (k + 1) / 2; }

// Vectors of as many rows as there are lanes.
template <class T> struct ModelLanes {
  T *start, *row, *slope; // k vectors: the row before, the one moved, the model's gradient there
  T *inverse;             // k vectors: of the diagonal, 0 where it is
  T *hessian;             // k x k

  static NONNEG_INLINE_MEMBER Index numbers(int k) {
    return kLanes<T> * (4 * static_cast<Index>(k) + static_cast<Index>(k) * k);
  }
  static NONNEG_INLINE_MEMBER ModelLanes cut(T *memory, int k) {
    const Index n = static_cast<Index>(kLanes<T>) * k;
    return {memory, memory + n, memory + 2 * n, memory + 3 * n, memory + 4 * n};
  }
};

// Rows `from` on of a block, n_rows of them: rows of k numbers, their gradients, and their Hessians by
// pairs, `stride` apart. The penalties come on top.
template <class T>
static void gather_models(const Irls<T> &options, const T *rows, const T *gradients,
                          const T *hessians, Index stride, int n_rows, const ModelLanes<T> &m) {
  constexpr int L = kLanes<T>;
  const int k = options.k;
  for (int r = 0; r < L; ++r) {
    const int from = r < n_rows ? r : 0; // lanes behind the rows repeat the first one
    const T *const row = rows + static_cast<Index>(from) * k, *const g = gradients + static_cast<Index>(from) * k;
    const T *const pair = hessians + from * stride;
    for (int t = 0; t < k; ++t) {
      m.start[t * L + r] = m.row[t * L + r] = row[t];
      m.slope[t * L + r] = g[t] + options.l1[t] + options.l2[t] * row[t];
      for (int u = t; u < k; ++u) {
        const T h = pair[pair_of(k, t, u)] + (u == t ? options.l2[t] : T(0));
        m.hessian[(t * k + u) * L + r] = m.hessian[(u * k + t) * L + r] = h;
        if (u == t)
          m.inverse[t * L + r] = h > T(0) ? T(1) / h : T(0);
      }
    }
  }
}

// One sweep over the rows that are alive (1, else 0); returns twice the decrease of their models at
// least. Without curvature the model is linear: an entry becomes 0, or stays.
template <class T> NONNEG_INLINE Vec<T> sweep_models(int k, const ModelLanes<T> &m, Vec<T> alive) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  const V zero = fill<V>(T(0));
  V decrease = zero;
  for (int t = 0; t < k; ++t) {
    const T *const line = m.hessian + static_cast<Index>(t) * k * L;
    const V before = load<V>(m.row + t * L), slope = load<V>(m.slope + t * L);
    const V bend = load<V>(line + t * L);
    const V step = bend > zero ? slope * load<V>(m.inverse + t * L) : (slope > zero ? before : zero);
    const V there = before - step;
    const V d = alive * ((there > zero ? there : zero) - before);
    store(m.row + t * L, before + d);
    for (int u = 0; u < k; ++u)
      store(m.slope + u * L, load<V>(m.slope + u * L) + d * load<V>(line + u * L));
    decrease += (d * d) * bend;
  }
  return decrease;
}

// Each row by itself, as if there were no others.
template <class T> static void minimise_models(int k, const ModelLanes<T> &m) {
  using V = Vec<T>;
  const V one = fill<V>(T(1)), zero = fill<V>(T(0));
  V alive = one, enough = zero;
  for (int number = 0; number < kModelSweeps; ++number) {
    const V decrease = sweep_models(k, m, alive);
    if (number == 0)
      enough = decrease * fill<V>(static_cast<T>(kModelSettled));
    alive = decrease > enough ? alive : zero;
    if (sum_lanes<T>(alive) == 0)
      break;
  }
}

} // namespace nonneg::NONNEG_ISA
