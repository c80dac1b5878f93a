#include "drivers/observed.hpp"

#include <algorithm>
#include <vector>

#include "drivers/buffers.hpp"
#include "drivers/packing.hpp"
#include "drivers/storage.hpp"

namespace nonneg {
namespace {

constexpr Index kRows = 64; // rows of a block: they may have very many entries

// Runs fn(task, first, last, scratch) over blocks of rows.
template <class T, class F>
bool for_rows(const Kernels<T> &K, Index n_rows, int k, double work, F fn, Run run,
              Index n_tasks) {
  const int n_threads = threads_for(work, run.n_threads);
  const Scratch scratch(K.observed.scratch_bytes(k), n_threads);
  auto task = [&](int64_t i, int worker) {
    fn(i, n_rows * i / n_tasks, n_rows * (i + 1) / n_tasks, scratch(worker));
  };
  return parallel_for(n_tasks, n_threads, task, run.poll);
}

Index tasks_for(Index n_rows) {
  return std::clamp<Index>(ceil_div(n_rows, kRows), 1, kMostTasks);
}

// A factor in rows of whole vectors.
template <class T> struct PackedFactor {
  PackedFactor(const Kernels<T> &K, MatrixView<const T> B, Run run)
      : width(K.products.padded(static_cast<int>(B.cols))),
        rows(static_cast<size_t>(B.rows * width)),
        done(pack_factor(K, B, rows.get(), width, run)) {}
  int width;
  Buffer<T> rows;
  bool done;
};

} // namespace

template <class T, class I>
bool named_product(const Kernels<T> &K, const CsrView<T, I> &named, MatrixView<const T> A,
                   MatrixView<const T> B, MatrixView<const T> C, MatrixView<T> out, Run run) {
  const PackedFactor<T> b(K, B, run);
  const bool same = B.data == C.data && B.cols == C.cols;
  const PackedFactor<T> other(K, same ? MatrixView<const T>{C.data, 0, C.cols, C.stride} : C, run);
  if (!b.done || !other.done)
    return false;
  const T *const c = same ? b.rows.get() : other.rows.get();
  const int k = static_cast<int>(std::max(A.cols, C.cols));
  return for_rows(
      K, A.rows, k, 2 * entries(named) * k,
      [&](Index, Index first, Index last, void *scratch) {
        csr_of(K.observed, named).product(named, first, last, A, b.rows.get(), b.width, c,
                                          other.width, out, scratch);
      },
      run, tasks_for(A.rows));
}

template <class T, class I>
bool named_square(const Kernels<T> &K, const CsrView<T, I> &named, MatrixView<const T> A,
                  MatrixView<const T> B, double &sum, Run run) {
  const PackedFactor<T> b(K, B, run);
  const int k = static_cast<int>(A.cols);
  const Index n_tasks = tasks_for(A.rows);
  std::vector<double> parts(static_cast<size_t>(n_tasks));
  const bool done = b.done && for_rows(
      K, A.rows, k, entries(named) * k,
      [&](Index i, Index first, Index last, void *scratch) {
        csr_of(K.observed, named).square(named, first, last, A, b.rows.get(), b.width,
                                         parts[static_cast<size_t>(i)], scratch);
      },
      run, n_tasks);
  for (double part : parts)
    sum += part;
  return done;
}

template <class T, class I>
bool solve_apart(const Kernels<T> &K, const CsrView<T, I> &named, const Apart &apart,
                 const RowArrays<T> &rows, MatrixView<const T> Ht, MatrixView<const T> P,
                 ApartSums &sums, Run run) {
  const PackedFactor<T> b(K, Ht, run);
  const Index n_rows = rows.solved.rows, k = apart.k, n_tasks = tasks_for(n_rows);
  std::vector<double> measures(static_cast<size_t>(n_tasks * 2 * k));
  std::vector<ApartSums> parts(static_cast<size_t>(n_tasks));
  for (Index i = 0; i < n_tasks; ++i)
    parts[static_cast<size_t>(i)].measures = measures.data() + i * 2 * k;
  const double work = (entries(named) / 2 + 4.0 * double(n_rows)) * double(k * k);
  const bool done = b.done && for_rows(
      K, n_rows, static_cast<int>(k), work,
      [&](Index i, Index first, Index last, void *scratch) {
        csr_of(K.observed, named).solve(named, first, last, b.rows.get(), b.width, apart, rows,
                                        P, parts[static_cast<size_t>(i)], scratch);
      },
      run, n_tasks);
  std::fill(sums.measures, sums.measures + 2 * k, 0.0);
  for (const ApartSums &part : parts) {
    sums.sums.violation += part.sums.violation;
    sums.sums.cross += part.sums.cross;
    sums.sums.decrease += part.sums.decrease;
    sums.sums.sweeps += part.sums.sweeps;
    sums.square += part.square;
    for (Index t = 0; t < 2 * k; ++t)
      sums.measures[t] += part.measures[t];
  }
  return done;
}

template <class T, class I>
bool clean_rows(MatrixView<const T> X, const CsrView<T, I> &named, Index first,
                MatrixView<T> out, Run run) {
  const Index n_tasks = std::clamp<Index>(X.rows, 1, 64);
  auto task = [&](int64_t i, int) {
    for (Index row = X.rows * i / n_tasks; row < X.rows * (i + 1) / n_tasks; ++row) {
      T *const to = out.data + row * out.stride;
      std::copy_n(X.data + row * X.stride, X.cols, to);
      for (Index e = named.indptr[first + row]; e < Index(named.indptr[first + row + 1]); ++e)
        to[named.indices[e]] = T(0);
    }
  };
  const double work = double(X.rows) * double(X.cols);
  return parallel_for(n_tasks, threads_for(4 * work, run.n_threads), task, run.poll);
}

#define NONNEG_CSR(T, I)                                                                   \
  template bool named_product<T, I>(const Kernels<T> &, const CsrView<T, I> &,             \
                                    MatrixView<const T>, MatrixView<const T>,              \
                                    MatrixView<const T>, MatrixView<T>, Run);              \
  template bool named_square<T, I>(const Kernels<T> &, const CsrView<T, I> &,              \
                                   MatrixView<const T>, MatrixView<const T>, double &,     \
                                   Run);                                                   \
  template bool solve_apart<T, I>(const Kernels<T> &, const CsrView<T, I> &, const Apart &,\
                                  const RowArrays<T> &, MatrixView<const T>,               \
                                  MatrixView<const T>, ApartSums &, Run);                  \
  template bool clean_rows<T, I>(MatrixView<const T>, const CsrView<T, I> &, Index,        \
                                 MatrixView<T>, Run);

NONNEG_CSR(float, int32_t)
NONNEG_CSR(float, int64_t)
NONNEG_CSR(double, int32_t)
NONNEG_CSR(double, int64_t)

} // namespace nonneg
