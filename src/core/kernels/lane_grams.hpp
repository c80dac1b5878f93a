// Gram matrix of a few components, rows in the lanes: each pair of components once, none padded
// (D-CORE-NARROW).
#pragma once

#include "kernels/block_scratch.hpp"
#include "kernels/elementary.hpp"
#include "kernels/lane_tiles.hpp"
#include "kernels/narrow_products.hpp"
#include "kernels/simd.hpp"
#include "kernels/views.hpp"

namespace nonneg::NONNEG_ISA {

// Pairs of components, (0, 0), (0, 1), ..., (1, 1), ..., lane by lane and in whole rounds of sums
// that are folded together.
template <int C> constexpr int kPairs = C * (C + 1) / 2;
template <int C> struct LanePairs {
  static constexpr int L = kLanes<double>, Rounds = (kPairs<C> + L - 1) / L;
  Vec<double> sum[Rounds * L];

  NONNEG_INLINE_MEMBER LanePairs() {
    unroll<Rounds * L>([&](auto i) NONNEG_LAMBDA { sum[i] = fill<Vec<double>>(0.0); });
  }

  // A vector of rows, whose components are `lanes` numbers apart.
  template <class T> NONNEG_INLINE_MEMBER void add(const T *rows, int lanes) {
    Wide<T> a[C];
    unroll<C>([&](auto c) NONNEG_LAMBDA { a[c] = widened<T>(load<Vec<T>>(rows + c * lanes)); });
    unroll<Wide<T>::N>([&](auto part) NONNEG_LAMBDA {
      unroll<C>([&](auto c) NONNEG_LAMBDA {
        constexpr int first = c * C - c * (c - 1) / 2;
        unroll<C - c>([&](auto d) NONNEG_LAMBDA {
          sum[first + d] += a[c].part[part] * a[c + d].part[part];
        });
      });
    });
  }

  // G (k x k) += the sums, above the diagonal and on it.
  NONNEG_INLINE_MEMBER void add_to(double *G) {
    alignas(64) double folded[Rounds * L];
    unroll<Rounds>([&](auto round) NONNEG_LAMBDA {
      Vec<double> part[L];
      unroll<L>([&](auto i) NONNEG_LAMBDA { part[i] = sum[round * L + i]; });
      store(folded + round * L, sums_of<L>(part));
    });
    unroll<C>([&](auto c) NONNEG_LAMBDA {
      unroll<C - c>([&](auto d) NONNEG_LAMBDA {
        G[c * C + c + d] += folded[c * C - c * (c - 1) / 2 + d];
      });
    });
  }
};

// G (k x k) += A'A, above the diagonal and on it; `turned` has room for kGramRows rows.
template <int C, class T>
NONNEG_NOINLINE static void lane_gram(MatrixView<const T> A, double *G, T *turned) {
  constexpr Index L = kLanes<T>;
  LanePairs<C> sums;
  for (Index first = 0; first < A.rows; first += kGramRows) {
    const Index n = smaller<Index>(kGramRows, A.rows - first), lanes = (n + L - 1) / L * L;
    load_tile(A.data + first * A.stride, A.stride, n, C, turned, static_cast<int>(lanes));
    for (Index i = 0; i < lanes; i += L)
      sums.add(turned + i, static_cast<int>(lanes));
  }
  sums.add_to(G);
}

} // namespace nonneg::NONNEG_ISA
