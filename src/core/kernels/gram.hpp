// Gram matrix of a block of rows.
#pragma once

#include "kernels/block_scratch.hpp"
#include "kernels/lane_grams.hpp"
#include "kernels/packed_products.hpp"
#include "kernels/simd.hpp"
#include "kernels/views.hpp"

namespace nonneg::NONNEG_ISA {

// G[i.., j..] += sum over n packed rows of a_i a_j, for kGramTile x N vectors.
template <int N>
NONNEG_INLINE void gram_tile(const double *rows, Index n, Index width, Index i, Index j,
                             int k, double *G) {
  using V = Vec<double>;
  constexpr int L = kLanes<double>;
  V sum[kGramTile * N];
  unroll<kGramTile * N>([&](auto i) NONNEG_LAMBDA { sum[i] = fill<V>(0.0); });
  for (Index row = 0; row < n; ++row) {
    const double *a = rows + row * width;
    V right[N];
    unroll<N>([&](auto v) NONNEG_LAMBDA { right[v] = load<V>(a + j + v * L); });
    unroll<kGramTile>([&](auto r) NONNEG_LAMBDA {
      const V left = fill<V>(a[i + r]);
      unroll<N>([&](auto v) NONNEG_LAMBDA { sum[r * N + v] += left * right[v]; });
    });
  }
  const Index height = smaller<Index>(kGramTile, k - i);
  unroll<kGramTile>([&](auto r) NONNEG_LAMBDA {
    unroll<N>([&](auto v) NONNEG_LAMBDA {
      const Index column = j + v * L;
      double *const g = G + (i + r) * k + column;
      if (r < height && column + L <= k) {
        store(g, load<V>(g) + sum[r * N + v]);
      } else if (r < height) {
        alignas(64) double some[L];
        store(some, sum[r * N + v]);
        for (Index c = 0; column + c < k; ++c)
          g[c] += some[c];
      }
    });
  });
}

// All tiles on and above the diagonal; numbers behind the k-th of a row are not used.
NONNEG_INLINE void gram_tiles(const double *rows, Index n, Index stride, int k, double *G) {
  constexpr int L = kLanes<double>;
  const Index width = gram_width(k);
  for (Index i = 0; i < k; i += kGramTile) {
    Index j = i / L * L; // tiles wholly below the diagonal follow by symmetry
    for (; j + 2 * L <= width; j += 2 * L)
      gram_tile<2>(rows, n, stride, i, j, k, G);
    for (; j + L <= width && j < k; j += L)
      gram_tile<1>(rows, n, stride, i, j, k, G);
  }
}

// Rows of float64 are read where they are as far as whole vectors of them end within A, so
// all but the last ones.
template <class T> void gram(MatrixView<const T> A, double *G, double *scratch) {
  const int k = static_cast<int>(A.cols);
  if (is_narrow<T>(k)) {
    for_narrow(k, [&](auto count) NONNEG_LAMBDA {
      lane_gram<decltype(count)::value>(A, G, reinterpret_cast<T *>(scratch));
    });
    return;
  }
  const Index width = gram_width(k);
  const Index in_place = A.rows - (width - k + A.stride - 1) / A.stride;
  for (Index first = 0; first < A.rows; first += kGramRows) {
    const Index n = smaller<Index>(kGramRows, A.rows - first);
    const T *const rows = A.data + first * A.stride;
    if constexpr (sizeof(T) == sizeof(double))
      if (first + n <= in_place) {
        gram_tiles(rows, n, A.stride, k, G);
        continue;
      }
    for (Index row = 0; row < n; ++row) {
      for (int t = 0; t < k; ++t)
        scratch[row * width + t] = static_cast<double>(rows[row * A.stride + t]);
      for (Index t = k; t < width; ++t)
        scratch[row * width + t] = 0;
    }
    gram_tiles(scratch, n, width, k, G);
  }
}

} // namespace nonneg::NONNEG_ISA
