// Products of named entries of A B' with a third factor, a few entries at a time.
#pragma once

#include "kernels/elementary.hpp"
#include "kernels/observed_interface.hpp"
#include "kernels/packed_rows.hpp"
#include "kernels/simd.hpp"
#include "kernels/views.hpp"

namespace nonneg::NONNEG_ISA {

// Dot products of a (packed) with the rows of B that a vector of entries names, n of them.
template <class T, class I>
NONNEG_INLINE Vec<T> named_dots(const T *a, const T *B, int kb, const I *columns, Index n) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  V part[L];
  unroll<L>([&](auto e) NONNEG_LAMBDA {
    const T *b = B + static_cast<Index>(columns[e < n ? e : 0]) * kb;
    V sum = load<V>(a) * load<V>(b);
    for (int t = L; t < kb; t += L)
      sum += load<V>(a + t) * load<V>(b + t);
    part[e] = sum;
  });
  return sums_of<L>(part);
}

template <class T, class I>
static void named_product(const CsrView<T, I> &named, Index first, Index last,
                          MatrixView<const T> A, const T *B, int kb, const T *C, int kc,
                          MatrixView<T> out, void *scratch) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  const int k = static_cast<int>(A.cols), k_out = static_cast<int>(out.cols);
  T *const a = static_cast<T *>(scratch), *const sum = a + kb;
  for (Index i = first; i < last; ++i) {
    pack_row(A.data + i * A.stride, k, kb, a);
    for (int t = 0; t < kc; t += L)
      store(sum + t, fill<V>(T(0)));
    const Index end = named.indptr[i + 1];
    for (Index e = named.indptr[i]; e < end; e += L) {
      const Index n = smaller<Index>(L, end - e);
      const V dots = named_dots(a, B, kb, named.indices + e, n);
      const V weights = (n == L ? load<V>(named.values + e) : load_some(named.values + e, n)) * dots;
      alignas(64) T weight[L];
      store(weight, weights);
      for (Index l = 0; l < n; ++l) {
        const T *c = C + static_cast<Index>(named.indices[e + l]) * kc;
        const V w = fill<V>(weight[l]);
        for (int t = 0; t < kc; t += L)
          store(sum + t, load<V>(sum + t) + w * load<V>(c + t));
      }
    }
    T *row = out.data + i * out.stride;
    for (int t = 0; t < k_out; ++t)
      row[t] = sum[t];
  }
}

template <class T, class I>
static void named_square(const CsrView<T, I> &named, const T *x, Index first, Index last,
                         MatrixView<const T> A, const T *B, int kb, double &sum,
                         void *scratch) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  const int k = static_cast<int>(A.cols);
  T *const a = static_cast<T *>(scratch);
  Wide<T> total = wide_zero<T>();
  for (Index i = first; i < last; ++i) {
    pack_row(A.data + i * A.stride, k, kb, a);
    const Index end = named.indptr[i + 1];
    for (Index e = named.indptr[i]; e < end; e += L) {
      const Index n = smaller<Index>(L, end - e);
      Wide<T> dots = widened<T>(named_dots(a, B, kb, named.indices + e, n));
      if (x)
        dots -= widened<T>(n == L ? load<V>(x + e) : load_some(x + e, n));
      const V weights = n == L ? load<V>(named.values + e) : load_some(named.values + e, n);
      total += widened<T>(weights) * dots * dots;
    }
  }
  sum += sum_wide<T>(total);
}

} // namespace nonneg::NONNEG_ISA
