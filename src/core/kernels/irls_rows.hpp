// Steps of iteratively reweighted non-negative least squares for the rows of a dense X of any
// strides. W H and the terms of its entries exist for some rows and columns at a time. The Hessians of
// all rows are one product: of the curvatures with the products of pairs of components.
#pragma once

#include "kernels/column_products.hpp"
#include "kernels/irls_interface.hpp"
#include "kernels/irls_model.hpp"
#include "kernels/irls_terms.hpp"
#include "kernels/packed_products.hpp"
#include "kernels/packed_rows.hpp"
#include "kernels/row_arrays.hpp"
#include "kernels/simd.hpp"

namespace nonneg::NONNEG_ISA {

// Bytes of a row of a tile, and of the products of pairs of components for as many columns
// (D-IRLS-TILES).
constexpr Index kIrlsRowBytes = 4096, kPairBytes = 1 << 19;
// Shares of the way to the model's minimum, each of the one before it, and how many are tried.
constexpr double kShorter = 0.4, kLeastDecrease = 1e-4;
constexpr int kIrlsTrials = 6;

// Numbers from the pairs of a column, or of a row, to those of the next.
template <class T> NONNEG_INLINE Index pairs_width(int k) {
  return padded<T>(static_cast<int>(pairs_of(k)));
}

// Columns that are computed with at a time, whole vectors.
template <class T> NONNEG_INLINE Index irls_panel(int k, Index n_columns) {
  constexpr Index L = kLanes<T>, size = static_cast<Index>(sizeof(T));
  const Index most = larger<Index>(4 * L, smaller<Index>(kIrlsRowBytes / size, kPairBytes / size / pairs_width<T>(k)));
  const Index panels = larger<Index>(1, (n_columns + most - 1) / most);
  return ((n_columns + panels - 1) / panels + L - 1) / L * L;
}

template <class T> struct IrlsScratch {
  T *rows, *moved, *tried;             // n_rows x k
  T *gradients, *hessians, *product;   // n_rows x k, n_rows x pairs_width
  T *x, *y, *curvatures;                // a tile, `stride` from row to row
  T *pairs;                            // of each column, and a vector more
  ModelLanes<T> lanes;
  double *before, *slack, *slope, *share; // n_rows
  double *first, *second, *after;         // n_rows
  Index *active;                          // n_rows
  Index stride;
};

template <class T>
NONNEG_INLINE Index irls_numbers(Index n_rows, int k, Index n_columns) {
  constexpr Index line = 64 / static_cast<Index>(sizeof(T));
  const Index stride = irls_panel<T>(k, n_columns) + line;
  const Index all = n_rows * (4 * static_cast<Index>(k) + 2 * pairs_width<T>(k) + 3 * stride) +
                    pairs_width<T>(k) * stride + kLanes<T> + ModelLanes<T>::numbers(k);
  return (all + line - 1) / line * line;
}

template <class T> static size_t irls_scratch(Index n_rows, int k, Index n_columns) {
  return sizeof(T) * static_cast<size_t>(irls_numbers<T>(n_rows, k, n_columns)) +
         8 * sizeof(double) * static_cast<size_t>(n_rows);
}

template <class T>
NONNEG_INLINE IrlsScratch<T> cut_irls(void *memory, Index n_rows, int k, Index n_columns) {
  IrlsScratch<T> s;
  T *next = static_cast<T *>(memory);
  const auto take = [&](Index n) NONNEG_LAMBDA {
    T *const numbers = next;
    next += n;
    return numbers;
  };
  s.stride = irls_panel<T>(k, n_columns) + 64 / static_cast<Index>(sizeof(T));
  s.lanes = ModelLanes<T>::cut(take(ModelLanes<T>::numbers(k)), k);
  s.pairs = take(pairs_width<T>(k) * s.stride + kLanes<T>);
  s.x = take(n_rows * s.stride);
  s.y = take(n_rows * s.stride);
  s.curvatures = take(n_rows * s.stride);
  s.rows = take(n_rows * k);
  s.moved = take(n_rows * k);
  s.tried = take(n_rows * k);
  s.gradients = take(n_rows * k);
  s.hessians = take(n_rows * pairs_width<T>(k));
  s.product = take(n_rows * pairs_width<T>(k));
  double *const doubles = reinterpret_cast<double *>(static_cast<T *>(memory) + irls_numbers<T>(n_rows, k, n_columns));
  s.before = doubles;
  s.slack = doubles + n_rows;
  s.slope = doubles + 2 * n_rows;
  s.share = doubles + 3 * n_rows;
  s.first = doubles + 4 * n_rows;
  s.second = doubles + 5 * n_rows;
  s.after = doubles + 6 * n_rows;
  s.active = reinterpret_cast<Index *>(doubles + 7 * n_rows);
  return s;
}

// A block of rows.
template <class T> class IrlsBlock {
public:
  IrlsBlock(const StridedView<T> &X, Index first, Index n_rows, const IrlsFactor<T> &other,
            const Irls<T> &options, const RowArrays<T> &rows, IrlsSums &sums, void *scratch)
      : X_(X), first_(first), n(n_rows), H_(other.H), B_(other.B), h_width_(other.h_width), b_width_(other.b_width), options_(options), rows_(rows),
        sums_(sums), k(options.k), powers(powers_of(options.beta)),
        wide(pairs_width<T>(options.k)), panel(irls_panel<T>(options.k, X.cols)), s(cut_irls<T>(scratch, n_rows, options.k, X.cols)) {
    for (Index i = 0; i < n; ++i)
      for (int t = 0; t < k; ++t)
        s.rows[i * k + t] = rows.start.data[(first + i) * rows.start.stride + t];
  }

  void step() {
    build();
    minimise();
    search();
    for (Index i = 0; i < n; ++i)
      for (int t = 0; t < k; ++t)
        rows_.solved.data[(first_ + i) * rows_.solved.stride + t] = s.rows[i * k + t];
  }

private:
  Index width_from(Index column) const { return smaller(panel, X_.cols - column); }

  // The tile of X from a column on, zeros behind its columns up to a whole vector.
  void read(Index column, Index width) {
    constexpr int L = kLanes<T>;
    const Index whole = (width + L - 1) / L * L;
    const T *const from = X_.data + first_ * X_.row_stride + column * X_.stride;
    Index i = 0;
    if (X_.row_stride == 1 && X_.stride != 1)
      for (; i + L <= n; i += L)
        read_turned(from + i, width, s.x + i * s.stride);
    for (; i < n; ++i) {
      T *const to = s.x + i * s.stride;
      const T *const row = from + i * X_.row_stride;
      if (X_.stride == 1)
        for (Index j = 0; j < width; ++j)
          to[j] = row[j];
      else
        for (Index j = 0; j < width; ++j)
          to[j] = row[j * X_.stride];
      for (Index j = width; j < whole; ++j)
        to[j] = T(0);
    }
  }

  // As many rows as there are lanes, which lie side by side.
  void read_turned(const T *from, Index width, T *to) {
    using V = Vec<T>;
    constexpr int L = kLanes<T>;
    for (Index j = 0; j < width; j += L) {
      V v[L];
      unroll<L>([&](auto i) NONNEG_LAMBDA {
        v[i] = j + i < width ? load<V>(from + (j + i) * X_.stride) : fill<V>(T(0));
      });
      transpose<L>(v);
      unroll<L>([&](auto r) NONNEG_LAMBDA { store(to + r * s.stride + j, v[r]); });
    }
  }

  // Those of the components of each column. Vectors that reach beyond the pairs of a component are
  // written over by the next one's, and zeros behind the last ones.
  void multiply_pairs(Index column, Index width) {
    using V = Vec<T>;
    constexpr int L = kLanes<T>;
    for (Index j = 0; j < width; ++j) {
      const T *const h = B_ + (column + j) * b_width_;
      T *to = s.pairs + j * wide;
      for (int t = 0; t < k; to += k - t, ++t) {
        const V one = fill<V>(h[t]);
        for (int u = t; u < k; u += L)
          store(to + (u - t), one * load<V>(h + u));
      }
      for (T *const end = s.pairs + (j + 1) * wide; to < end; ++to)
        *to = T(0);
    }
  }

  // hessians = or += the curvatures times the products of pairs.
  void add_hessians(Index column, Index width) {
    using V = Vec<T>;
    const bool first = column == 0;
    const int pairs = static_cast<int>(pairs_of(k));
    const MatrixView<const T> curvatures{s.curvatures, n, width, s.stride};
    dense_product_packed(curvatures, s.pairs, pairs, static_cast<int>(wide), first ? s.hessians : s.product, Blas{});
    for (Index i = 0; i < n * wide && !first; i += kLanes<T>)
      store(s.hessians + i, load<V>(s.hessians + i) + load<V>(s.product + i));
  }

  // The models of all rows: gradients, Hessians by pairs, and the objectives.
  void build() {
    for (Index i = 0; i < n * k; ++i)
      s.gradients[i] = T(0);
    for (Index i = 0; i < n; ++i)
      s.first[i] = s.second[i] = 0;
    for (Index column = 0; column < X_.cols; column += panel) {
      const Index width = width_from(column);
      read(column, width);
      multiply_pairs(column, width);
      column_product(s.rows, Index(k), n, k, H_ + column, h_width_, width, s.y, s.stride);
      for (Index i = 0; i < n; ++i) {
        const EntrySums<T> sums = row_terms_by<true>(powers, options_, s.x + i * s.stride,
                                                     s.y + i * s.stride, s.curvatures + i * s.stride, width);
        s.first[i] += wide_sum<T>(sums.first);
        s.second[i] += wide_sum<T>(sums.second);
        sums_.size += wide_sum<T>(sums.size);
      }
      add_row_sums(s.y, s.stride, n, H_ + column, h_width_, k, width, s.gradients, Index(k));
      add_hessians(column, width);
    }
    const double eps = sizeof(T) == 4 ? 1.1920929e-07 : 2.220446049250313e-16;
    for (Index i = 0; i < n; ++i) {
      s.before[i] = s.first[i] + s.second[i] + penalty(s.rows + i * k);
      s.slack[i] = eps * (size_of(s.first[i]) + size_of(s.second[i]));
    }
  }

  static double size_of(double x) { return x < 0 ? -x : x; }

  double penalty(const T *row) const {
    double sum = 0;
    for (int t = 0; t < k; ++t) {
      const double w = static_cast<double>(row[t]);
      sum += w * (static_cast<double>(options_.l1[t]) + 0.5 * static_cast<double>(options_.l2[t]) * w);
    }
    return sum;
  }

  // The minima of the models, and the slopes of the objectives on the way there.
  void minimise() {
    constexpr int L = kLanes<T>;
    for (Index i = 0; i < n; i += L) {
      const int n_rows = static_cast<int>(smaller<Index>(L, n - i));
      gather_models(options_, s.rows + i * k, s.gradients + i * k, s.hessians + i * wide, wide, n_rows,
                    s.lanes);
      minimise_models(k, s.lanes);
      for (int r = 0; r < n_rows; ++r) {
        double slope = 0;
        for (int t = 0; t < k; ++t) {
          const T before = s.lanes.start[t * L + r], after = s.lanes.row[t * L + r];
          const T g = s.gradients[(i + r) * k + t] + options_.l1[t] + options_.l2[t] * before;
          s.moved[(i + r) * k + t] = after;
          slope += static_cast<double>(g) * (static_cast<double>(after) - static_cast<double>(before));
          sums_.residual += size_of(static_cast<double>(g)) * static_cast<double>(before > after ? before : after);
        }
        s.slope[i + r] = slope;
      }
    }
  }

  // Takes the first share of the way along which the objective falls; at the end all rows are in
  // s.rows, where they were before if none is found.
  void search() {
    for (Index i = 0; i < n; ++i) {
      s.active[i] = i;
      s.share[i] = 1;
      s.after[i] = s.first[i] + s.second[i];
    }
    Index left = n;
    for (int trial = 0; trial < kIrlsTrials && left > 0; ++trial) {
      measure(left);
      Index kept = 0;
      for (Index a = 0; a < left; ++a) {
        const Index i = s.active[a];
        const double terms = s.first[a] + s.second[a], now = terms + penalty(s.tried + a * k);
        const double most = s.before[i] + kLeastDecrease * s.share[i] * s.slope[i] + s.slack[i];
        if (now <= most && now - now == 0) { // and finite
          s.after[i] = terms;
          for (int t = 0; t < k; ++t)
            s.rows[i * k + t] = s.tried[a * k + t];
        } else {
          s.share[i] *= kShorter;
          s.active[kept++] = i;
        }
      }
      if (trial == 0)
        sums_.shortened += static_cast<double>(kept);
      left = kept;
    }
    for (Index i = 0; i < n; ++i)
      sums_.value += s.after[i];
  }

  // The objectives of the first `left` active rows at their shares of the way.
  void measure(Index left) {
    for (Index a = 0; a < left; ++a) {
      const Index i = s.active[a];
      const T share = static_cast<T>(s.share[i]);
      for (int t = 0; t < k; ++t) {
        const T from = s.rows[i * k + t], to = s.moved[i * k + t];
        s.tried[a * k + t] = share == T(1) ? to : from + share * (to - from);
      }
      s.first[a] = s.second[a] = 0;
    }
    for (Index column = 0; column < X_.cols; column += panel) {
      const Index width = width_from(column);
      if (panel < X_.cols)
        read(column, width);
      column_product(s.tried, Index(k), left, k, H_ + column, h_width_, width, s.y, s.stride);
      for (Index a = 0; a < left; ++a) {
        const EntrySums<T> sums = row_terms_by<false>(powers, options_, s.x + s.active[a] * s.stride,
                                                      s.y + a * s.stride, s.curvatures, width);
        s.first[a] += wide_sum<T>(sums.first);
        s.second[a] += wide_sum<T>(sums.second);
      }
    }
  }

  const StridedView<T> &X_;
  const Index first_, n;
  const T *const H_, *const B_;
  const Index h_width_, b_width_;
  const Irls<T> &options_;
  const RowArrays<T> &rows_;
  IrlsSums &sums_;
  const int k;
  const Powers powers;
  const Index wide, panel;
  const IrlsScratch<T> s;
};

template <class T>
static void irls_step(const StridedView<T> &X, Index first, Index last, const IrlsFactor<T> &other,
                      const Irls<T> &options, const RowArrays<T> &rows, IrlsSums &sums,
                      void *scratch) {
  IrlsBlock<T> block(X, first, last - first, other, options, rows, sums, scratch);
  block.step();
  if (rows.moved.data)
    extrapolate(block_of(rows, first, last), options.momentum);
}

} // namespace nonneg::NONNEG_ISA
