// Stored entries of a row of a CSR matrix: their products with packed rows.
#pragma once

#include "kernels/packed_rows.hpp"
#include "kernels/simd.hpp"
#include "kernels/views.hpp"

namespace nonneg::NONNEG_ISA {

constexpr int kCsrVectors = NONNEG_VECTOR_BYTES == 64 ? 8 : 6;
constexpr Index kPrefetch = 8; // non-zeros ahead

template <class T>
NONNEG_INLINE void prefetch_row(const T *row, int bytes, bool for_write) {
  for (int b = 0; b < bytes; b += 64) {
    if (for_write)
      __builtin_prefetch(reinterpret_cast<const char *>(row) + b, 1);
    else
      __builtin_prefetch(reinterpret_cast<const char *>(row) + b, 0);
  }
}

// out += the entries [first, last) of a row of X times packed B; out a packed row. Rows of B
// are fetched ahead for entries up to end; an end before first fetches none.
template <class T, class I>
NONNEG_INLINE void csr_gather(const CsrView<T, I> &X, Index first, Index last, Index end,
                              const T *B, int kp, T *out) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  const Index ahead = smaller(last, end - kPrefetch);
  for_vectors<kCsrVectors>(kp / L, [&](auto count, int vector) NONNEG_LAMBDA {
    constexpr int N = decltype(count)::value;
    const T *const part = B + vector * L;
    V sum[N];
    unroll<N>([&](auto v) NONNEG_LAMBDA { sum[v] = load<V>(out + (vector + v) * L); });
    const auto add = [&](Index e) NONNEG_LAMBDA {
      const T *b = part + static_cast<Index>(X.indices[e]) * kp;
      const V x = fill<V>(X.values[e]);
      unroll<N>([&](auto v) NONNEG_LAMBDA { sum[v] += x * load<V>(b + v * L); });
    };
    Index e = first;
    for (; e < ahead; ++e) {
      prefetch_row(part + static_cast<Index>(X.indices[e + kPrefetch]) * kp,
                   N * NONNEG_VECTOR_BYTES, false);
      add(e);
    }
    for (; e < last; ++e)
      add(e);
    unroll<N>([&](auto v) NONNEG_LAMBDA { store(out + (vector + v) * L, sum[v]); });
  });
}

// sum[j,:] += x_ij a for the entries [first, last), a a packed row; rows of sum are fetched
// ahead as in csr_gather.
template <class T, class I>
NONNEG_INLINE void csr_scatter(const CsrView<T, I> &X, Index first, Index last, Index end,
                               const T *a, int kp, T *sum) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  for_vectors<kCsrVectors>(kp / L, [&](auto count, int vector) NONNEG_LAMBDA {
    constexpr int N = decltype(count)::value;
    V row[N];
    unroll<N>([&](auto v) NONNEG_LAMBDA { row[v] = load<V>(a + (vector + v) * L); });
    for (Index e = first; e < last; ++e) {
      T *s = sum + static_cast<Index>(X.indices[e]) * kp + vector * L;
      if (e + kPrefetch < end)
        prefetch_row(sum + static_cast<Index>(X.indices[e + kPrefetch]) * kp + vector * L,
                     N * NONNEG_VECTOR_BYTES, true);
      const V x = fill<V>(X.values[e]);
      unroll<N>([&](auto v) NONNEG_LAMBDA {
        store(s + v * L, load<V>(s + v * L) + x * row[v]);
      });
    }
  });
}

// First entry in [from, to) whose sorted index is not below column.
template <class I>
NONNEG_INLINE Index lower_bound(const I *indices, Index from, Index to, Index column) {
  while (from < to) {
    const Index middle = from + (to - from) / 2;
    if (static_cast<Index>(indices[middle]) < column)
      from = middle + 1;
    else
      to = middle;
  }
  return from;
}

} // namespace nonneg::NONNEG_ISA
