// Missing entries of a block of rows, put in by the product of the factors.
#pragma once

#include "kernels/named_products.hpp"

namespace nonneg::NONNEG_ISA {

// Brings a row into the first-level cache, to be written to here and there, or one to be read
// later into the second-level cache.
template <bool now, class T> NONNEG_INLINE void fetch_row(T *row, Index n) {
  constexpr Index line = 64 / sizeof(T);
  for (Index j = 0; j < n; j += line)
    __builtin_prefetch(row + j, now, now ? 3 : 2);
}

// Z = X, unless X.data is null or `fetch`, and then Z[i,j] = a_i b_j times the scales, where row i of `named` names
// j; returns the sum of squares of the scaled a_i b_j. Row 0 of Z, of X and of A is row `first`
// of `named`. Entries are written to rows that are in the first-level cache: each one that
// is not there takes as long as several products.
template <class T, class I>
static double impute(const CsrView<T, I> &named, Index first, MatrixView<const T> A, const T *B,
                     int kb, const GapScales<T> &scales, MatrixView<const T> X, bool fetch,
                     MatrixView<T> Z, void *scratch) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  const int k = static_cast<int>(A.cols);
  T *const a = static_cast<T *>(scratch);
  Wide<T> total = wide_zero<T>();
  for (Index i = 0; i < Z.rows; ++i) {
    pack_row(A.data + i * A.stride, k, kb, a);
    const V row_scale = fill<V>(scales.rows ? scales.rows[first + i] : T(1));
    T *const row = Z.data + i * Z.stride;
    if (X.data && !fetch)
      __builtin_memcpy(row, X.data + i * X.stride, sizeof(T) * static_cast<size_t>(Z.cols));
    else if (i + 1 < Z.rows)
      fetch_row<true>(row + Z.stride, Z.cols);
    if (fetch && i < X.rows)
      fetch_row<false>(X.data + i * X.stride, X.cols);
    const Index end = named.indptr[first + i + 1];
    for (Index e = named.indptr[first + i]; e < end; e += L) {
      const Index n = smaller<Index>(L, end - e);
      const I *const columns = named.indices + e;
      V products = named_dots(a, B, kb, columns, n);
      alignas(64) T lanes[L];
      if (n < L) { // the lanes beyond repeat the first entry
        store(lanes, products);
        products = load_some(lanes, n);
      }
      V scale = fill<V>(T(1));
      if (scales.columns) {
        for (int l = 0; l < L; ++l)
          lanes[l] = scales.columns[columns[l < n ? l : 0]];
        scale = load<V>(lanes);
        products *= scale;
      }
      const Wide<T> wide = widened<T>(products);
      total += wide * wide;
      products *= scale * row_scale;
      if (n == L) {
        unroll<L>([&](auto l) NONNEG_LAMBDA { row[columns[l]] = products[static_cast<int>(l)]; });
        continue;
      }
      store(lanes, products);
      for (Index l = 0; l < n; ++l)
        row[columns[l]] = lanes[l];
    }
  }
  return sum_wide<T>(total);
}

} // namespace nonneg::NONNEG_ISA
