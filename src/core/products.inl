// Products of a block of rows with packed factors, dense and CSR, and Gram matrices.

template <class T> NONNEG_INLINE int padded(int k) {
  constexpr int L = kLanes<T>;
  return (k + L - 1) / L * L;
}

// Calls f with the number of vectors as a compile-time constant, chunk by chunk.
template <int Most, class F> NONNEG_INLINE void for_vectors(int count, F f) {
  int at = 0;
  for (; count - at > Most; at += Most)
    f(std::integral_constant<int, Most>{}, at);
  switch (count - at) {
  case 1: f(std::integral_constant<int, 1>{}, at); break;
  case 2: f(std::integral_constant<int, 2>{}, at); break;
  case 3: f(std::integral_constant<int, (Most >= 3 ? 3 : 1)>{}, at); break;
  case 4: f(std::integral_constant<int, (Most >= 4 ? 4 : 1)>{}, at); break;
  case 5: f(std::integral_constant<int, (Most >= 5 ? 5 : 1)>{}, at); break;
  case 6: f(std::integral_constant<int, (Most >= 6 ? 6 : 1)>{}, at); break;
  case 7: f(std::integral_constant<int, (Most >= 7 ? 7 : 1)>{}, at); break;
  case 8: f(std::integral_constant<int, (Most >= 8 ? 8 : 1)>{}, at); break;
  }
}

// The same in as few chunks as possible, as equal as possible.
template <int Most, class F> NONNEG_INLINE void for_balanced(int count, F f) {
  int at = 0;
  for (int chunks = (count + Most - 1) / Most; chunks > 0; --chunks) {
    const int size = (count - at + chunks - 1) / chunks;
    switch (size) {
    case 1: f(std::integral_constant<int, 1>{}, at); break;
    case 2: f(std::integral_constant<int, (Most >= 2 ? 2 : 1)>{}, at); break;
    case 3: f(std::integral_constant<int, (Most >= 3 ? 3 : 1)>{}, at); break;
    case 4: f(std::integral_constant<int, (Most >= 4 ? 4 : 1)>{}, at); break;
    }
    at += size;
  }
}

template <class T>
NONNEG_INLINE void pack_row(const T *row, int k, int kp, T *packed) {
  for (int t = 0; t < k; ++t)
    packed[t] = row[t];
  for (int t = k; t < kp; ++t)
    packed[t] = 0;
}

template <class T> static void pack(MatrixView<const T> B, T *packed, Index stride) {
  const int k = static_cast<int>(B.cols), kp = padded<T>(k);
  for (Index i = 0; i < B.rows; ++i)
    pack_row(B.data + i * B.stride, k, kp, packed + i * stride);
}

template <class T>
static void reduce(const T *slots, Index slot_size, int n_slots, int width, Index first,
                   Index last, MatrixView<T> out) {
  for (Index i = first; i < last; ++i)
    for (Index t = 0; t < out.cols; ++t) {
      T total = slots[i * width + t];
      for (int s = 1; s < n_slots; ++s)
        total += slots[s * slot_size + i * width + t];
      out.data[i * out.stride + t] = total;
    }
}

// ---- Gram matrix -------------------------------------------------------------------

constexpr int kGramRows = 64;
constexpr int kGramTile = NONNEG_VECTOR_BYTES == 64 ? 8 : 4;

NONNEG_INLINE Index gram_width(int k) {
  constexpr int step = kLanes<double> > kGramTile ? kLanes<double> : kGramTile;
  return (k + step - 1) / step * step;
}

// G[i.., j..] += sum over n packed rows of a_i a_j, for kGramTile x N vectors.
template <int N>
NONNEG_INLINE void gram_tile(const double *rows, Index n, Index width, Index i, Index j,
                             int k, double *G) {
  using V = Vec<double>;
  constexpr int L = kLanes<double>;
  V sum[kGramTile * N];
  unroll<kGramTile * N>([&](auto i) NONNEG_LAMBDA { sum[i] = fill<V>(0.0); });
  for (Index row = 0; row < n; ++row) {
    const double *a = rows + row * width;
    V right[N];
    unroll<N>([&](auto v) NONNEG_LAMBDA { right[v] = load<V>(a + j + v * L); });
    unroll<kGramTile>([&](auto r) NONNEG_LAMBDA {
      const V left = fill<V>(a[i + r]);
      unroll<N>([&](auto v) NONNEG_LAMBDA { sum[r * N + v] += left * right[v]; });
    });
  }
  alignas(64) double total[kGramTile * N * L];
  unroll<kGramTile * N>([&](auto i) NONNEG_LAMBDA { store(total + i * L, sum[i]); });
  for (Index r = 0; r < kGramTile && i + r < k; ++r)
    for (Index c = 0; c < N * L && j + c < k; ++c)
      G[(i + r) * k + j + c] += total[r * N * L + c];
}

template <class T>
static void gram(MatrixView<const T> A, double *G, double *scratch) {
  constexpr int L = kLanes<double>;
  const int k = static_cast<int>(A.cols);
  const Index width = gram_width(k);
  for (Index first = 0; first < A.rows; first += kGramRows) {
    const Index n = smaller<Index>(kGramRows, A.rows - first);
    for (Index row = 0; row < n; ++row) {
      const T *a = A.data + (first + row) * A.stride;
      for (int t = 0; t < k; ++t)
        scratch[row * width + t] = static_cast<double>(a[t]);
      for (Index t = k; t < width; ++t)
        scratch[row * width + t] = 0;
    }
    for (Index i = 0; i < k; i += kGramTile) {
      Index j = i / L * L; // tiles wholly below the diagonal follow by symmetry
      for (; j + 2 * L <= width; j += 2 * L)
        gram_tile<2>(scratch, n, width, i, j, k, G);
      for (; j + L <= width && j < k; j += L)
        gram_tile<1>(scratch, n, width, i, j, k, G);
    }
  }
}

// ---- CSR ---------------------------------------------------------------------------

constexpr int kCsrVectors = NONNEG_VECTOR_BYTES == 64 ? 8 : 6;
constexpr Index kPrefetch = 8; // non-zeros ahead

template <class T>
NONNEG_INLINE void prefetch_row(const T *row, int bytes, bool for_write) {
  for (int b = 0; b < bytes; b += 64) {
    if (for_write)
      __builtin_prefetch(reinterpret_cast<const char *>(row) + b, 1);
    else
      __builtin_prefetch(reinterpret_cast<const char *>(row) + b, 0);
  }
}

// out += the entries [first, last) of a row of X times packed B; out a packed row.
template <class T, class I>
NONNEG_INLINE void csr_gather(const CsrView<T, I> &X, Index first, Index last, Index end,
                              const T *B, int kp, T *out) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  for_vectors<kCsrVectors>(kp / L, [&](auto count, int at) NONNEG_LAMBDA {
    constexpr int N = decltype(count)::value;
    V sum[N];
    unroll<N>([&](auto v) NONNEG_LAMBDA { sum[v] = load<V>(out + (at + v) * L); });
    for (Index e = first; e < last; ++e) {
      const T *b = B + static_cast<Index>(X.indices[e]) * kp + at * L;
      if (e + kPrefetch < end)
        prefetch_row(B + static_cast<Index>(X.indices[e + kPrefetch]) * kp + at * L,
                     N * NONNEG_VECTOR_BYTES, false);
      const V x = fill<V>(X.values[e]);
      unroll<N>([&](auto v) NONNEG_LAMBDA { sum[v] += x * load<V>(b + v * L); });
    }
    unroll<N>([&](auto v) NONNEG_LAMBDA { store(out + (at + v) * L, sum[v]); });
  });
}

// sum[j,:] += x_ij a for the entries [first, last), a a packed row.
template <class T, class I>
NONNEG_INLINE void csr_scatter(const CsrView<T, I> &X, Index first, Index last, Index end,
                               const T *a, int kp, T *sum) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  for_vectors<kCsrVectors>(kp / L, [&](auto count, int at) NONNEG_LAMBDA {
    constexpr int N = decltype(count)::value;
    V row[N];
    unroll<N>([&](auto v) NONNEG_LAMBDA { row[v] = load<V>(a + (at + v) * L); });
    for (Index e = first; e < last; ++e) {
      T *s = sum + static_cast<Index>(X.indices[e]) * kp + at * L;
      if (e + kPrefetch < end)
        prefetch_row(sum + static_cast<Index>(X.indices[e + kPrefetch]) * kp + at * L,
                     N * NONNEG_VECTOR_BYTES, true);
      const V x = fill<V>(X.values[e]);
      unroll<N>([&](auto v) NONNEG_LAMBDA {
        store(s + v * L, load<V>(s + v * L) + x * row[v]);
      });
    }
  });
}

// Where the packed factor is far larger than the second-level cache and a block of rows
// touches each of its rows several times, the block goes through the features by panels
// that fit; a row's entries are still added in their order, to the same bits. One thread
// of an Ice Lake Xeon (1.25 MB of that cache), float64, X B and X'A in ms, whole -> panels:
// 20,000 x 30,000 with 380 a row, k = 50 (13 MB): 167, 215 -> 107, 146; PBMC counts,
// 2,638 x 13,713 with 850 a row, k = 20 (2.6 MB): 10, 17 -> 14, 26.
constexpr Index kPanelBytes = 1 << 19;
constexpr Index kPanelFactorBytes = 1 << 22;
constexpr Index kPanelTouches = 2;

// Calls part(row, first, last, end) for the rows [first, last), whole or panel by panel;
// entries up to end may be fetched ahead.
template <class T, class I, class F>
NONNEG_INLINE void for_row_parts(const CsrView<T, I> &X, Index first, Index last, int kp,
                                 Index *cursor, F part) {
  const Index end = X.indptr[last];
  const Index row_bytes = kp * static_cast<Index>(sizeof(T));
  const Index width = larger<Index>(64, kPanelBytes / row_bytes);
  if (X.cols * row_bytes < kPanelFactorBytes ||
      end - X.indptr[first] < kPanelTouches * X.cols) {
    for (Index i = first; i < last; ++i)
      part(i, static_cast<Index>(X.indptr[i]), static_cast<Index>(X.indptr[i + 1]), end);
    return;
  }
  for (Index i = first; i < last; ++i)
    cursor[i - first] = X.indptr[i];
  for (Index column = width; column < X.cols + width; column += width)
    for (Index i = first; i < last; ++i) {
      const Index from = cursor[i - first], row_end = X.indptr[i + 1];
      Index to = from;
      while (to < row_end && static_cast<Index>(X.indices[to]) < column)
        ++to;
      part(i, from, to, to);
      cursor[i - first] = to;
    }
}

// P (packed rows) = X B.
template <class T, class I>
NONNEG_INLINE void csr_product_packed(const CsrView<T, I> &X, Index first, Index last,
                                      const T *B, int kp, T *P, Index *cursor) {
  for (Index i = 0; i < (last - first) * kp; ++i)
    P[i] = 0;
  for_row_parts(X, first, last, kp, cursor,
                [&](Index i, Index from, Index to, Index end) NONNEG_LAMBDA {
                  csr_gather(X, from, to, end, B, kp, P + (i - first) * kp);
                });
}

// sum (packed) += X' A, A packed rows.
template <class T, class I>
NONNEG_INLINE void csr_transposed_packed(const CsrView<T, I> &X, Index first, Index last,
                                         const T *A, int kp, T *sum, Index *cursor) {
  for_row_parts(X, first, last, kp, cursor,
                [&](Index i, Index from, Index to, Index end) NONNEG_LAMBDA {
                  csr_scatter(X, from, to, end, A + (i - first) * kp, kp, sum);
                });
}

// First entry in [from, to) whose sorted index is not below column.
template <class I>
NONNEG_INLINE Index lower_bound(const I *indices, Index from, Index to, Index column) {
  while (from < to) {
    const Index middle = from + (to - from) / 2;
    if (static_cast<Index>(indices[middle]) < column)
      from = middle + 1;
    else
      to = middle;
  }
  return from;
}

template <class T, class I>
static void csr_transposed_panel(const CsrView<T, I> &X, Index column, Index column_end,
                                 MatrixView<const T> A, T *sum, void *scratch) {
  const int k = static_cast<int>(A.cols), kp = padded<T>(k);
  T *packed = static_cast<T *>(scratch);
  for (Index i = 0; i < X.rows; ++i) {
    const Index last = X.indptr[i + 1];
    const Index from = lower_bound(X.indices, X.indptr[i], last, column);
    const Index to = lower_bound(X.indices, from, last, column_end);
    pack_row(A.data + i * A.stride, k, kp, packed);
    csr_scatter(X, from, to, to, packed, kp, sum);
  }
}

// ---- dense -------------------------------------------------------------------------

// Own register tiles serve packed factors of at most this many bytes, BLAS larger ones:
// the tiles do not block the inner dimension. One thread of a Sapphire Rapids Xeon, fused
// half-step in Gflop/s, own / OpenBLAS 0.3 by blocks, for AVX-512, AVX2 (with OpenBLAS's
// Haswell kernels) and SSE4 (Nehalem's): 784 features, k = 32, float32 119/79, 79/64,
// 31/25; k = 64 116/89, 77/68, 33/28; k = 128 111/90, 72/64, 30/25; 5,000 features, k = 50
// (1.2 MB) 97/64, 68/58, 32/27; 1,000 features, k = 20, float64 56/50, 44/29, 19/14;
// 1,000 features, k = 300 (2.4 MB) 39/37, 26/28; 2,000 features, k = 500, float32 (4 MB)
// 51/70, 58/56; 10,000 features, k = 200, float64 (16 MB) 17/41, 12/27.
constexpr Index kOwnBytes = Index(3) << 20;

// Rows (columns for X'A) in a tile of N vectors, so that H x N sums, N vectors and a
// broadcast fit into the registers: 32, or 16 below AVX-512. Wider tiles need fewer
// broadcasts per multiply-add.
constexpr bool kManyRegisters = NONNEG_VECTOR_BYTES == 64;
constexpr int kMostDense = kManyRegisters ? 4 : 3;
constexpr int kProductHeights[] = {0, 12, 10, 8, 6};
constexpr int kTransposedHeights[] = {0, 16, 12, 8, 6};
constexpr int kFewHeights[] = {0, 8, 6, 4};
template <int N>
constexpr int kProductHeight = kManyRegisters ? kProductHeights[N] : kFewHeights[N];
template <int N>
constexpr int kTransposedHeight = kManyRegisters ? kTransposedHeights[N] : kFewHeights[N];

// out[r,:] = sum_j X[r,j] B[j,:] for H rows and N vectors.
template <int H, int N, class T>
static void product_tile(const T *X, Index stride, Index cols, const T *B, int kp, T *out) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  V sum[H * N];
  unroll<H * N>([&](auto i) NONNEG_LAMBDA { sum[i] = fill<V>(T(0)); });
  constexpr Index line = 64 / sizeof(T);
  for (Index j = 0; j < cols; ++j) {
    if (j % line == 0)
      unroll<H>([&](auto r) NONNEG_LAMBDA {
        __builtin_prefetch(X + (r + H) * stride + j, 0, 2);
      });
    V b[N];
    unroll<N>([&](auto v) NONNEG_LAMBDA { b[v] = load<V>(B + j * kp + v * L); });
    unroll<H>([&](auto r) NONNEG_LAMBDA {
      const V x = fill<V>(X[r * stride + j]);
      unroll<N>([&](auto v) NONNEG_LAMBDA { sum[r * N + v] += x * b[v]; });
    });
  }
  unroll<H>([&](auto r) NONNEG_LAMBDA {
    unroll<N>([&](auto v) NONNEG_LAMBDA { store(out + r * kp + v * L, sum[r * N + v]); });
  });
}

// out[j,:] += sum_i X[i,j] A[i,:] for H columns and N vectors.
template <int H, int N, class T>
static void transposed_tile(const T *X, Index stride, Index rows, const T *A, int kp,
                            T *out) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  V sum[H * N];
  unroll<H>([&](auto r) NONNEG_LAMBDA {
    unroll<N>([&](auto v) NONNEG_LAMBDA { sum[r * N + v] = load<V>(out + r * kp + v * L); });
  });
  for (Index i = 0; i < rows; ++i) {
    V a[N];
    unroll<N>([&](auto v) NONNEG_LAMBDA { a[v] = load<V>(A + i * kp + v * L); });
    unroll<H>([&](auto r) NONNEG_LAMBDA {
      const V x = fill<V>(X[i * stride + r]);
      unroll<N>([&](auto v) NONNEG_LAMBDA { sum[r * N + v] += x * a[v]; });
    });
  }
  unroll<H>([&](auto r) NONNEG_LAMBDA {
    unroll<N>([&](auto v) NONNEG_LAMBDA { store(out + r * kp + v * L, sum[r * N + v]); });
  });
}

template <class I, class F, class T>
NONNEG_INLINE void call_gemm(void *gemm, char transB, Index m, Index n, Index k,
                             const T *A, Index lda, const T *B, Index ldb, T beta, T *C,
                             Index ldc) {
  char none = 'N';
  T one = 1;
  I mi = static_cast<I>(m), ni = static_cast<I>(n), ki = static_cast<I>(k),
    la = static_cast<I>(lda), lb = static_cast<I>(ldb), lc = static_cast<I>(ldc);
  reinterpret_cast<F>(gemm)(&none, &transB, &mi, &ni, &ki, &one, const_cast<T *>(A), &la,
                            const_cast<T *>(B), &lb, &beta, C, &lc);
}

// C (column-major m x n) = A op(B) + beta C.
template <class T>
static void gemm(const Blas &blas, char transB, Index m, Index n, Index k, const T *A,
                 Index lda, const T *B, Index ldb, T beta, T *C, Index ldc) {
  void *f = sizeof(T) == 4 ? blas.sgemm : blas.dgemm;
  using Narrow = void (*)(char *, char *, int *, int *, int *, T *, T *, int *, T *, int *,
                          T *, T *, int *);
  using Wide = void (*)(char *, char *, int64_t *, int64_t *, int64_t *, T *, T *,
                        int64_t *, T *, int64_t *, T *, T *, int64_t *);
  if (blas.wide)
    call_gemm<int64_t, Wide>(f, transB, m, n, k, A, lda, B, ldb, beta, C, ldc);
  else
    call_gemm<int, Narrow>(f, transB, m, n, k, A, lda, B, ldb, beta, C, ldc);
}

template <class T> NONNEG_INLINE bool own_product(const Blas &blas, Index cols, int kp) {
  const void *f = sizeof(T) == 4 ? blas.sgemm : blas.dgemm;
  return f == nullptr || cols * kp * static_cast<Index>(sizeof(T)) <= kOwnBytes;
}

// P (packed rows of kp numbers, k of them wanted) = X B.
template <class T>
static void dense_product_packed(MatrixView<const T> X, const T *B, int k, int kp, T *P,
                                 const Blas &blas) {
  constexpr int L = kLanes<T>;
  if (!own_product<T>(blas, X.cols, kp)) {
    gemm<T>(blas, 'N', k, X.rows, X.cols, B, kp, X.data, X.stride, T(0), P, kp);
    return;
  }
  for_balanced<kMostDense>(kp / L, [&](auto count, int at) NONNEG_LAMBDA {
    constexpr int N = decltype(count)::value, H = kProductHeight<N>;
    Index i = 0;
    for (; i + H <= X.rows; i += H)
      product_tile<H, N>(X.data + i * X.stride, X.stride, X.cols, B + at * L, kp,
                         P + i * kp + at * L);
    for (; i < X.rows; ++i)
      product_tile<1, N>(X.data + i * X.stride, X.stride, X.cols, B + at * L, kp,
                         P + i * kp + at * L);
  });
}

// sum (packed) += X' A, A packed rows of kp numbers, k of them wanted.
template <class T>
static void dense_transposed_packed(MatrixView<const T> X, const T *A, int k, int kp,
                                    T *sum, const Blas &blas) {
  constexpr int L = kLanes<T>;
  if (!own_product<T>(blas, X.cols, kp)) {
    gemm<T>(blas, 'T', k, X.cols, X.rows, A, kp, X.data, X.stride, T(1), sum, kp);
    return;
  }
  for_balanced<kMostDense>(kp / L, [&](auto count, int at) NONNEG_LAMBDA {
    constexpr int N = decltype(count)::value, H = kTransposedHeight<N>;
    Index j = 0;
    for (; j + H <= X.cols; j += H)
      transposed_tile<H, N>(X.data + j, X.stride, X.rows, A + at * L, kp,
                            sum + j * kp + at * L);
    for (; j < X.cols; ++j)
      transposed_tile<1, N>(X.data + j, X.stride, X.rows, A + at * L, kp,
                            sum + j * kp + at * L);
  });
}
