// X'A for a dense X and a few components: columns of X in the lanes, so that no lane is padding.
#pragma once

#include "kernels/simd.hpp"
#include "kernels/views.hpp"

// For loops whose sums must stay in registers, to which a caller's own variables would come.
#define NONNEG_NOINLINE __attribute__((noinline))

namespace nonneg::NONNEG_ISA {

// Most components, of which all sums of a tile fit into the registers (D-CORE-NARROW).
constexpr int kMostNarrow = 6;

template <class T> NONNEG_INLINE bool is_narrow(int k) {
  return kLanes<T> >= 4 && k <= kMostNarrow;
}

// Sums of C components in a tile: 8 to 12 of them, or twice as many with more registers. More
// wait for no addition, and each vector and broadcast serves several.
constexpr int kNarrowVectors[] = {0, 8, 4, 4, 2, 2, 2}; // whole cache lines
template <int C>
constexpr int kNarrowWidth = kNarrowVectors[C] * (NONNEG_VECTOR_BYTES == 64 && C > 3 ? 2 : 1);

// Calls f(C, ...) with the number of components as a constant.
template <class F> NONNEG_INLINE void for_narrow(int k, F f) {
  switch (k) {
  case 1: f(std::integral_constant<int, 1>{}); break;
  case 2: f(std::integral_constant<int, 2>{}); break;
  case 3: f(std::integral_constant<int, 3>{}); break;
  case 4: f(std::integral_constant<int, 4>{}); break;
  case 5: f(std::integral_constant<int, 5>{}); break;
  case 6: f(std::integral_constant<int, 6>{}); break;
  }
}

// Calls f(H, i) for tiles of H of n rows from the i-th on, and of fewer where fewer are left.
template <int H, class F> NONNEG_INLINE void for_heights(Index n, F f, Index i = 0) {
  for (; i + H <= n; i += H)
    f(std::integral_constant<int, H>{}, i);
  if constexpr (H > 1)
    if (i < n)
      for_heights<H / 2>(n, f, i);
}

// Turns C sums of L lanes: vector l of the result, in groups of L components, has lane l of each.
template <int C, class T>
NONNEG_INLINE void turn_group(const Vec<T> *sums, Vec<T> (&turned)[kLanes<T>]) {
  constexpr int L = kLanes<T>;
  unroll<L>([&](auto c) NONNEG_LAMBDA {
    if constexpr (decltype(c)::value < C)
      turned[c] = sums[c];
    else
      turned[c] = fill<Vec<T>>(T(0));
  });
  transpose<L>(turned);
}

// out[j,:C] += sum_i X[i,j] A[i,:C] for N vectors of columns.
template <int N, int C, class T>
NONNEG_NOINLINE static void narrow_transposed_tile(const T *X, Index stride, Index rows,
                                                   const T *A, int kp, T *out) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>, Groups = (C + L - 1) / L;
  V sum[N * C];
  const auto with_groups = [&](auto f) NONNEG_LAMBDA {
    unroll<N>([&](auto v) NONNEG_LAMBDA {
      unroll<Groups>([&](auto g) NONNEG_LAMBDA {
        constexpr int first = decltype(g)::value * L, count = C - first < L ? C - first : L;
        f(std::integral_constant<int, count>{}, sum + v * C + first, out + v * L * kp + first);
      });
    });
  };
  with_groups([&](auto count, V *sums, const T *from) NONNEG_LAMBDA {
    V v[L];
    unroll<L>([&](auto l) NONNEG_LAMBDA { v[l] = load<V>(from + l * kp); });
    transpose<L>(v);
    unroll<decltype(count)::value>([&](auto c) NONNEG_LAMBDA { sums[c] = v[c]; });
  });
  for (Index i = 0; i < rows; ++i) {
    V x[N];
    unroll<N>([&](auto v) NONNEG_LAMBDA { x[v] = load<V>(X + i * stride + v * L); });
    unroll<C>([&](auto c) NONNEG_LAMBDA {
      const V a = fill<V>(A[i * kp + c]);
      unroll<N>([&](auto v) NONNEG_LAMBDA { sum[v * C + c] += x[v] * a; });
    });
  }
  with_groups([&](auto count, V *sums, T *to) NONNEG_LAMBDA {
    V v[L];
    turn_group<decltype(count)::value, T>(sums, v);
    unroll<L>([&](auto l) NONNEG_LAMBDA { store(to + l * kp, v[l]); });
  });
}

// sum (packed) += X' A for C components, over as many columns as fill whole vectors; returns
// their number. An entry is the same to the bit as by tiles with components in the lanes.
template <int C, class T>
static Index narrow_transposed(MatrixView<const T> X, const T *A, int kp, T *sum) {
  constexpr int L = kLanes<T>;
  const Index vectors = X.cols / L;
  for_heights<kNarrowWidth<C>>(vectors, [&](auto width, Index v) NONNEG_LAMBDA {
    narrow_transposed_tile<decltype(width)::value, C>(X.data + v * L, X.stride, X.rows, A, kp,
                                                      sum + v * L * kp);
  });
  return vectors * L;
}

} // namespace nonneg::NONNEG_ISA
