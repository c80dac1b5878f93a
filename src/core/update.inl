// Fused half-step on one block: product, solve and sums while the block is in cache.

template <class T> struct BlockScratch {
  T *rows;       // packed rows: first the right-hand sides, then the new factor rows
  T *tile;       // for solve_rows
  double *gram;  // for gram
  Index *cursor; // one place in each row of a CSR block
};

NONNEG_INLINE size_t rounded(size_t bytes) { return (bytes + 63) / 64 * 64; }

template <class T>
NONNEG_INLINE BlockScratch<T> cut(void *scratch, Index n_rows, int width, int k,
                                  size_t *bytes) {
  const size_t sizes[] = {
      rounded(sizeof(T) * static_cast<size_t>(n_rows * width)),
      rounded(larger(sizeof(T) * adaptive_scratch<T>(k), exact_method_scratch<T>(k))),
      rounded(sizeof(double) * static_cast<size_t>(kGramRows * gram_width(k))),
      rounded(sizeof(Index) * static_cast<size_t>(n_rows))};
  char *const rows = static_cast<char *>(scratch), *const tile = rows + sizes[0],
             *const gram = tile + sizes[1], *const cursor = gram + sizes[2];
  if (bytes)
    *bytes = sizes[0] + sizes[1] + sizes[2] + sizes[3];
  return {reinterpret_cast<T *>(rows), reinterpret_cast<T *>(tile),
          reinterpret_cast<double *>(gram), reinterpret_cast<Index *>(cursor)};
}

template <class T>
NONNEG_INLINE BlockScratch<T> cut(void *scratch, Index n_rows, int k) {
  return cut<T>(scratch, n_rows, padded<T>(k), k, nullptr);
}

// One multiplicative step for each row; `below` has room for k numbers.
template <class T>
static void multiplicative_rows(const Sweep<T> &s, const RowArrays<T> &rows,
                                MatrixView<const T> P, SolveSums &sums, T *below) {
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
      cross += static_cast<double>(p[t]) * static_cast<double>(moved);
    }
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
  solve_rows(solve, rows, P, sums, measures, cut<T>(scratch, 0, solve.sweep.k).tile);
}

template <class T> static void gram_only(MatrixView<const T> A, double *G, void *scratch) {
  gram<T>(A, G, cut<T>(scratch, 0, static_cast<int>(A.cols)).gram);
}

template <class T>
NONNEG_INLINE RowArrays<T> block_of(const RowArrays<T> &all, Index first, Index last) {
  const auto part = [&](auto A) NONNEG_LAMBDA {
    A.data = A.data ? A.data + first * A.stride : nullptr;
    A.rows = last - first;
    return A;
  };
  return {part(all.start), part(all.previous), part(all.solved), part(all.moved)};
}

// Solves for the rows [first, last) of every model by the packed right-hand sides in
// scratch.rows, adds Gram matrices, and leaves the packed results in their place.
template <class T>
NONNEG_INLINE void solve_block(const Model<T> *models, ModelSums *sums, int n_models,
                               Index first, Index last, int width, bool pack_results,
                               const BlockScratch<T> &scratch) {
  for (int m = 0; m < n_models; ++m) {
    const Model<T> &model = models[m];
    const RowArrays<T> rows = block_of(model.rows, first, last);
    T *const P = scratch.rows + model.at;
    solve_rows(model.solve, rows,
               MatrixView<const T>{P, last - first, model.solve.sweep.k, width},
               sums[m].sums, sums[m].measures, scratch.tile);
    if (sums[m].gram)
      gram<T>(rows.result(), sums[m].gram, scratch.gram);
    if (pack_results)
      pack(rows.result(), P, width);
  }
}

// Components that a product must reach: all but the padding of the last model.
template <class T> NONNEG_INLINE int reach(const Model<T> *models, int n_models) {
  return models[n_models - 1].at + models[n_models - 1].solve.sweep.k;
}

template <class T>
NONNEG_INLINE BlockScratch<T> cut_for(void *scratch, Index n_rows, int width,
                                      const Model<T> *models, int n_models) {
  int k = 0;
  for (int m = 0; m < n_models; ++m)
    k = larger(k, models[m].solve.sweep.k);
  return cut<T>(scratch, n_rows, width, k, nullptr);
}

template <class T>
static void dense_update(MatrixView<const T> X, Index first, const T *B, int width,
                         const Model<T> *models, ModelSums *sums, int n_models, T *rhs,
                         const Blas &blas, void *scratch) {
  const BlockScratch<T> cuts = cut_for(scratch, X.rows, width, models, n_models);
  const int k = reach(models, n_models);
  dense_product_packed(X, B, k, width, cuts.rows, blas);
  solve_block(models, sums, n_models, first, first + X.rows, width, rhs != nullptr, cuts);
  if (rhs)
    dense_transposed_packed(X, cuts.rows, k, width, rhs, blas);
}

template <class T, class I>
static void csr_update(const CsrView<T, I> &X, Index first, Index last, const T *B,
                       int width, const Model<T> *models, ModelSums *sums, int n_models,
                       T *rhs, void *scratch) {
  const BlockScratch<T> cuts = cut_for(scratch, last - first, width, models, n_models);
  csr_product_packed(X, first, last, B, width, cuts.rows, cuts.cursor);
  solve_block(models, sums, n_models, first, last, width, rhs != nullptr, cuts);
  if (rhs)
    csr_transposed_packed(X, first, last, cuts.rows, width, rhs, cuts.cursor);
}

// ---- products alone ------------------------------------------------------------------

template <class T>
NONNEG_INLINE void unpack(const T *packed, int k, int kp, MatrixView<T> out) {
  for (Index i = 0; i < out.rows; ++i)
    for (int t = 0; t < k; ++t)
      out.data[i * out.stride + t] = packed[i * kp + t];
}

template <class T, class I>
static void csr_product(const CsrView<T, I> &X, Index first, Index last, const T *B,
                        int k, MatrixView<T> out, void *scratch) {
  const int kp = padded<T>(k);
  const BlockScratch<T> cuts = cut<T>(scratch, last - first, k);
  csr_product_packed(X, first, last, B, kp, cuts.rows, cuts.cursor);
  unpack(cuts.rows, k, kp,
         MatrixView<T>{out.data + first * out.stride, last - first, k, out.stride});
}

template <class T, class I>
static void csr_transposed(const CsrView<T, I> &X, Index first, Index last,
                           MatrixView<const T> A, T *sum, void *scratch) {
  const int k = static_cast<int>(A.cols);
  const BlockScratch<T> cuts = cut<T>(scratch, last - first, k);
  pack(MatrixView<const T>{A.data + first * A.stride, last - first, k, A.stride},
       cuts.rows, padded<T>(k));
  csr_transposed_packed(X, first, last, cuts.rows, padded<T>(k), sum, cuts.cursor);
}

template <class T>
static void dense_product(MatrixView<const T> X, const T *B, int k, MatrixView<T> out,
                          const Blas &blas, void *scratch) {
  const int kp = padded<T>(k);
  const BlockScratch<T> cuts = cut<T>(scratch, X.rows, k);
  dense_product_packed(X, B, k, kp, cuts.rows, blas);
  unpack(cuts.rows, k, kp, out);
}

template <class T>
static void dense_transposed(MatrixView<const T> X, MatrixView<const T> A, T *sum,
                             const Blas &blas, void *scratch) {
  const int k = static_cast<int>(A.cols), kp = padded<T>(k);
  const BlockScratch<T> cuts = cut<T>(scratch, X.rows, k);
  pack(A, cuts.rows, kp);
  dense_transposed_packed(X, cuts.rows, k, kp, sum, blas);
}

template <class T> static size_t scratch_bytes(Index n_rows, int width, int k) {
  size_t bytes = 0;
  cut<T>(nullptr, n_rows, width, k, &bytes);
  return bytes;
}
