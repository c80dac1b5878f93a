// Half-steps of coordinate descent on a small dense X and a few components: the rows of both factors
// stay in the lanes, where products leave their right-hand sides and sweeps take them.
// An entry has the bits that products and sweeps of rows give it.
#pragma once

#include "kernels/lane_grams.hpp"
#include "kernels/lane_tiles.hpp"
#include "kernels/narrow_products.hpp"
#include "kernels/simd.hpp"
#include "kernels/solve_interface.hpp"
#include "kernels/sweep.hpp"
#include "kernels/views.hpp"

namespace nonneg::NONNEG_ISA {

// Numbers of n_rows rows in lanes, those that fill up the last tile among them.
template <class T> static Index numbers_in_lanes(Index n_rows, Index n_columns) {
  return n_columns * for_tiles<T>(n_rows, [](auto, Index, Index) NONNEG_LAMBDA {});
}

template <class T> static void rows_to_lanes(MatrixView<const T> A, T *lanes) {
  const int k = static_cast<int>(A.cols);
  for_tiles<T>(A.rows, [&](auto vectors, Index first, Index n) NONNEG_LAMBDA {
    load_tile(A.data + first * A.stride, A.stride, n, k, lanes + first * k, vectors * kLanes<T>);
  });
}

template <class T> static void rows_from_lanes(const T *lanes, MatrixView<T> A) {
  const int k = static_cast<int>(A.cols);
  for_tiles<T>(A.rows, [&](auto vectors, Index first, Index n) NONNEG_LAMBDA {
    store_tile(lanes + first * k, vectors * kLanes<T>, n, k, A.data + first * A.stride, A.stride);
  });
}

// The columns of A in the place of rows.
template <class T> static void columns_to_lanes(MatrixView<const T> A, T *lanes) {
  for_tiles<T>(A.cols, [&](auto vectors, Index first, Index n) NONNEG_LAMBDA {
    constexpr int B = decltype(vectors)::value * kLanes<T>;
    T *const tile = lanes + first * A.rows;
    for (Index i = 0; i < A.rows; ++i) {
      const T *const row = A.data + i * A.stride + first;
      for (Index j = 0; j < B; ++j)
        tile[i * B + j] = j < n ? row[j] : T(0);
    }
  });
}

// P = X B for N vectors of rows of a tile of `lanes` rows; B has n rows.
template <int N, int C, class T>
NONNEG_NOINLINE static void lane_product_tile(const T *X, int lanes, const T *B, Index n, T *P) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  V sum[N * C];
  unroll<N * C>([&](auto i) NONNEG_LAMBDA { sum[i] = fill<V>(T(0)); });
  for_tiles<T>(n, [&](auto vectors, Index first, Index n_real) NONNEG_LAMBDA {
    constexpr int other = decltype(vectors)::value * L;
    const T *x = X + first * lanes, *b = B + first * C;
    for (const T *const end = b + n_real; b < end; ++b, x += lanes) {
      V row[N];
      unroll<N>([&](auto v) NONNEG_LAMBDA { row[v] = load<V>(x + v * L); });
      unroll<C>([&](auto c) NONNEG_LAMBDA {
        const V entry = fill<V>(b[c * other]);
        unroll<N>([&](auto v) NONNEG_LAMBDA { sum[c * N + v] += row[v] * entry; });
      });
    }
  });
  unroll<C>([&](auto c) NONNEG_LAMBDA {
    unroll<N>([&](auto v) NONNEG_LAMBDA { store(P + c * lanes + v * L, sum[c * N + v]); });
  });
}

// P = X B, all of them in lanes; B has a row for each of the n_columns of X.
template <class T>
static void lane_product(const T *X, Index n_rows, Index n_columns, const T *B, int k, T *P) {
  constexpr int L = kLanes<T>;
  for_narrow(k, [&](auto count) NONNEG_LAMBDA {
    constexpr int C = decltype(count)::value;
    for_tiles<T>(n_rows, [&](auto vectors, Index first, Index) NONNEG_LAMBDA {
      constexpr int R = decltype(vectors)::value, N = R < kNarrowWidth<C> ? R : kNarrowWidth<C>;
      for (int v = 0; v < R; v += N)
        lane_product_tile<N, C>(X + first * n_columns + v * L, R * L, B, n_columns,
                                P + first * C + v * L);
    });
  });
}

// Sweeps over A, and makes its Gram matrix, above the diagonal and on it.
template <class T>
static void lane_sweep(const Sweep<T> &s, T *A, const T *P, Index n_rows, SolveSums &sums,
                       double *gram) {
  constexpr int L = kLanes<T>;
  for_tiles<T>(n_rows, [&](auto vectors, Index first, Index) NONNEG_LAMBDA {
    sweep_tile<T, decltype(vectors)::value>(s, A + first * s.k, P + first * s.k, sums);
  });
  for_narrow(s.k, [&](auto count) NONNEG_LAMBDA {
    constexpr int C = decltype(count)::value;
    LanePairs<C> pairs;
    for_tiles<T>(n_rows, [&](auto vectors, Index first, Index) NONNEG_LAMBDA {
      constexpr int B = decltype(vectors)::value * L;
      for (int v = 0; v < B; v += L)
        pairs.add(A + first * C + v, B);
    });
    for (int i = 0; i < C * C; ++i)
      gram[i] = 0;
    pairs.add_to(gram);
  });
}

} // namespace nonneg::NONNEG_ISA
