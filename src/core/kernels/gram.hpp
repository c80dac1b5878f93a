// Gram matrix of a block of rows.
#pragma once

#include "kernels/block_scratch.hpp"
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
  alignas(64) double total[kGramTile * N * L];
  unroll<kGramTile * N>([&](auto i) NONNEG_LAMBDA { store(total + i * L, sum[i]); });
  for (Index r = 0; r < kGramTile && i + r < k; ++r)
    for (Index c = 0; c < N * L && j + c < k; ++c)
      G[(i + r) * k + j + c] += total[r * N * L + c];
}

template <class T> void gram(MatrixView<const T> A, double *G, double *scratch) {
  constexpr int L = kLanes<double>;
  const int k = static_cast<int>(A.cols);
  const Index width = gram_width(k);
  for (Index first = 0; first < A.rows; first += kGramRows) {
    const Index n = smaller<Index>(kGramRows, A.rows - first);
    for (Index row = 0; row < n; ++row) {
      const T *a = A.data + (first + row) * A.stride;
      for (int t = 0; t < k; ++t)
        scratch[row * width + t] = static_cast<double>(a[t]);
      for (Index t = k; t < width; ++t)
        scratch[row * width + t] = 0;
    }
    for (Index i = 0; i < k; i += kGramTile) {
      Index j = i / L * L; // tiles wholly below the diagonal follow by symmetry
      for (; j + 2 * L <= width; j += 2 * L)
        gram_tile<2>(scratch, n, width, i, j, k, G);
      for (; j + L <= width && j < k; j += L)
        gram_tile<1>(scratch, n, width, i, j, k, G);
    }
  }
}

} // namespace nonneg::NONNEG_ISA
