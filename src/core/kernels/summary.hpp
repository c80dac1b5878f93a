// Sum, sum of squares and smallest entry of a block of rows.
#pragma once

#include "kernels/product_interface.hpp"
#include "kernels/simd.hpp"

namespace nonneg::NONNEG_ISA {

// Sum and sum of squares in float64, four accumulators of each, and the smallest entry.
template <class T> static void summary(MatrixView<const T> X, Summary &out) {
  constexpr int L = kLanes<T>, N = 4;
  using V = Vec<T>;
  Wide<T> sums[N], squares[N];
  unroll<N>([&](auto v) NONNEG_LAMBDA { sums[v] = squares[v] = wide_zero<T>(); });
  V least[N];
  unroll<N>([&](auto v) NONNEG_LAMBDA { least[v] = fill<V>(T(1) / T(0)); });
  double rest = 0, rest_square = 0;
  for (Index i = 0; i < X.rows; ++i) {
    const T *x = X.data + i * X.stride;
    const auto add = [&](auto v, const T *at) NONNEG_LAMBDA {
      const V narrow = load<V>(at);
      least[v] = narrow < least[v] ? narrow : least[v];
      const Wide<T> wide = widened<T>(narrow);
      sums[v] += wide;
      squares[v] += wide * wide;
    };
    Index j = 0;
    for (; j + N * L <= X.cols; j += N * L)
      unroll<N>([&](auto v) NONNEG_LAMBDA { add(v, x + j + v * L); });
    unroll<N - 1>([&](auto v) NONNEG_LAMBDA { // of narrow rows these are most numbers
      if (j + L <= X.cols)
        add(v, x + j), j += L;
    });
    for (; j < X.cols; ++j) {
      const double value = static_cast<double>(x[j]);
      rest += value;
      rest_square += value * value;
      out.least = smaller(out.least, value);
    }
  }
  unroll<N>([&](auto v) NONNEG_LAMBDA {
    rest += sum_wide<T>(sums[v]);
    rest_square += sum_wide<T>(squares[v]);
    for (int lane = 0; lane < L; ++lane)
      out.least = smaller(out.least, static_cast<double>(least[v][lane]));
  });
  out.sum += rest;
  out.square += rest_square;
}

} // namespace nonneg::NONNEG_ISA
