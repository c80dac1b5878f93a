// Fused half-step on one block: product, solve and sums while the block is in cache.
#pragma once

#include "kernels/adaptive_sweeps.hpp"
#include "kernels/block_scratch.hpp"
#include "kernels/exact_method.hpp"
#include "kernels/packed_products.hpp"
#include "kernels/packed_rows.hpp"
#include "kernels/row_arrays.hpp"
#include "kernels/solve_interface.hpp"
#include "kernels/sweep.hpp"

namespace nonneg::NONNEG_ISA {

// Memory of a half-step on one block: that of its products, then that of the solve.
template <class T> struct UpdateScratch {
  BlockScratch<T> block;
  T *tile; // for solve_rows
};

template <class T> NONNEG_INLINE size_t update_bytes(Index n_rows, int width, int k) {
  const size_t tile = larger(sizeof(T) * adaptive_scratch<T>(k), exact_method_scratch<T>(k));
  return block_bytes<T>(n_rows, width, k) + rounded(tile);
}

template <class T>
NONNEG_INLINE UpdateScratch<T> cut_update(void *scratch, Index n_rows, int width, int k) {
  const BlockScratch<T> block = cut_block<T>(scratch, n_rows, width, k);
  return {block, static_cast<T *>(block.rest)};
}

// One multiplicative step for each row; `below` has room for k numbers.
template <class T>
static void multiplicative_rows(const Sweep<T> &s, const RowArrays<T> &rows,
                                MatrixView<const T> P, SolveSums &sums, T *__restrict below) {
  const int k = s.k;
  double cross = 0;
  for (Index i = 0; i < rows.solved.rows; ++i) {
    const T *a = rows.start.data + i * rows.start.stride, *p = P.data + i * P.stride;
    T *out = rows.solved.data + i * rows.solved.stride;
    for (int t = 0; t < k; ++t)
      below[t] = s.l1[t];
    for (int r = 0; r < k; ++r) {
      const T value = a[r], *g = s.gram + static_cast<Index>(r) * k;
      for (int t = 0; t < k; ++t)
        below[t] += value * g[t];
    }
    for (int t = 0; t < k; ++t) {
      const T moved = below[t] > T(0) ? a[t] * (p[t] / below[t]) : T(0);
      out[t] = moved;
    }
    // a loop of its own, without stores: where these overlap, or may, the compiler takes
    // another loop, which rounds a sum of products otherwise
    for (int t = 0; t < k; ++t)
      cross += static_cast<double>(p[t]) * static_cast<double>(out[t]);
  }
  sums.cross += cross;
}

// Solves for the rows by whatever method is asked for.
template <class T>
NONNEG_INLINE void solve_rows(const Solve<T> &solve, const RowArrays<T> &rows,
                              MatrixView<const T> P, SolveSums &sums, double *measures,
                              T *tile) {
  switch (solve.method) {
  case Method::sweep:
    copy_rows(rows.start, rows.solved);
    sweep_rows(solve.sweep, rows.solved, P, sums, tile);
    return;
  case Method::adaptive: adaptive_rows(solve, rows, P, sums, measures, tile); break;
  case Method::multiplicative:
    multiplicative_rows(solve.sweep, rows, P, sums, tile);
    return;
  case Method::exact: exact_method(solve, rows, P, sums, measures, tile); break;
  }
  if (rows.moved.data)
    extrapolate(rows, solve.momentum);
}

template <class T>
static void solve_only(const Solve<T> &solve, const RowArrays<T> &rows,
                       MatrixView<const T> P, SolveSums &sums, double *measures,
                       void *scratch) {
  const int k = solve.sweep.k;
  T *const tile = cut_update<T>(scratch, 0, 0, k).tile;
  solve_rows(solve, rows, P, sums, measures, tile);
}

// P = scale P + extra, for the rows from `first` on of a model that has either.
template <class T>
NONNEG_INLINE void adjust_rows(const Model<T> &model, Index first, Index n_rows, T *P,
                               int width) {
  const int k = model.solve.sweep.k;
  for (Index i = 0; i < n_rows; ++i) {
    T *__restrict const p = P + i * width;
    const T scale = model.scale ? model.scale[first + i] : T(1);
    if (model.extra.data) {
      const T *__restrict const extra = model.extra.data + (first + i) * model.extra.stride;
      for (int t = 0; t < k; ++t)
        p[t] = scale * p[t] + extra[t];
    } else {
      for (int t = 0; t < k; ++t)
        p[t] = scale * p[t];
    }
  }
}

// Right-hand sides of all components, `stride` apart: products of those that move, and `extra`.
template <class T>
NONNEG_INLINE void spread_rows(const Model<T> &model, Index first, Index n_rows, const T *packed,
                               int width, T *spread, int stride) {
  const int k = model.solve.sweep.k;
  const bool together = model.moves_together();
  for (Index i = 0; i < n_rows; ++i) {
    T *__restrict const p = spread + i * stride;
    const T *__restrict const product = packed + i * width;
    pack_row(model.extra.data + (first + i) * model.extra.stride, k, stride, p);
    const T scale = model.scale ? model.scale[first + i] : T(1);
    if (together) { // without a table of places, so that the compiler takes vectors
      T *__restrict const part = p + model.moving[0];
      for (int j = 0; j < model.n_moving; ++j)
        part[j] += scale * product[j];
      continue;
    }
    for (int j = 0; j < model.n_moving; ++j)
      p[model.moving[j]] += scale * product[j];
  }
}

// <extra, A> of rows from `first` on, with the results A of these rows.
template <class T>
NONNEG_INLINE double cross_of_extra(const Model<T> &model, Index first, MatrixView<const T> A) {
  double cross = 0;
  for (Index i = 0; i < A.rows; ++i)
    cross += inner_product(model.extra.data + (first + i) * model.extra.stride,
                           A.data + i * A.stride, model.solve.sweep.k);
  return cross;
}

// The components of A that move, `stride` apart, zeros behind them up to kp numbers.
template <class T>
NONNEG_INLINE void pack_moving(const Model<T> &model, MatrixView<const T> A, T *packed,
                               int stride, int kp) {
  if (model.moves_together()) {
    pack(MatrixView<const T>{A.data + model.moving[0], A.rows, model.n_moving, A.stride},
         packed, stride, kp);
    return;
  }
  for (Index i = 0; i < A.rows; ++i) {
    T *const row = packed + i * stride;
    for (int j = 0; j < model.n_moving; ++j)
      row[j] = A.data[i * A.stride + model.moving[j]];
    for (int j = model.n_moving; j < kp; ++j)
      row[j] = T(0);
  }
}

// Numbers of a packed row that model m writes: its own, and the last one the padding too.
template <class T>
NONNEG_INLINE int share(const Model<T> *models, int m, int n_models, int width) {
  return m + 1 < n_models ? models[m].packed() : width - models[m].offset;
}

// Solves for the rows [first, last) of every model by the packed right-hand sides in
// scratch.block.rows, adds Gram matrices, and leaves the packed results in their place.
template <class T>
NONNEG_INLINE void solve_block(const Model<T> *models, ModelSums *sums, int n_models,
                               Index first, Index last, int width, bool pack_results,
                               const UpdateScratch<T> &scratch) {
  for (int m = 0; m < n_models; ++m) {
    const Model<T> &model = models[m];
    const RowArrays<T> rows = block_of(model.rows, first, last);
    T *const P = scratch.block.rows + model.offset;
    MatrixView<const T> rhs{P, last - first, model.solve.sweep.k, width};
    if (model.moving) {
      T *const spread = scratch.block.rows + (last - first) * width;
      rhs.stride = padded<T>(model.solve.sweep.k);
      rhs.data = spread;
      spread_rows(model, first, last - first, P, width, spread, static_cast<int>(rhs.stride));
    } else if (model.scale || model.extra.data) {
      adjust_rows(model, first, last - first, P, width);
    }
    const double cross = sums[m].sums.cross;
    solve_rows(model.solve, rows, rhs, sums[m].sums, sums[m].measures, scratch.tile);
    if (model.moving)
      sums[m].sums.cross = cross + cross_of_extra(model, first, rows.result());
    if (sums[m].gram)
      gram<T>(rows.result(), sums[m].gram, scratch.block.gram);
    if (pack_results && model.moving)
      pack_moving(model, rows.result(), P, width, share(models, m, n_models, width));
    else if (pack_results)
      pack(rows.result(), P, width, share(models, m, n_models, width));
    if (pack_results && model.scale)
      for (Index i = 0; i < last - first; ++i)
        for (int t = 0; t < model.packed(); ++t)
          P[i * width + t] *= model.scale[first + i];
  }
}

// Numbers of the packed rows but for the padding behind the last model.
template <class T> NONNEG_INLINE int wanted(const Model<T> *models, int n_models) {
  return models[n_models - 1].offset + models[n_models - 1].packed();
}

// With room for the right-hand sides of a model of which some components move, behind the
// packed rows.
template <class T>
NONNEG_INLINE UpdateScratch<T> cut_for(void *scratch, Index n_rows, int width,
                                       const Model<T> *models, int n_models) {
  int k = 0, spread = 0;
  for (int m = 0; m < n_models; ++m) {
    k = larger(k, models[m].solve.sweep.k);
    if (models[m].moving)
      spread = larger(spread, padded<T>(models[m].solve.sweep.k));
  }
  return cut_update<T>(scratch, n_rows, width + spread, k);
}

template <class T>
static void dense_update(MatrixView<const T> X, Index first, const T *B, int width,
                         const Model<T> *models, ModelSums *sums, int n_models, T *rhs,
                         const Blas &blas, void *scratch) {
  const UpdateScratch<T> cuts = cut_for(scratch, X.rows, width, models, n_models);
  const int n_wanted = wanted(models, n_models);
  dense_product_packed(X, B, n_wanted, width, cuts.block.rows, blas);
  solve_block(models, sums, n_models, first, first + X.rows, width, rhs != nullptr, cuts);
  if (rhs)
    dense_transposed_packed(X, cuts.block.rows, n_wanted, width, rhs, blas);
}

template <class T, class I>
static void csr_update(const CsrView<T, I> &X, Index first, Index last, const T *B,
                       int width, const Model<T> *models, ModelSums *sums, int n_models,
                       T *rhs, void *scratch) {
  const UpdateScratch<T> cuts = cut_for(scratch, last - first, width, models, n_models);
  csr_product_packed(X, first, last, B, width, cuts.block.rows, cuts.block.cursor);
  solve_block(models, sums, n_models, first, last, width, rhs != nullptr, cuts);
  if (rhs)
    csr_transposed_packed(X, first, last, cuts.block.rows, width, rhs, cuts.block.cursor);
}

} // namespace nonneg::NONNEG_ISA
