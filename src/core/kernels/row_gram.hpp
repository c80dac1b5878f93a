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

// G[i.., j..] += sum of weight h_i h_j, for kRankTile x N vectors.
template <class A, int N>
NONNEG_INLINE void rank_tile(const A *rows, const A *weights, int n, int width, int i, int j,
                             A *G) {
  using V = Vec<A>;
  constexpr int L = kLanes<A>;
  V sum[kRankTile * N];
  unroll<kRankTile>([&](auto r) NONNEG_LAMBDA {
    unroll<N>([&](auto v) NONNEG_LAMBDA {
      sum[r * N + v] = load<V>(G + (i + r) * width + j + v * L);
    });
  });
  for (int row = 0; row < n; ++row) {
    const A *h = rows + row * width;
    V right[N];
    unroll<N>([&](auto v) NONNEG_LAMBDA {
      right[v] = load<V>(h + j + v * L) * fill<V>(weights[row]);
    });
    unroll<kRankTile>([&](auto r) NONNEG_LAMBDA {
      const V left = fill<V>(h[i + r]);
      unroll<N>([&](auto v) NONNEG_LAMBDA { sum[r * N + v] += left * right[v]; });
    });
  }
  unroll<kRankTile>([&](auto r) NONNEG_LAMBDA {
    unroll<N>([&](auto v) NONNEG_LAMBDA {
      store(G + (i + r) * width + j + v * L, sum[r * N + v]);
    });
  });
}

// G (rows `width` apart) += sum over n named rows of H; only on and above the diagonal
// tiles. `gathered` has room for kRankRows rows and weights.
template <class A, class T, class I>
static void add_rank(const I *columns, const T *weights, Index n_named, const T *B, int kp,
                     int k, A *G, A *gathered) {
  constexpr int L = kLanes<A>;
  const int width = row_gram_width<A>(k);
  A *const weight = gathered + kRankRows * width;
  for (Index e = 0; e < n_named; e += kRankRows) {
    const int n = static_cast<int>(smaller<Index>(kRankRows, n_named - e));
    for (int row = 0; row < n; ++row) {
      const T *h = B + static_cast<Index>(columns[e + row]) * kp;
      A *const to = gathered + row * width;
      // packed rows are padded with zeros, and as wide
      for (int t = 0; t < width; t += L)
        store(to + t, __builtin_convertvector(load<typename VectorOf<T, L>::type>(h + t), Vec<A>));
      weight[row] = static_cast<A>(weights[e + row]);
    }
    for (int i = 0; i < k; i += kRankTile) {
      int j = i / L * L;
      for (; j + 2 * L <= width; j += 2 * L)
        rank_tile<A, 2>(gathered, weight, n, width, i, j, G);
      for (; j + L <= width; j += L)
        rank_tile<A, 1>(gathered, weight, n, width, i, j, G);
    }
  }
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
