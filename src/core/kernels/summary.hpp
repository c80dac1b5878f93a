// Sum, sum of squares and smallest entry of a block of rows.
#pragma once

#include "kernels/product_interface.hpp"
#include "kernels/simd.hpp"

namespace nonneg::NONNEG_ISA {

// Sum and sum of squares in float64, four accumulators of each, and the smallest entry.
template <class T> static void summary(MatrixView<const T> X, Summary &out) {
  constexpr int L = kLanes<T>, N = 4;
  using V = Vec<T>;
  using W = typename VectorOf<double, L>::type;
  W sums[N], squares[N];
  unroll<N>([&](auto v) NONNEG_LAMBDA { sums[v] = squares[v] = fill<W>(0.0); });
  V least[N];
  unroll<N>([&](auto v) NONNEG_LAMBDA { least[v] = fill<V>(T(1) / T(0)); });
  double rest = 0, rest_square = 0;
  for (Index i = 0; i < X.rows; ++i) {
    const T *x = X.data + i * X.stride;
    Index j = 0;
    for (; j + N * L <= X.cols; j += N * L)
      unroll<N>([&](auto v) NONNEG_LAMBDA {
        const V narrow = load<V>(x + j + v * L);
        least[v] = narrow < least[v] ? narrow : least[v];
        const W wide = __builtin_convertvector(narrow, W);
        sums[v] += wide;
        squares[v] += wide * wide;
      });
    for (; j < X.cols; ++j) {
      const double value = static_cast<double>(x[j]);
      rest += value;
      rest_square += value * value;
      out.least = smaller(out.least, value);
    }
  }
  unroll<N>([&](auto v) NONNEG_LAMBDA {
    rest += sum_lanes<double>(sums[v]);
    rest_square += sum_lanes<double>(squares[v]);
    for (int lane = 0; lane < L; ++lane)
      out.least = smaller(out.least, static_cast<double>(least[v][lane]));
  });
  out.sum += rest;
  out.square += rest_square;
}

} // namespace nonneg::NONNEG_ISA
