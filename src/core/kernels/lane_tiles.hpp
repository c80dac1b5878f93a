// Tiles of rows in SIMD lanes: the rows of a factor turned to one vector per coordinate, and back.
#pragma once

#include "kernels/simd.hpp"
#include "kernels/views.hpp"

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

// Turnings are as narrow as 8 bytes; rows of fewer numbers are copied one by one.
template <class T, int W> constexpr bool kTurnsNarrower = sizeof(T) * W > 8;

// n < W rows; the others are zero.
template <int W, class T>
NONNEG_INLINE void turn_some(const T *rows, Index stride, Index n, int k, T *tile, int lanes) {
  using V = typename VectorOf<T, W>::type;
  for (int c = 0; c < k; c += W) {
    const int column = smaller(c, k - W);
    V v[W];
    unroll<W>([&](auto i) NONNEG_LAMBDA {
      v[i] = fill<V>(T(0));
      if (i < n)
        v[i] = load<V>(rows + i * stride + column);
    });
    transpose<W>(v);
    unroll<W>([&](auto i) NONNEG_LAMBDA { store(tile + (column + i) * lanes, v[i]); });
  }
}

template <int W, class T>
NONNEG_INLINE void turn_some_back(const T *tile, int lanes, Index n, int k, T *rows,
                                  Index stride) {
  using V = typename VectorOf<T, W>::type;
  for (int c = 0; c < k; c += W) {
    const int column = smaller(c, k - W);
    V v[W];
    unroll<W>([&](auto i) NONNEG_LAMBDA { v[i] = load<V>(tile + (column + i) * lanes); });
    transpose<W>(v);
    unroll<W>([&](auto i) NONNEG_LAMBDA {
      if (i < n)
        store(rows + i * stride + column, v[i]);
    });
  }
}

template <int W, class T>
NONNEG_INLINE void load_turned(const T *rows, Index stride, Index n, int k, T *tile, int lanes) {
  using V = typename VectorOf<T, W>::type;
  Index i = 0;
  if (k >= W) {
    for (; i + W <= n; i += W)
      turn_rows<W>(rows + i * stride, stride, k, tile + i, lanes);
    if (i < n) {
      turn_some<W>(rows + i * stride, stride, n - i, k, tile + i, lanes);
      i += W;
    }
    for (; i < lanes; i += W)
      for (int t = 0; t < k; ++t)
        store(tile + t * lanes + i, fill<V>(T(0)));
  } else if constexpr (kTurnsNarrower<T, W>) {
    load_turned<W / 2>(rows, stride, n, k, tile, lanes);
  } else {
    for (; i < n; ++i)
      for (int t = 0; t < k; ++t)
        tile[t * lanes + i] = rows[i * stride + t];
    for (; i < lanes; ++i)
      for (int t = 0; t < k; ++t)
        tile[t * lanes + i] = 0;
  }
}

// The widest turning that k allows; n rows (at most `lanes`), missing ones are zero.
template <class T>
static void load_tile(const T *rows, Index stride, Index n, int k, T *tile, int lanes) {
  load_turned<kLanes<T>>(rows, stride, n, k, tile, lanes);
}

template <int W, class T>
NONNEG_INLINE void store_turned(const T *tile, int lanes, Index n, int k, T *rows, Index stride) {
  Index i = 0;
  if (k >= W) {
    for (; i + W <= n; i += W)
      turn_back<W>(tile + i, lanes, k, rows + i * stride, stride);
    if (i < n)
      turn_some_back<W>(tile + i, lanes, n - i, k, rows + i * stride, stride);
  } else if constexpr (kTurnsNarrower<T, W>) {
    store_turned<W / 2>(tile, lanes, n, k, rows, stride);
  } else {
    for (; i < n; ++i)
      for (int t = 0; t < k; ++t)
        rows[i * stride + t] = tile[t * lanes + i];
  }
}

template <class T>
static void store_tile(const T *tile, int lanes, Index n, int k, T *rows, Index stride) {
  store_turned<kLanes<T>>(tile, lanes, n, k, rows, stride);
}

// Calls f(vectors, first, n) for each tile of the rows, `vectors` a compile-time constant;
// returns how many rows the tiles have, those that fill up the last one among them. Tiles of few
// vectors wait for their own results: no more of them than there must be (D-CORE-LAST-TILE).
template <class T, class F> NONNEG_INLINE Index for_tiles(Index n_rows, F f) {
  constexpr Index B = kTileRows<T>, L = kLanes<T>, H = 2 * L;
  Index i = 0;
  for (; i + B <= n_rows; i += B)
    f(std::integral_constant<int, kTileVectors>{}, i, B);
  if (i + B - L < n_rows) {
    f(std::integral_constant<int, kTileVectors>{}, i, n_rows - i);
    i += B;
  } else if (i + L < n_rows) {
    f(std::integral_constant<int, 2>{}, i, smaller<Index>(H, n_rows - i));
    i += H;
  }
  if (i < n_rows) {
    f(std::integral_constant<int, 1>{}, i, n_rows - i);
    i += L;
  }
  return i;
}

} // namespace nonneg::NONNEG_ISA
