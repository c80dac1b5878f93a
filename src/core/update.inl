// Fused half-step on one block: product, sweep and sums while the block is in cache.

template <class T> struct BlockScratch {
  T *rows;      // packed rows: first the right-hand sides, then the new factor rows
  T *tile;      // for sweep_rows
  double *gram; // for gram
};

NONNEG_INLINE size_t rounded(size_t bytes) { return (bytes + 63) / 64 * 64; }

template <class T> static size_t scratch_bytes(Index n_rows, int k) {
  return rounded(sizeof(T) * static_cast<size_t>(n_rows * padded<T>(k))) +
         rounded(sizeof(T) * sweep_scratch<T>(k)) +
         rounded(sizeof(double) * static_cast<size_t>(kGramRows * gram_width(k)));
}

template <class T>
NONNEG_INLINE BlockScratch<T> cut(void *scratch, Index n_rows, int k) {
  char *at = static_cast<char *>(scratch);
  char *tile = at + rounded(sizeof(T) * static_cast<size_t>(n_rows * padded<T>(k)));
  char *gram = tile + rounded(sizeof(T) * sweep_scratch<T>(k));
  return {reinterpret_cast<T *>(at), reinterpret_cast<T *>(tile),
          reinterpret_cast<double *>(gram)};
}

template <class T>
static void sweep_only(const Sweep<T> &s, MatrixView<T> A, MatrixView<const T> P,
                       SweepSums &sums, void *scratch) {
  sweep_rows(s, A, P, sums, cut<T>(scratch, 0, s.k).tile);
}

template <class T> static void gram_only(MatrixView<const T> A, double *G, void *scratch) {
  gram<T>(A, G, cut<T>(scratch, 0, static_cast<int>(A.cols)).gram);
}

// Sweeps the block's rows by the packed right-hand sides in scratch.rows, adds its Gram
// matrix, and leaves the packed new rows in place of the right-hand sides.
template <class T>
NONNEG_INLINE void sweep_block(const Sweep<T> &s, MatrixView<T> A, BlockSums<T> &sums,
                               const BlockScratch<T> &scratch) {
  const int kp = padded<T>(s.k);
  sweep_rows(s, A, MatrixView<const T>{scratch.rows, A.rows, s.k, kp}, sums.sweep,
             scratch.tile);
  if (!sums.rhs)
    return;
  const MatrixView<const T> rows{A.data, A.rows, s.k, A.stride};
  gram<T>(rows, sums.gram, scratch.gram);
  pack(rows, scratch.rows);
}

template <class T>
static void dense_update(MatrixView<const T> X, const T *B, const Sweep<T> &s,
                         MatrixView<T> A, BlockSums<T> &sums, const Blas &blas,
                         void *scratch) {
  const BlockScratch<T> cuts = cut<T>(scratch, A.rows, s.k);
  dense_product_packed(X, B, s.k, cuts.rows, blas);
  sweep_block(s, A, sums, cuts);
  if (sums.rhs)
    dense_transposed_packed(X, cuts.rows, s.k, sums.rhs, blas);
}

template <class T, class I>
static void csr_update(const CsrView<T, I> &X, Index first, Index last, const T *B,
                       const Sweep<T> &s, MatrixView<T> A, BlockSums<T> &sums,
                       void *scratch) {
  const int kp = padded<T>(s.k);
  const BlockScratch<T> cuts = cut<T>(scratch, last - first, s.k);
  const Index end = X.indptr[last];
  for (Index i = first; i < last; ++i)
    csr_row_product(X, i, end, B, kp, cuts.rows + (i - first) * kp);
  sweep_block(s, MatrixView<T>{A.data + first * A.stride, last - first, s.k, A.stride},
              sums, cuts);
  if (sums.rhs)
    for (Index i = first; i < last; ++i)
      csr_scatter(X, X.indptr[i], X.indptr[i + 1], end, cuts.rows + (i - first) * kp, kp,
                  sums.rhs);
}
