// Multiplicative half-step for β-divergences on rows of a dense X: the ratios of X and W H,
// the step, and the sums for the other factor. W H exists for a few rows at a time, in cache;
// columns lie along the vectors in all products.
#pragma once

#include "kernels/beta_interface.hpp"
#include "kernels/beta_rows.hpp"
#include "kernels/beta_terms.hpp"
#include "kernels/column_products.hpp"
#include "kernels/packed_rows.hpp"
#include "kernels/simd.hpp"

namespace nonneg::NONNEG_ISA {

// Rows of a tile, whose sums for the other factor are added up in registers, and bytes of one
// of its rows: as many as let the kProductRows that are computed with lie in the first level
// of the cache, and a tile in the second (D-CORE-BETA-TILES).
constexpr Index kBetaRows = 64, kBetaRowBytes = 4096;

// Columns that are computed with at a time, whole vectors.
template <class T> NONNEG_INLINE Index beta_panel(Index n_columns) {
  constexpr Index L = kLanes<T>, most = kBetaRowBytes / static_cast<Index>(sizeof(T));
  const Index panels = larger<Index>(1, (n_columns + most - 1) / most);
  return larger<Index>(L, ((n_columns + panels - 1) / panels + L - 1) / L * L);
}

// Between rows of a tile: not a multiple of the distance at which addresses share a set.
template <class T> NONNEG_INLINE Index beta_stride(Index n_columns) {
  return beta_panel<T>(n_columns) + 64 / static_cast<Index>(sizeof(T));
}

template <class T> struct DenseScratch {
  T *rows, *numerator, *denominator; // packed rows of a tile
  T *ratio, *power;                  // the tile twice
  T *ends;                           // the last vector of each row of X, zeros behind it
  Index stride;                      // of ratio and power
};

template <class T>
NONNEG_INLINE DenseScratch<T> cut_dense(void *scratch, int width, Index n_columns) {
  const Index stride = beta_stride<T>(n_columns), packed = kBetaRows * width;
  T *const rows = static_cast<T *>(scratch), *const ratio = rows + 3 * packed;
  T *const power = ratio + kBetaRows * stride;
  return {rows, rows + packed, rows + 2 * packed, ratio, power, power + kBetaRows * stride, stride};
}

template <class T> static size_t dense_beta_scratch(int width, Index n_columns) {
  const Index row = 3 * width + 2 * beta_stride<T>(n_columns) + kLanes<T>;
  return sizeof(T) * static_cast<size_t>(kBetaRows * row);
}

// A row of X from some column on, read by whole vectors.
template <class T> struct DenseRow {
  const T *x, *end; // the last vector, if it isn't whole
  Index n;

  NONNEG_INLINE Vec<T> at(const DenseRow &row, Index j) {
    return load<Vec<T>>(j + kLanes<T> <= row.n ? row.x + j : row.end);
  }
};

// Sets the lanes of the row's last vector that are behind the columns to zero.
template <class T> NONNEG_INLINE void clear_behind(T *row, Index n) {
  for (Index j = n; j % kLanes<T> != 0; ++j)
    row[j] = T(0);
}

// Both terms of N vectors of a row from column j on, in the places of y and of its power.
template <Powers powers, int N, class T>
NONNEG_INLINE void store_terms(const BetaTerms<T> &terms, Vec<T> least, const DenseRow<T> &row,
                               Index j, T *ratio, T *power) {
  using S = Beside<Vec<T>, N>;
  constexpr int L = kLanes<T>;
  S negative, positive;
  both_terms<powers, T, N>(
      terms, least,
      S::of([&](auto i) NONNEG_LAMBDA { return DenseRow<T>::at(row, j + i * L); }),
      S::of([&](auto i) NONNEG_LAMBDA { return load<Vec<T>>(ratio + j + i * L); }), negative,
      positive);
  unroll<N>([&](auto i) NONNEG_LAMBDA {
    store(ratio + j + i * L, negative.part[i]);
    if constexpr (powers != Powers::flat)
      store(power + j + i * L, positive.part[i]);
  });
}

template <Powers powers, class T>
static void row_terms(const BetaTerms<T> &terms, const DenseRow<T> &row, T *ratio, T *power) {
  constexpr bool is_short = powers == Powers::flat || powers == Powers::inverse;
  constexpr int L = kLanes<T>, N = is_short ? 1 : kTermVectors;
  const BetaTerms<T> own = terms; // a copy: stores might change what a reference refers to
  const Vec<T> least = floor_power<powers, T>(own);
  Index j = 0;
  for (; j + N * L <= row.n; j += N * L)
    store_terms<powers, N>(own, least, row, j, ratio, power);
  for (; j < row.n; j += L)
    store_terms<powers, 1>(own, least, row, j, ratio, power);
  clear_behind(ratio, row.n);
  if constexpr (powers != Powers::flat)
    clear_behind(power, row.n);
}

// β = 1: the second derivative times the sum of the row of W.
template <class T>
static void row_bends(const BetaTerms<T> &terms, const DenseRow<T> &row, const T *y, T *bends,
                      T weight) {
  using V = Vec<T>;
  for (Index j = 0; j < row.n; j += kLanes<T>)
    store(bends + j, terms.bend(DenseRow<T>::at(row, j), load<V>(y + j)) * fill<V>(weight));
  clear_behind(bends, row.n);
}

template <class T>
static double row_value(const BetaTerms<T> &terms, const DenseRow<T> &row, const T *y) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  V value = fill<V>(T(0));
  for (Index j = 0; j < row.n; j += L) {
    const V x = DenseRow<T>::at(row, j), y_j = load<V>(y + j);
    V sum = terms.present(x, y_j) + terms.anywhere(y_j);
    for (Index lane = row.n - j; lane < L; ++lane)
      sum[static_cast<int>(lane)] = T(0);
    value += sum;
  }
  return wide_sum<T>(value);
}

// One block of rows, column panel by column panel.
template <class T> class DenseTile {
public:
  DenseTile(MatrixView<const T> X, Index first, const BetaBlock<T> &block, void *scratch)
      : X_(X), first_(first), b(block), options(*block.options),
        terms{static_cast<T>(options.beta), fill<Vec<T>>(options.floor)},
        powers(powers_of(options.beta)), s(cut_dense<T>(scratch, block.width, X.cols)),
        panel(beta_panel<T>(X.cols)) {
    for (Index i = 0; i < X.rows; ++i)
      pack_row(b.start.data + (first + i) * b.start.stride, options.k, b.width,
               s.rows + i * b.width);
    const Index begin = X.cols / kLanes<T> * kLanes<T>;
    for (Index i = 0; i < X.rows && begin < X.cols; ++i)
      for (Index lane = 0; lane < kLanes<T>; ++lane)
        s.ends[i * kLanes<T> + lane] =
            begin + lane < X.cols ? X.data[i * X.stride + begin + lane] : T(0);
  }

  // The step, kProductRows rows at a time; with `sums` also those for the other factor, where
  // the rows don't move and both are beside one factor.
  void step(bool sums) {
    for (Index i = 0; i < X_.rows * b.width; ++i)
      s.numerator[i] = s.denominator[i] = T(0);
    for (Index column = 0; column < X_.cols; column += panel) {
      for (Index i = 0; i < X_.rows; i += kProductRows) {
        const Index n = smaller<Index>(kProductRows, X_.rows - i);
        terms_of(b.other.H, i, n, column, sums && b.value, true, sums && bends());
        row_sums(i, n, column);
      }
      if (sums && b.numerator)
        feature_sums(column);
    }
    for (Index i = 0; i < X_.rows; ++i)
      conclude_row(b, first_ + i, s.rows + i * b.width, s.numerator + i * b.width,
                   flat() ? options.column_sums : s.denominator + i * b.width);
  }

  // The sums for the other factor, and the value.
  void sums() {
    for (Index column = 0; column < X_.cols; column += panel) {
      for (Index i = 0; i < X_.rows; i += kProductRows) {
        const Index n = smaller<Index>(kProductRows, X_.rows - i);
        terms_of(b.after.H, i, n, column, b.value, b.numerator, bends());
      }
      if (b.numerator)
        feature_sums(column);
    }
  }

private:
  bool flat() const { return powers == Powers::flat; }
  bool bends() const { return flat() && b.denominator; }
  Index width_from(Index column) const { return smaller(panel, X_.cols - column); }

  // Those of some rows, beside H: y, then what is asked for in its place.
  void terms_of(const T *H, Index row, Index n, Index column, bool wants_value, bool wants_terms,
                bool wants_bends) {
    T *const y = s.ratio + row * s.stride, *const power = s.power + row * s.stride;
    const Index n_columns = width_from(column);
    column_product(s.rows + row * b.width, b.width, n, options.k, H + column, b.h_width,
                   n_columns, y, s.stride);
    for (Index i = 0; i < n; ++i) {
      const DenseRow<T> x{X_.data + (row + i) * X_.stride + column, s.ends + (row + i) * kLanes<T>,
                          n_columns};
      T *const y_i = y + i * s.stride, *const power_i = power + i * s.stride;
      if (wants_value)
        *b.value += row_value(terms, x, y_i);
      if (wants_bends)
        row_bends(terms, x, y_i, power_i, packed_sum(s.rows + (row + i) * b.width, b.width));
      if (wants_terms)
        by_powers(x, y_i, power_i);
      if (row + i + kProductRows < X_.rows)
        fetch(x.x + kProductRows * X_.stride, n_columns);
    }
  }

  // Has a row of X on its way while the product for the rows before it is made: that one reads
  // nothing of X, so that the processor doesn't foresee what comes (D-CORE-BETA-FETCH).
  static void fetch(const T *x, Index n) {
    for (Index j = 0; j < n; j += 64 / static_cast<Index>(sizeof(T)))
      __builtin_prefetch(x + j, 0, 2);
  }

  void by_powers(const DenseRow<T> &x, T *y, T *power) {
    switch (powers) {
    case Powers::flat: row_terms<Powers::flat>(terms, x, y, power); break;
    case Powers::inverse: row_terms<Powers::inverse>(terms, x, y, power); break;
    case Powers::root: row_terms<Powers::root>(terms, x, y, power); break;
    case Powers::any: row_terms<Powers::any>(terms, x, y, power); break;
    }
  }

  void row_sums(Index row, Index n, Index column) {
    const T *const H = b.other.H + column;
    const Index n_columns = width_from(column), to = row * b.width;
    add_row_sums(s.ratio + row * s.stride, s.stride, n, H, b.h_width, options.k, n_columns,
                 s.numerator + to, b.width);
    if (!flat())
      add_row_sums(s.power + row * s.stride, s.stride, n, H, b.h_width, options.k, n_columns,
                   s.denominator + to, b.width);
  }

  void feature_sums(Index column) {
    const Index n_columns = width_from(column);
    add_feature_sums(s.ratio, s.stride, X_.rows, s.rows, b.width, options.k, n_columns,
                     b.numerator + column, b.h_width);
    if (b.denominator)
      add_feature_sums(s.power, s.stride, X_.rows, s.rows, b.width, options.k, n_columns,
                       b.denominator + column, b.h_width);
  }

  const MatrixView<const T> X_;
  const Index first_;
  const BetaBlock<T> &b;
  const Beta<T> &options;
  const BetaTerms<T> terms;
  const Powers powers;
  const DenseScratch<T> s;
  const Index panel;
};

template <class T>
static void dense_beta(MatrixView<const T> X, Index first, const BetaBlock<T> &b, void *scratch) {
  const bool sums = b.numerator || b.value;
  const bool at_once = b.solved.data && !b.options->move && b.other.H == b.after.H;
  for (Index row = 0; row < X.rows; row += kBetaRows) {
    const Index n = smaller<Index>(kBetaRows, X.rows - row);
    DenseTile<T> tile({X.data + row * X.stride, n, X.cols, X.stride}, first + row, b, scratch);
    if (b.solved.data)
      tile.step(sums && at_once);
    if (sums && !at_once)
      tile.sums();
  }
}

} // namespace nonneg::NONNEG_ISA
