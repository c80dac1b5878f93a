// The multiplicative half-step for β = 1 on CSR, of which only the stored entries are
// looked at: the rows of the other factor that a row of X needs are fetched once, for both
// of the row's products.
#pragma once

#include "kernels/beta_interface.hpp"
#include "kernels/beta_rows.hpp"
#include "kernels/beta_terms.hpp"
#include "kernels/csr_entries.hpp"
#include "kernels/packed_rows.hpp"
#include "kernels/simd.hpp"

namespace nonneg::NONNEG_ISA {

// The entries [at, at + n) of a row of X, n <= L: their features' packed rows and values.
template <class T> struct EntryGroup {
  const T *rows[kLanes<T>];
  T *sums[kLanes<T>];
  Vec<T> x;
};

template <class T, class I>
NONNEG_INLINE void load_group(const CsrView<T, I> &X, Index entry, Index n, const T *B, int kp, T *sums, EntryGroup<T> &group) {
  constexpr int L = kLanes<T>;
  if (n == L)
    group.x = load<Vec<T>>(X.values + entry);
  else
    group.x = load_some(X.values + entry, n);
  for (int p = 0; p < L; ++p) {
    const Index j = static_cast<Index>(X.indices[entry + (p < n ? p : n - 1)]) * kp;
    group.rows[p] = B + j;
    group.sums[p] = sums ? sums + j : nullptr;
  }
}

// The products of a packed row with the group's rows.
template <class T>
NONNEG_INLINE Vec<T> group_dots(const EntryGroup<T> &group, const T *row, int kp) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  V dots[L];
  unroll<L>([&](auto p) NONNEG_LAMBDA { dots[p] = fill<V>(T(0)); });
  for (int c = 0; c < kp; c += L) {
    const V w = load<V>(row + c);
    unroll<L>([&](auto p) NONNEG_LAMBDA { dots[p] += w * load<V>(group.rows[p] + c); });
  }
  return sums_of<L>(dots);
}

// to (packed) += the group's rows weighted by r.
template <class T>
NONNEG_INLINE void add_group(const EntryGroup<T> &group, Vec<T> r, int kp, T *to) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  alignas(64) T weights[L];
  store(weights, r);
  for_balanced<4>(kp / L, [&](auto count, int entry) NONNEG_LAMBDA {
    constexpr int N = decltype(count)::value;
    V sum[N];
    unroll<N>([&](auto v) NONNEG_LAMBDA { sum[v] = load<V>(to + (entry + v) * L); });
    unroll<L>([&](auto p) NONNEG_LAMBDA {
      const V weight = fill<V>(weights[p]);
      unroll<N>([&](auto v) NONNEG_LAMBDA {
        sum[v] += weight * load<V>(group.rows[p] + (entry + v) * L);
      });
    });
    unroll<N>([&](auto v) NONNEG_LAMBDA { store(to + (entry + v) * L, sum[v]); });
  });
}

// The n sums of the group, `shift` numbers on, += the packed row weighted by r.
template <class T>
NONNEG_INLINE void scatter_group(const EntryGroup<T> &group, Index n, Vec<T> r,
                                 const T *row, int kp, Index shift = 0) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  alignas(64) T weights[L];
  store(weights, r);
  for_balanced<4>(kp / L, [&](auto count, int entry) NONNEG_LAMBDA {
    constexpr int N = decltype(count)::value;
    V w[N];
    unroll<N>([&](auto v) NONNEG_LAMBDA { w[v] = load<V>(row + (entry + v) * L); });
    for (Index p = 0; p < n; ++p) {
      const V weight = fill<V>(weights[p]);
      T *sum = group.sums[p] + shift + entry * L;
      unroll<N>([&](auto v) NONNEG_LAMBDA {
        store(sum + v * L, load<V>(sum + v * L) + weight * w[v]);
      });
    }
  });
}

// Adds the terms of the entries [from, to) of a row of X to the sums, and to the value.
template <class T, class I>
NONNEG_INLINE void scatter_entries(const CsrView<T, I> &X, Index from, Index to,
                                   const BetaBlock<T> &b, const BetaTerms<T> &terms,
                                   const T *row) {
  constexpr int L = kLanes<T>;
  EntryGroup<T> group;
  Vec<T> value = fill<Vec<T>>(T(0));
  const Vec<T> total = fill<Vec<T>>(b.denominator ? packed_sum(row, b.width) : T(0));
  const Index shift = b.denominator ? b.denominator - b.numerator : 0; // of one array
  for (Index entry = from; entry < to; entry += L) {
    const Index n = smaller<Index>(L, to - entry);
    load_group(X, entry, n, b.after.B, b.width, b.numerator, group);
    const Vec<T> y = group_dots(group, row, b.width);
    if (b.value)
      value += terms.present(group.x, y);
    if (b.numerator)
      scatter_group(group, n, terms.negative(group.x, y), row, b.width);
    if (b.denominator)
      scatter_group(group, n, terms.bend(group.x, y) * total, row, b.width, shift);
  }
  if (b.value)
    *b.value += wide_sum<T>(value);
}

template <class T, class I>
static void csr_kullback(const CsrView<T, I> &X, Index first, Index last,
                         const BetaBlock<T> &b, T *scratch) {
  constexpr int L = kLanes<T>;
  const BetaTerms<T> terms{T(1), fill<Vec<T>>(b.options->floor)};
  T *const row = scratch, *const numerator = scratch + b.width;
  EntryGroup<T> group;
  for (Index i = first; i < last; ++i) {
    const Index from = X.indptr[i], to = X.indptr[i + 1];
    pack_row(b.start.data + i * b.start.stride, b.options->k, b.width, row);
    if (b.solved.data) {
      for (int t = 0; t < b.width; ++t)
        numerator[t] = 0;
      for (Index entry = from; entry < to; entry += L) {
        load_group(X, entry, smaller<Index>(L, to - entry), b.other.B,
                   b.width, static_cast<T *>(nullptr), group);
        const Vec<T> y = group_dots(group, row, b.width);
        add_group(group, terms.negative(group.x, y), b.width, numerator);
      }
      conclude_row(b, i, row, numerator, b.options->column_sums);
    }
    if (b.numerator || b.value)
      scatter_entries(X, from, to, b, terms, row);
  }
}

// Sums for the features [column, column_end) alone, of all rows; b.start is the factor.
template <class T, class I>
static void csr_kullback_panel(const CsrView<T, I> &X, Index column, Index column_end,
                               const BetaBlock<T> &b, void *scratch) {
  const BetaTerms<T> terms{T(1), fill<Vec<T>>(b.options->floor)};
  T *const row = static_cast<T *>(scratch);
  for (Index i = 0; i < X.rows; ++i) {
    const Index last = X.indptr[i + 1];
    const Index from = lower_bound(X.indices, X.indptr[i], last, column);
    const Index to = lower_bound(X.indices, from, last, column_end);
    if (from == to)
      continue;
    pack_row(b.start.data + i * b.start.stride, b.options->k, b.width, row);
    scatter_entries(X, from, to, b, terms, row);
  }
}

} // namespace nonneg::NONNEG_ISA
