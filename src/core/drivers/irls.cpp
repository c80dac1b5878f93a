#include "drivers/irls.hpp"

#include <algorithm>
#include <vector>

#include "drivers/buffers.hpp"
#include "drivers/packing.hpp"
#include "drivers/storage.hpp"

namespace nonneg {
namespace {

// Rows of a task: products of pairs of components are made once for all of them. Few rows are cut
// so that several threads find work (D-IRLS-TILES).
constexpr Index kMostRows = 64, kLeastRows = 16, kFewTasks = 8;

Index rows_of_task(Index n_rows) {
  const Index share = ceil_div(ceil_div(n_rows, kFewTasks), kLeastRows) * kLeastRows;
  return std::clamp(share, kLeastRows, kMostRows);
}

} // namespace

template <class T>
bool irls(const Kernels<T> &K, const StridedView<T> &X, const Irls<T> &options,
          const RowArrays<T> &rows, MatrixView<const T> Ht, IrlsSums &sums, Run run) {
  const double k = options.k, work = double(X.rows) * double(X.cols) * (k * (k + 6) / 2 + 32);
  const int n_threads = threads_for(work, run.n_threads);
  const Index h_width = K.irls.h_width(tile_columns(X.cols));
  const Index b_width = K.products.padded(options.k), end = X.cols * b_width;
  const Buffer<T> H(static_cast<size_t>(options.k * h_width)), B(static_cast<size_t>(end + b_width));
  if (!turn(Ht, H.get(), h_width, run) || !pack_factor(K, Ht, B.get(), b_width, run))
    return false;
  std::fill(B.get() + end, B.get() + end + b_width, T(0));
  const IrlsFactor<T> other{H.get(), B.get(), h_width, b_width};
  const Index n = rows_of_task(X.rows), n_tasks = ceil_div(X.rows, n);
  const Scratch scratch(K.irls.scratch_bytes(n, options.k, X.cols), n_threads);
  std::vector<IrlsSums> parts(static_cast<size_t>(n_tasks));
  auto task = [&](int64_t i, int worker) {
    const Index first = i * n;
    K.irls.half_step(X, first, std::min(first + n, X.rows), other, options, rows,
                     parts[static_cast<size_t>(i)], scratch(worker));
  };
  if (!parallel_for(n_tasks, n_threads, task, run.poll))
    return false;
  for (const IrlsSums &part : parts)
    sums.add(part);
  return true;
}

template bool irls<float>(const Kernels<float> &, const StridedView<float> &, const Irls<float> &,
                          const RowArrays<float> &, MatrixView<const float>, IrlsSums &, Run);
template bool irls<double>(const Kernels<double> &, const StridedView<double> &,
                           const Irls<double> &, const RowArrays<double> &,
                           MatrixView<const double>, IrlsSums &, Run);

} // namespace nonneg
