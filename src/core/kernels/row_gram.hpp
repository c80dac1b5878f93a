// The Gram matrix of one row: a sum of outer products of the rows of H that it names.
#pragma once

#include "kernels/simd.hpp"
#include "kernels/views.hpp"

namespace nonneg::NONNEG_ISA {

constexpr int kRankRows = 64; // rows of H that are gathered at a time
constexpr int kRankTile = NONNEG_VECTOR_BYTES == 64 ? 8 : 4;

// Stride of the rows of a k x k matrix of A in scratch: whole vectors and tiles.
template <class A> NONNEG_INLINE int row_gram_width(int k) {
  constexpr int step = kLanes<A> > kRankTile ? kLanes<A> : kRankTile;
  return (k + step - 1) / step * step;
}

// Brings the rows of H that `columns` names into the second-level cache, later than it says so.
template <class T, class I>
NONNEG_INLINE void fetch_named(const I *columns, Index n, const T *B, int kp) {
  constexpr int line = 64 / sizeof(T);
  for (Index e = 0; e < n; ++e)
    for (int t = 0; t < kp; t += line)
      __builtin_prefetch(B + static_cast<Index>(columns[e]) * kp + t, 0, 2);
}

// G[i.., j..] += sum of h_i (weight h_j), for R rows of N vectors; `weighted` has the rows times
// their weights.
template <class A, int R, int N>
NONNEG_INLINE void rank_tile(const A *rows, const A *weighted, int n, int width, int i, int j,
                             A *G) {
  using V = Vec<A>;
  constexpr int L = kLanes<A>;
  V sum[R * N];
  unroll<R>([&](auto r) NONNEG_LAMBDA {
    unroll<N>([&](auto v) NONNEG_LAMBDA {
      sum[r * N + v] = load<V>(G + (i + r) * width + j + v * L);
    });
  });
  for (int row = 0; row < n; ++row) {
    const A *h = rows + row * width + i, *other = weighted + row * width + j;
    V right[N];
    unroll<N>([&](auto v) NONNEG_LAMBDA { right[v] = load<V>(other + v * L); });
    unroll<R>([&](auto r) NONNEG_LAMBDA {
      const V left = fill<V>(h[r]);
      unroll<N>([&](auto v) NONNEG_LAMBDA { sum[r * N + v] += left * right[v]; });
    });
  }
  unroll<R>([&](auto r) NONNEG_LAMBDA {
    unroll<N>([&](auto v) NONNEG_LAMBDA {
      store(G + (i + r) * width + j + v * L, sum[r * N + v]);
    });
  });
}

// R rows of G from i on, in the columns [j, end), which are whole vectors.
template <class A, int R>
NONNEG_INLINE void rank_rows(const A *rows, const A *weighted, int n, int width, int i, int j,
                             int end, A *G) {
  constexpr int L = kLanes<A>, most = NONNEG_VECTOR_BYTES == 64 ? 24 : 8; // sums in registers
  constexpr int N = most / R < 4 ? most / R : 4;
  for (; j + N * L <= end; j += N * L)
    rank_tile<A, R, N>(rows, weighted, n, width, i, j, G);
  if constexpr (N > 2)
    for (; j + 2 * L <= end; j += 2 * L)
      rank_tile<A, R, 2>(rows, weighted, n, width, i, j, G);
  for (; j < end; j += L)
    rank_tile<A, R, 1>(rows, weighted, n, width, i, j, G);
}

// G += the outer products of n gathered rows: above the diagonal tiles in the columns of whole
// vectors, and all of the last rows, which are fewer than a vector.
template <class A>
static void add_gathered(const A *rows, const A *weighted, int n, int k, A *G) {
  constexpr int L = kLanes<A>;
  const int width = row_gram_width<A>(k), whole = k / L * L;
  int i = 0;
  if constexpr (L >= kRankTile)
    for (; i + kRankTile <= whole; i += kRankTile)
      rank_rows<A, kRankTile>(rows, weighted, n, width, i, i / L * L, whole, G);
  else
    for (; i + L <= whole; i += L)
      rank_rows<A, L>(rows, weighted, n, width, i, i, whole, G);
  const int end = whole + (k > whole ? L : 0);
  for (; i + 8 <= k && kRankTile >= 8; i += 8)
    rank_rows<A, 8>(rows, weighted, n, width, i, 0, end, G);
  for (; i + 4 <= k; i += 4)
    rank_rows<A, 4>(rows, weighted, n, width, i, 0, end, G);
  for (; i + 2 <= k; i += 2)
    rank_rows<A, 2>(rows, weighted, n, width, i, 0, end, G);
  if (i < k)
    rank_rows<A, 1>(rows, weighted, n, width, i, 0, end, G);
}

// G (rows `width` apart) += sum over n named rows of H; only on and above the diagonal
// tiles. `gathered` has room for kRankRows rows and as many times their weights. Of the
// `n_later` names that there are from here on, those of the next rows are fetched ahead.
template <class A, class T, class I>
static void add_rank(const I *columns, const T *weights, Index n_named, Index n_later,
                     const T *B, int kp, int k, A *G, A *gathered) {
  using V = Vec<A>;
  constexpr int L = kLanes<A>;
  const int width = row_gram_width<A>(k), whole = k / L * L;
  A *const products = gathered + kRankRows * width;
  for (Index e = 0; e < n_named; e += kRankRows) {
    const int n = static_cast<int>(smaller<Index>(kRankRows, n_named - e));
    bool alike = true;
    for (int row = 0; row < n; ++row) {
      const T *h = B + static_cast<Index>(columns[e + row]) * kp;
      A *const to = gathered + row * width;
      // packed rows are padded with zeros, and as wide
      for (int t = 0; t < width; t += L)
        store(to + t, __builtin_convertvector(load<typename VectorOf<T, L>::type>(h + t), V));
      alike &= weights[e + row] == T(1);
    }
    for (int row = 0; !alike && row < n; ++row) {
      const V weight = fill<V>(static_cast<A>(weights[e + row]));
      for (int t = 0; t < width; t += L)
        store(products + row * width + t, weight * load<V>(gathered + row * width + t));
    }
    const Index next = e + n;
    fetch_named(columns + next, smaller<Index>(kRankRows, n_later - next), B, kp);
    add_gathered(gathered, alike ? gathered : products, n, k, G);
  }
  for (int i = whole; i < k; ++i)
    for (int j = 0; j < whole; ++j)
      G[j * width + i] = G[i * width + j];
}

// Copies what is above the diagonal below it; a difference of sums may leave the diagonal a
// little below zero.
template <class A> static void close_gram(int k, A *G) {
  const int width = row_gram_width<A>(k);
  for (int i = 0; i < k; ++i) {
    A &d = G[i * width + i];
    d = d > A(0) ? d : A(0);
    for (int j = 0; j < i; ++j)
      G[i * width + j] = G[j * width + i];
  }
}

} // namespace nonneg::NONNEG_ISA
