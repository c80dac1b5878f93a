// Multiplicative half-step for β-divergences on rows of a sparse X, of which W H is made as a
// tile of a few rows: the ratios of X and W H, the step, and the sums for the other factor.
#pragma once

#include "kernels/beta_entries.hpp"
#include "kernels/beta_interface.hpp"
#include "kernels/beta_rows.hpp"
#include "kernels/beta_terms.hpp"
#include "kernels/csr_entries.hpp"
#include "kernels/packed_products.hpp"
#include "kernels/packed_rows.hpp"
#include "kernels/simd.hpp"

namespace nonneg::NONNEG_ISA {

constexpr Index kBetaTile = 1 << 17; // numbers of W H at a time

NONNEG_INLINE Index beta_tile_rows(Index n_columns) {
  const Index fit = kBetaTile / larger<Index>(1, n_columns);
  return fit < 8 ? 8 : fit > 128 ? 128 : fit / 4 * 4;
}

template <class T> struct BetaScratch {
  T *rows, *numerator, *denominator; // packed rows of a tile
  T *ratio, *power;                  // the tile twice, h_width numbers a row
};

template <class T>
NONNEG_INLINE BetaScratch<T> cut_beta(void *scratch, const BetaBlock<T> &b, Index n_columns) {
  const Index n = beta_tile_rows(n_columns);
  T *memory = static_cast<T *>(scratch);
  return {memory, memory + n * b.width, memory + 2 * n * b.width, memory + 3 * n * b.width,
          memory + 3 * n * b.width + n * b.h_width};
}

// The stored entries of row i: their negative terms to `values`, and the value; y is the
// whole row of W H.
template <class T, class I>
static double sparse_terms(const CsrView<T, I> &X, Index i, const BetaTerms<T> &terms,
                           bool wants_value, const T *y, T *values) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  V value = fill<V>(T(0));
  for (Index e = X.indptr[i]; e < X.indptr[i + 1]; e += L) {
    const Index n = smaller<Index>(L, X.indptr[i + 1] - e);
    alignas(64) T y_e[L];
    for (Index p = 0; p < L; ++p)
      y_e[p] = y[X.indices[e + (p < n ? p : 0)]];
    const V x = n == L ? load<V>(X.values + e) : load_some(X.values + e, n);
    const V negative = terms.negative(x, load<V>(y_e));
    for (Index p = 0; p < n; ++p)
      values[e - X.indptr[i] + p] = negative[static_cast<int>(p)];
    if (wants_value)
      value += terms.present(x, load<V>(y_e));
  }
  return wide_sum<T>(value);
}

// y^(β-1) in place, and the sum of what of the value depends on y alone.
template <class T>
static double all_terms(const BetaTerms<T> &terms, Index n_columns, bool wants_value, T *y) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  V value = fill<V>(T(0));
  Index j = 0;
  if (!wants_value) { // several powers side by side
    constexpr int N = kTermVectors;
    using S = Beside<V, N>;
    for (; j + N * L <= n_columns; j += N * L) {
      const S powers = terms.template positives<N>(
          S::of([&](auto i) NONNEG_LAMBDA { return load<V>(y + j + i * L); }));
      unroll<N>([&](auto i) NONNEG_LAMBDA { store(y + j + i * L, powers.part[i]); });
    }
  }
  for (; j < n_columns; j += L) {
    const V y_j = load<V>(y + j);
    if (wants_value) {
      V sum = terms.anywhere(y_j);
      for (Index lane = n_columns - j; lane < L; ++lane)
        sum[static_cast<int>(lane)] = T(0);
      value += sum;
    }
    store(y + j, terms.positive(y_j));
  }
  return wide_sum<T>(value);
}

template <class T, class I>
static void csr_beta_tile(const CsrView<T, I> &X, Index first, Index last,
                          const BetaBlock<T> &b, const Blas &blas, void *scratch) {
  const Beta<T> &options = *b.options;
  const BetaTerms<T> terms{static_cast<T>(options.beta), fill<Vec<T>>(options.floor)};
  const BetaScratch<T> s = cut_beta(scratch, b, X.cols);
  const Index n = last - first;
  const int n_columns = static_cast<int>(X.cols), wide = static_cast<int>(b.h_width);
  const MatrixView<const T> rows{s.rows, n, options.k, b.width};
  const MatrixView<const T> ratio{s.ratio, n, X.cols, b.h_width};
  // once for the step, once for the sums
  for (int round = b.solved.data ? 0 : 1; round < 2; ++round) {
    if (round == 1 && !b.numerator && !b.value)
      break;
    const T *const H = round == 0 ? b.other.H : b.after.H;
    dense_product_packed(rows, H, n_columns, wide, s.ratio, blas);
    for (Index i = 0; i < n; ++i) {
      const Index from = X.indptr[first + i], to = X.indptr[first + i + 1];
      T *const y = s.ratio + i * b.h_width;
      const bool wants_value = round == 1 && b.value;
      double value = sparse_terms(X, first + i, terms, wants_value, y, s.power);
      value += all_terms(terms, X.cols, wants_value, y);
      if (wants_value)
        *b.value += value;
      const Index filled = to - from;
      const CsrView<T, I> weighted{s.power, X.indices + from, nullptr, 1, X.cols};
      if (round == 0) {
        T *const sum = s.numerator + i * b.width;
        for (int t = 0; t < b.width; ++t)
          sum[t] = 0;
        csr_gather(weighted, 0, filled, filled, b.other.B, b.width, sum);
      } else if (b.numerator)
        csr_scatter(weighted, 0, filled, filled, s.rows + i * b.width, b.width, b.numerator);
    }
    if (round == 0) {
      dense_product_packed(ratio, b.other.B, options.k, b.width, s.denominator, blas);
      for (Index i = 0; i < n; ++i)
        conclude_row(b, first + i, s.rows + i * b.width, s.numerator + i * b.width,
                     s.denominator + i * b.width);
    } else if (b.numerator)
      dense_transposed_packed(ratio, s.rows, options.k, b.width, b.denominator, blas);
  }
}

template <class T, class I>
static void csr_beta(const CsrView<T, I> &X, Index first, Index last, const BetaBlock<T> &b,
                     const Blas &blas, void *scratch) {
  if (b.options->beta == 1) {
    csr_kullback(X, first, last, b, static_cast<T *>(scratch));
    return;
  }
  const BetaScratch<T> s = cut_beta(scratch, b, X.cols);
  const Index step = beta_tile_rows(X.cols);
  for (Index row = first; row < last; row += step) {
    const Index end = smaller(row + step, last);
    for (Index i = row; i < end; ++i)
      pack_row(b.start.data + i * b.start.stride, b.options->k, b.width,
               s.rows + (i - row) * b.width);
    csr_beta_tile(X, row, end, b, blas, scratch);
  }
}

// Bytes that a block needs; without `tiles` at β = 1.
template <class T> static size_t beta_scratch(int width, Index n_columns, bool tiles) {
  const Index n = beta_tile_rows(n_columns), wide = padded<T>(static_cast<int>(n_columns));
  const Index numbers = tiles ? n * (3 * width + 2 * wide) : 3 * width;
  return sizeof(T) * static_cast<size_t>(numbers);
}

} // namespace nonneg::NONNEG_ISA
