// How the drivers cut a pass: blocks, slots, panels and scratch memory, from shapes and k
// alone, never from the number of threads; and the two storages, alike to the drivers.
#pragma once

#include <algorithm>

#include "buffers.hpp"
#include "passes.hpp"
#include "streams.hpp"

namespace nonneg {

inline constexpr Index kFactorBlock = 512;            // rows of a factor per task
inline constexpr Index kCsrBlock = 256;               // rows of a sparse X per block
// Of a dense X per block. X'A goes down the rows by strips of columns, a page a row: more
// pages than the first-level TLB holds (64 to 96) cost a quarter to a half of its speed.
// 784 columns, k = 32, float32, one thread of a Sapphire Rapids Xeon: fused 122, 124, 120,
// 84, 74 Gflop/s for 128, 256, 512, 1,024 and 2,048 KB.
inline constexpr Index kDenseBlockBytes = 1 << 18;
// Accumulators for X'A: as many as fit into kSlotBytes, at least two, at most
// kMostSlots, and never more than kMostSlotBytes. Beyond the last-level cache's share they
// cost more than they bring: X'A of a 60,000 x 20,000 CSR (30 a row), k = 30, float64, on
// an Ice Lake Xeon with one thread took 31, 31, 35, 50 and 73 ms for 1, 2, 4, 8, 16 slots
// (5 MB each); 60,000 features (15 MB each) 54 ms for 1 and 2 slots, 84 ms for 3.
inline constexpr Index kSlotBytes = Index(16) << 20;
inline constexpr Index kMostSlotBytes = Index(48) << 20;
inline constexpr Index kMostSlots = 16;
inline constexpr Index kMostTasks = 256;              // each keeps sums of its own
inline constexpr int kPanels = 16;                    // of features, where slots are too large
inline constexpr Index kSummaryBlock = 1 << 16;        // entries per task
// Multiply-adds worth waking a worker for. An iteration of "hals" with one and two threads
// of a Sapphire Rapids Xeon, by 2·n_samples·n_features·k: 7e5 0.19, 0.28 ms; 2e6 0.34,
// 0.36; 5e6 0.51, 0.52; 1e7 0.84, 0.72; 2e7 1.35, 0.99.
inline double thread_work = 4e6; // the tests set it to 0

inline int threads_for(double work, int n_threads) {
  return work < thread_work ? 1 : n_threads;
}

inline Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }

// ---- the two storages, alike to the drivers ------------------------------------------

template <class T> Index block_rows(const MatrixView<const T> &X) {
  const Index row = std::max<Index>(1, X.cols * static_cast<Index>(sizeof(T)));
  const Index fit = kDenseBlockBytes / row / 32 * 32;
  return std::clamp<Index>(fit, 32, 512);
}

template <class T, class I> Index block_rows(const CsrView<T, I> &) { return kCsrBlock; }

template <class T> double entries(const MatrixView<const T> &X) {
  return double(X.rows) * double(X.cols);
}

template <class T, class I> double entries(const CsrView<T, I> &X) {
  return double(X.indptr[X.rows]);
}

template <class View> Index block_rows(const Stream<View> &x) {
  View like{};
  like.cols = x.cols;
  return block_rows(like);
}

template <class View> double entries(const Stream<View> &x) { return x.count; }

template <class T, class I> const auto &csr_of(const Kernels<T> &K, const CsrView<T, I> &) {
  if constexpr (sizeof(I) == 4)
    return K.csr32;
  else
    return K.csr64;
}

template <class T>
MatrixView<T> rows_of(MatrixView<T> A, Index first, Index last) {
  return {A.data + first * A.stride, last - first, A.cols, A.stride};
}

template <class T>
void product(const Kernels<T> &K, const MatrixView<const T> &X, Index first, Index last,
             const T *B, int k, MatrixView<T> out, void *scratch) {
  K.dense.product(rows_of(X, first, last), B, k, rows_of(out, first, last), blas, scratch);
}

template <class T, class I>
void product(const Kernels<T> &K, const CsrView<T, I> &X, Index first, Index last,
             const T *B, int k, MatrixView<T> out, void *scratch) {
  csr_of(K, X).product(X, first, last, B, k, out, scratch);
}

template <class T>
void transposed(const Kernels<T> &K, const MatrixView<const T> &X, Index first, Index last,
                MatrixView<const T> A, T *sum, void *scratch) {
  K.dense.transposed(rows_of(X, first, last), rows_of(A, first, last), sum, blas, scratch);
}

template <class T, class I>
void transposed(const Kernels<T> &K, const CsrView<T, I> &X, Index first, Index last,
                MatrixView<const T> A, T *sum, void *scratch) {
  csr_of(K, X).transposed(X, first, last, A, sum, scratch);
}

// The features [column, column_end) of X'A, over all rows.
template <class T>
void transposed_panel(const Kernels<T> &K, const MatrixView<const T> &X, Index column,
                      Index column_end, MatrixView<const T> A, T *sum, void *scratch) {
  const Index step = block_rows(X);
  T *const panel = sum + column * K.padded(static_cast<int>(A.cols));
  for (Index first = 0; first < X.rows; first += step) {
    const Index last = std::min(first + step, X.rows);
    const MatrixView<const T> part{X.data + first * X.stride + column, last - first,
                                   column_end - column, X.stride};
    K.dense.transposed(part, rows_of(A, first, last), panel, blas, scratch);
  }
}

template <class T, class I>
void transposed_panel(const Kernels<T> &K, const CsrView<T, I> &X, Index column,
                      Index column_end, MatrixView<const T> A, T *sum, void *scratch) {
  csr_of(K, X).transposed_panel(X, column, column_end, A, sum, scratch);
}

// ---- parts of a pass -------------------------------------------------------------------

// Of a pass that accumulates X'A.
struct Cut {
  Index block, n_blocks;
  int n_slots; // 0: the accumulators would be too large; panels of features instead
  Index slot_size;

  Index first_block(Index slot) const { return n_blocks * slot / n_slots; }

  // The slot's accumulators among all of them, cleared where its first block comes.
  template <class T> T *opened(T *slots, Index slot, Index block) const {
    T *const sum = slots + slot * slot_size;
    if (block == first_block(slot))
      std::fill(sum, sum + slot_size, T(0));
    return sum;
  }
};

template <class X> Cut cut_pass(const X &x, int width) {
  Cut cut;
  cut.block = block_rows(x);
  cut.n_blocks = std::max<Index>(1, ceil_div(x.rows, cut.block));
  cut.slot_size = x.cols * width;
  const Index bytes = std::max<Index>(1, cut.slot_size * 8);
  Index fitting = std::clamp<Index>(kSlotBytes / bytes, 2, kMostSlots);
  fitting += fitting == 3; // three tasks would leave one of two threads idle half the time
  cut.n_slots =
      static_cast<int>(std::min({fitting, kMostSlotBytes / bytes, cut.n_blocks}));
  return cut;
}

// Packs a factor into rows of `width` numbers.
template <class T>
bool pack_factor(const Kernels<T> &K, MatrixView<const T> B, T *packed, Index width,
                 Run run) {
  auto task = [&](int64_t i, int) {
    const Index first = i * kFactorBlock;
    K.pack(rows_of(B, first, std::min(first + kFactorBlock, B.rows)),
           packed + first * width, width);
  };
  return parallel_for(ceil_div(B.rows, kFactorBlock),
                      threads_for(double(B.rows) * double(B.cols) / 4, run.n_threads),
                      task, run.poll);
}

// H (k rows of h_width numbers, zeros behind the features) from its transpose.
template <class T>
bool turn(MatrixView<const T> Ht, T *H, Index h_width, Run run) {
  auto task = [&](int64_t t, int) {
    T *const row = H + t * h_width;
    for (Index j = 0; j < Ht.rows; ++j)
      row[j] = Ht.data[j * Ht.stride + t];
    std::fill(row + Ht.rows, row + h_width, T(0));
  };
  const double work = double(Ht.rows) * double(Ht.cols);
  return parallel_for(Ht.cols, threads_for(work, run.n_threads), task, run.poll);
}

template <class T>
bool add_slots(const Kernels<T> &K, const T *slots, Index slot_size, int n_slots,
               int width, MatrixView<T> out, Run run) {
  auto task = [&](int64_t i, int) {
    const Index first = i * kFactorBlock;
    K.reduce(slots, slot_size, n_slots, width, first,
             std::min(first + kFactorBlock, out.rows), out);
  };
  const double work = double(out.rows) * double(out.cols) * n_slots;
  return parallel_for(ceil_div(out.rows, kFactorBlock), threads_for(work, run.n_threads),
                      task, run.poll);
}

inline void symmetrize(double *G, int k) {
  for (int i = 0; i < k; ++i)
    for (int j = 0; j < i; ++j)
      G[i * k + j] = G[j * k + i];
}

// G = sum of the n parts, in order.
inline void add_grams(const double *parts, Index n, int k, double *G) {
  std::fill(G, G + k * k, 0.0);
  for (Index s = 0; s < n; ++s)
    for (int i = 0; i < k * k; ++i)
      G[i] += parts[s * k * k + i];
  symmetrize(G, k);
}

} // namespace nonneg
