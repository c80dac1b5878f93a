// Coordinate sweep with rows in SIMD lanes: a tile of rows is turned to one vector per
// coordinate, so that neither the dot products over k nor the clipping need a reduction.
#pragma once

#include "kernels/simd.hpp"
#include "kernels/solve_interface.hpp"

namespace nonneg::NONNEG_ISA {

// Rows per tile: four vectors share each load of the Gram matrix.
constexpr int kTileVectors = 4;
template <class T> constexpr int kTileRows = kTileVectors * kLanes<T>;

// Copies W rows of k numbers to W lanes of k vectors (tile rows are `lanes` apart), or back.
// Needs k >= W: the last W columns overlap the ones before, and hold the same numbers.
template <int W, class T>
NONNEG_INLINE void turn_rows(const T *rows, Index stride, int k, T *tile, int lanes) {
  using V = typename VectorOf<T, W>::type;
  for (int c = 0; c < k; c += W) {
    const int column = smaller(c, k - W);
    V v[W];
    unroll<W>([&](auto i) NONNEG_LAMBDA { v[i] = load<V>(rows + i * stride + column); });
    transpose<W>(v);
    unroll<W>([&](auto i) NONNEG_LAMBDA { store(tile + (column + i) * lanes, v[i]); });
  }
}

template <int W, class T>
NONNEG_INLINE void turn_back(const T *tile, int lanes, int k, T *rows, Index stride) {
  using V = typename VectorOf<T, W>::type;
  for (int c = 0; c < k; c += W) {
    const int column = smaller(c, k - W);
    V v[W];
    unroll<W>([&](auto i) NONNEG_LAMBDA { v[i] = load<V>(tile + (column + i) * lanes); });
    transpose<W>(v);
    unroll<W>([&](auto i) NONNEG_LAMBDA { store(rows + i * stride + column, v[i]); });
  }
}

// The widest turning that k allows; n rows (at most `lanes`), missing ones are zero.
template <class T>
static void load_tile(const T *rows, Index stride, Index n, int k, T *tile, int lanes) {
  constexpr int W = kLanes<T>;
  Index i = 0;
  if (k >= W)
    for (; i + W <= n; i += W)
      turn_rows<W>(rows + i * stride, stride, k, tile + i, lanes);
  else if constexpr (W >= 4) {
    if (k >= W / 2)
      for (; i + W / 2 <= n; i += W / 2)
        turn_rows<W / 2>(rows + i * stride, stride, k, tile + i, lanes);
  }
  for (; i < n; ++i)
    for (int t = 0; t < k; ++t)
      tile[t * lanes + i] = rows[i * stride + t];
  if (n < lanes)
    for (int t = 0; t < k; ++t)
      for (Index j = n; j < lanes; ++j)
        tile[t * lanes + j] = 0;
}

template <class T>
static void store_tile(const T *tile, int lanes, Index n, int k, T *rows, Index stride) {
  constexpr int W = kLanes<T>;
  Index i = 0;
  if (k >= W)
    for (; i + W <= n; i += W)
      turn_back<W>(tile + i, lanes, k, rows + i * stride, stride);
  else if constexpr (W >= 4) {
    if (k >= W / 2)
      for (; i + W / 2 <= n; i += W / 2)
        turn_back<W / 2>(tile + i, lanes, k, rows + i * stride, stride);
  }
  for (; i < n; ++i)
    for (int t = 0; t < k; ++t)
      rows[i * stride + t] = tile[t * lanes + i];
}

// Sweeps a turned tile of R vectors of rows. The dot product runs in two halves, to
// keep both multiply-add units busy; a row's arithmetic does not depend on R.
template <class T, int R>
static void sweep_tile(const Sweep<T> &s, T *a, const T *p, SolveSums &sums) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>, B = R * L;
  const V zero = fill<V>(T(0));
  const int k = s.k;
  V violation[R];
  unroll<R>([&](auto v) NONNEG_LAMBDA { violation[v] = zero; });
  for (int c = 0; c < k; ++c) {
    const int t = static_cast<int>(s.order[c]);
    const T *g = s.gram + static_cast<Index>(t) * k;
    const V l1 = fill<V>(s.l1[t]);
    V even[R], odd[R];
    unroll<R>([&](auto v) NONNEG_LAMBDA {
      even[v] = l1 - load<V>(p + t * B + v * L);
      odd[v] = zero;
    });
    int r = 0;
    for (; r + 1 < k; r += 2) {
      const V g0 = fill<V>(g[r]), g1 = fill<V>(g[r + 1]);
      unroll<R>([&](auto v) NONNEG_LAMBDA {
        even[v] += g0 * load<V>(a + r * B + v * L);
        odd[v] += g1 * load<V>(a + (r + 1) * B + v * L);
      });
    }
    if (r < k) {
      const V g0 = fill<V>(g[r]);
      unroll<R>([&](auto v) NONNEG_LAMBDA { even[v] += g0 * load<V>(a + r * B + v * L); });
    }
    const V inverse = fill<V>(s.inverse[t]);
    const bool curved = s.inverse[t] > 0;
    unroll<R>([&](auto v) NONNEG_LAMBDA {
      const V gradient = even[v] + odd[v];
      const V old = load<V>(a + t * B + v * L);
      const V clipped = gradient < zero ? gradient : zero;
      const V projected = old > zero ? gradient : clipped;
      violation[v] += projected < zero ? -projected : projected;
      const V moved = old - gradient * inverse;
      if (curved)
        store(a + t * B + v * L, moved > zero ? moved : zero);
    });
  }
  unroll<R>([&](auto v) NONNEG_LAMBDA { sums.violation += sum_lanes<T>(violation[v]); });
  double cross = 0;
  for (Index i = 0; i < static_cast<Index>(k) * B; i += L) {
    using W = typename VectorOf<double, L>::type;
    cross += sum_lanes<double>(__builtin_convertvector(load<V>(p + i), W) *
                               __builtin_convertvector(load<V>(a + i), W));
  }
  sums.cross += cross;
}

// Numbers of scratch that sweep_rows needs.
template <class T> NONNEG_INLINE size_t sweep_scratch(int k) {
  return 2 * static_cast<size_t>(k) * kTileRows<T>;
}

template <class T, int R>
NONNEG_INLINE void sweep_some(const Sweep<T> &s, MatrixView<T> A, MatrixView<const T> P,
                              Index first, Index n, SolveSums &sums, T *scratch) {
  constexpr int B = R * kLanes<T>;
  T *a = scratch, *p = scratch + static_cast<Index>(s.k) * B;
  load_tile(A.data + first * A.stride, A.stride, n, s.k, a, B);
  load_tile(P.data + first * P.stride, P.stride, n, s.k, p, B);
  sweep_tile<T, R>(s, a, p, sums);
  store_tile(a, B, n, s.k, A.data + first * A.stride, A.stride);
}

template <class T>
static void sweep_rows(const Sweep<T> &s, MatrixView<T> A, MatrixView<const T> P,
                       SolveSums &sums, T *scratch) {
  constexpr int B = kTileRows<T>, L = kLanes<T>;
  Index i = 0;
  for (; i + B <= A.rows; i += B)
    sweep_some<T, kTileVectors>(s, A, P, i, B, sums, scratch);
  if (constexpr Index H = 2 * L; i + H <= A.rows) {
    sweep_some<T, 2>(s, A, P, i, H, sums, scratch);
    i += H;
  }
  for (; i < A.rows; i += L)
    sweep_some<T, 1>(s, A, P, i, smaller<Index>(L, A.rows - i), sums, scratch);
}

} // namespace nonneg::NONNEG_ISA
