// Products with a factor H of k rows, its columns along the vectors: of the k components
// none is padded. Rows of all arrays are whole vectors long, zeros behind their columns.
#pragma once

#include "kernels/elementary.hpp"
#include "kernels/packed_rows.hpp"
#include "kernels/simd.hpp"

namespace nonneg::NONNEG_ISA {

// Sums of a tile beside the vectors and a broadcast that they are made from fill the
// registers, 32 or 16 below AVX-512.
constexpr bool kMoreRegisters = NONNEG_VECTOR_BYTES == 64;
constexpr int kProductRows = kMoreRegisters ? 8 : 4, kProductVectors = 3;
constexpr int kSumRows = 4, kSumComponents = kMoreRegisters ? 4 : 3;
constexpr int kFeatureComponents = kMoreRegisters ? 6 : 4, kFeatureVectors = kMoreRegisters ? 4 : 3;

// Numbers from one row of H to the next: an odd number of cache lines, so that the rows' parts
// that a tile reads together don't share sets.
template <class T> static Index factor_stride(Index n_columns) {
  constexpr Index line = 64 / static_cast<Index>(sizeof(T));
  const Index lines = (n_columns + line - 1) / line;
  return (lines | 1) * line;
}

template <int R, int N, class T>
NONNEG_INLINE void column_product_tile(const T *W, Index w_stride, int k, const T *H,
                                       Index h_stride, T *Y, Index y_stride) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  V y[R * N];
  unroll<R * N>([&](auto i) NONNEG_LAMBDA { y[i] = fill<V>(T(0)); });
  for (int t = 0; t < k; ++t) {
    V h[N];
    unroll<N>([&](auto v) NONNEG_LAMBDA { h[v] = load<V>(H + t * h_stride + v * L); });
    unroll<R>([&](auto r) NONNEG_LAMBDA {
      const V w = fill<V>(W[r * w_stride + t]);
      unroll<N>([&](auto v) NONNEG_LAMBDA { y[r * N + v] += w * h[v]; });
    });
  }
  unroll<R>([&](auto r) NONNEG_LAMBDA {
    unroll<N>([&](auto v) NONNEG_LAMBDA { store(Y + r * y_stride + v * L, y[r * N + v]); });
  });
}

// Y = W H for n_rows rows and n columns.
template <class T>
NONNEG_INLINE void column_product(const T *W, Index w_stride, Index n_rows, int k, const T *H,
                                  Index h_stride, Index n, T *Y, Index y_stride) {
  constexpr int L = kLanes<T>, R = kProductRows;
  const int vectors = static_cast<int>((n + L - 1) / L);
  Index i = 0;
  for (; i + R <= n_rows; i += R)
    for_balanced<kProductVectors>(vectors, [&](auto count, int v) NONNEG_LAMBDA {
      column_product_tile<R, decltype(count)::value>(W + i * w_stride, w_stride, k, H + v * L,
                                                     h_stride, Y + i * y_stride + v * L, y_stride);
    });
  for (; i < n_rows; ++i)
    for_balanced<kProductVectors>(vectors, [&](auto count, int v) NONNEG_LAMBDA {
      column_product_tile<1, decltype(count)::value>(W + i * w_stride, w_stride, k, H + v * L,
                                                     h_stride, Y + i * y_stride + v * L, y_stride);
    });
}

// sums[r, t] += the product of row r of A with the row of H that begins at H[t].
template <int R, int K, class T>
NONNEG_INLINE void row_sums_tile(const T *A, Index a_stride, const T *const *H, Index n, T *sums,
                                 Index stride) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>, Rounds = (R * K + L - 1) / L;
  V sum[Rounds * L];
  unroll<Rounds * L>([&](auto i) NONNEG_LAMBDA { sum[i] = fill<V>(T(0)); });
  for (Index j = 0; j < n; j += L) {
    V h[K];
    unroll<K>([&](auto t) NONNEG_LAMBDA { h[t] = load<V>(H[t] + j); });
    unroll<R>([&](auto r) NONNEG_LAMBDA {
      const V a = load<V>(A + r * a_stride + j);
      unroll<K>([&](auto t) NONNEG_LAMBDA { sum[r * K + t] += a * h[t]; });
    });
  }
  alignas(64) T folded[Rounds * L];
  unroll<Rounds>([&](auto round) NONNEG_LAMBDA {
    constexpr int first = decltype(round)::value * L;
    V part[L];
    unroll<L>([&](auto i) NONNEG_LAMBDA { part[i] = sum[first + i]; });
    store(folded + first, sums_of<L>(part));
  });
  for (int r = 0; r < R; ++r)
    for (int t = 0; t < K; ++t)
      sums[r * stride + t] += folded[r * K + t];
}

// sums (n_rows x k) += A H' over n columns.
template <class T>
NONNEG_INLINE void add_row_sums(const T *A, Index a_stride, Index n_rows, const T *H,
                                Index h_stride, int k, Index n, T *sums, Index stride) {
  constexpr int R = kSumRows;
  Index i = 0;
  for (; i + R <= n_rows; i += R)
    for_balanced<kSumComponents>(k, [&](auto count, int t) NONNEG_LAMBDA {
      constexpr int K = decltype(count)::value;
      const T *rows[K];
      for (int u = 0; u < K; ++u)
        rows[u] = H + (t + u) * h_stride;
      row_sums_tile<R, K>(A + i * a_stride, a_stride, rows, n, sums + i * stride + t, stride);
    });
  for (; i < n_rows; ++i)
    for_balanced<kSumComponents>(k, [&](auto count, int t) NONNEG_LAMBDA {
      constexpr int K = decltype(count)::value;
      const T *rows[K];
      for (int u = 0; u < K; ++u)
        rows[u] = H + (t + u) * h_stride;
      row_sums_tile<1, K>(A + i * a_stride, a_stride, rows, n, sums + i * stride + t, stride);
    });
}

template <int K, int N, class T>
NONNEG_INLINE void feature_sums_tile(const T *A, Index a_stride, Index n_rows, const T *W,
                                     Index w_stride, T *sums, Index stride) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  V sum[K * N];
  unroll<K>([&](auto t) NONNEG_LAMBDA {
    unroll<N>([&](auto v) NONNEG_LAMBDA { sum[t * N + v] = load<V>(sums + t * stride + v * L); });
  });
  for (Index i = 0; i < n_rows; ++i) {
    V a[N];
    unroll<N>([&](auto v) NONNEG_LAMBDA { a[v] = load<V>(A + i * a_stride + v * L); });
    unroll<K>([&](auto t) NONNEG_LAMBDA {
      const V w = fill<V>(W[i * w_stride + t]);
      unroll<N>([&](auto v) NONNEG_LAMBDA { sum[t * N + v] += w * a[v]; });
    });
  }
  unroll<K>([&](auto t) NONNEG_LAMBDA {
    unroll<N>([&](auto v) NONNEG_LAMBDA { store(sums + t * stride + v * L, sum[t * N + v]); });
  });
}

// sums (k x n) += W' A over n_rows rows.
template <class T>
NONNEG_INLINE void add_feature_sums(const T *A, Index a_stride, Index n_rows, const T *W,
                                    Index w_stride, int k, Index n, T *sums, Index stride) {
  constexpr int L = kLanes<T>;
  const int vectors = static_cast<int>((n + L - 1) / L);
  for_balanced<kFeatureVectors>(vectors, [&](auto n_vectors, int v) NONNEG_LAMBDA {
    for_balanced<kFeatureComponents>(k, [&](auto count, int t) NONNEG_LAMBDA {
      feature_sums_tile<decltype(count)::value, decltype(n_vectors)::value>(
          A + v * L, a_stride, n_rows, W + t, w_stride, sums + t * stride + v * L, stride);
    });
  });
}

// Rows [first, last) of out = the transpose of the sum of n_slots arrays of k rows.
template <class T>
static void reduce_turned(const T *slots, Index slot_size, int n_slots, Index h_width, Index first,
                          Index last, MatrixView<T> out) {
  for (Index t = 0; t < out.cols; ++t)
    for (Index j = first; j < last; ++j) {
      T total = slots[t * h_width + j];
      for (int s = 1; s < n_slots; ++s)
        total += slots[s * slot_size + t * h_width + j];
      out.data[j * out.stride + t] = total;
    }
}

} // namespace nonneg::NONNEG_ISA
