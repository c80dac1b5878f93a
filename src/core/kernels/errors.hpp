// Squares of X - W H', entry by entry, for rows of X.
#pragma once

#include "kernels/dense_products.hpp"
#include "kernels/simd.hpp"
#include "kernels/views.hpp"

namespace nonneg::NONNEG_ISA {

// The sum of the squares of n numbers less those of x, if there are any, in float64.
template <class T, bool has_x>
NONNEG_INLINE double row_of_squares(const T *y, const T *x, Index n) {
  constexpr int L = kLanes<T>, N = 4;
  using V = Vec<T>;
  Wide<T> squares[N];
  unroll<N>([&](auto v) NONNEG_LAMBDA { squares[v] = wide_zero<T>(); });
  const auto add = [&](auto v, Index at) NONNEG_LAMBDA {
    V error = load<V>(y + at);
    if constexpr (has_x)
      error -= load<V>(x + at);
    const Wide<T> wide = widened<T>(error);
    squares[v] += wide * wide;
  };
  Index j = 0;
  for (; j + N * L <= n; j += N * L)
    unroll<N>([&](auto v) NONNEG_LAMBDA { add(v, j + v * L); });
  unroll<N - 1>([&](auto v) NONNEG_LAMBDA { // of narrow rows these are most numbers
    if (j + L <= n)
      add(v, j), j += L;
  });
  double rest = 0;
  for (; j < n; ++j) {
    const double error = static_cast<double>(has_x ? y[j] - x[j] : y[j]);
    rest += error * error;
  }
  return rest + sum_wide<T>((squares[0] + squares[1]) + (squares[2] + squares[3]));
}

// W H' for rows of W, H k rows of `width` numbers; Y rows as wide.
template <class T>
NONNEG_INLINE void model_rows(MatrixView<const T> W, const T *H, Index n, int width, T *Y,
                              const Blas &blas) {
  dense_product_packed<T>(W, H, static_cast<int>(n), width, Y, blas);
}

template <class T>
static double dense_errors(MatrixView<const T> X, MatrixView<const T> W, const T *H, int width,
                           T *Y, const Blas &blas) {
  model_rows(W, H, X.cols, width, Y, blas);
  double sum = 0;
  for (Index i = 0; i < X.rows; ++i)
    sum += row_of_squares<T, true>(Y + i * width, X.data + i * X.stride, X.cols);
  return sum;
}

template <class T, class I>
static double csr_errors(const CsrView<T, I> &X, MatrixView<const T> W, const T *H, int width,
                         T *Y, const Blas &blas) {
  model_rows(W, H, X.cols, width, Y, blas);
  double sum = 0;
  for (Index i = 0; i < X.rows; ++i) {
    T *const y = Y + i * width;
    for (Index e = X.indptr[i]; e < X.indptr[i + 1]; ++e)
      y[X.indices[e]] -= X.values[e];
    sum += row_of_squares<T, false>(y, nullptr, X.cols);
  }
  return sum;
}

} // namespace nonneg::NONNEG_ISA
