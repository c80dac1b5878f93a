// Fused half-step on one block: product, sweep and sums while the block is in cache.

template <class T> struct BlockScratch {
  T *rows;       // packed rows: first the right-hand sides, then the new factor rows
  T *tile;       // for sweep_rows
  double *gram;  // for gram
  Index *cursor; // one place in each row of a CSR block
};

NONNEG_INLINE size_t rounded(size_t bytes) { return (bytes + 63) / 64 * 64; }

template <class T>
NONNEG_INLINE BlockScratch<T> cut(void *scratch, Index n_rows, int k, size_t *bytes) {
  const size_t sizes[] = {
      rounded(sizeof(T) * static_cast<size_t>(n_rows * padded<T>(k))),
      rounded(sizeof(T) * sweep_scratch<T>(k)),
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
  return cut<T>(scratch, n_rows, k, nullptr);
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
  csr_product_packed(X, first, last, B, kp, cuts.rows, cuts.cursor);
  sweep_block(s, MatrixView<T>{A.data + first * A.stride, last - first, s.k, A.stride},
              sums, cuts);
  if (sums.rhs)
    csr_transposed_packed(X, first, last, cuts.rows, kp, sums.rhs, cuts.cursor);
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
       cuts.rows);
  csr_transposed_packed(X, first, last, cuts.rows, padded<T>(k), sum, cuts.cursor);
}

template <class T>
static void dense_product(MatrixView<const T> X, const T *B, int k, MatrixView<T> out,
                          const Blas &blas, void *scratch) {
  const BlockScratch<T> cuts = cut<T>(scratch, X.rows, k);
  dense_product_packed(X, B, k, cuts.rows, blas);
  unpack(cuts.rows, k, padded<T>(k), out);
}

template <class T>
static void dense_transposed(MatrixView<const T> X, MatrixView<const T> A, T *sum,
                             const Blas &blas, void *scratch) {
  const BlockScratch<T> cuts = cut<T>(scratch, X.rows, static_cast<int>(A.cols));
  pack(A, cuts.rows);
  dense_transposed_packed(X, cuts.rows, static_cast<int>(A.cols), sum, blas);
}

template <class T> static size_t scratch_bytes(Index n_rows, int k) {
  size_t bytes = 0;
  cut<T>(nullptr, n_rows, k, &bytes);
  return bytes;
}
