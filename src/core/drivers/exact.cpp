#include "drivers/exact.hpp"

#include <algorithm>
#include <vector>

#include "drivers/buffers.hpp"
#include "drivers/storage.hpp"
#include "drivers/tuning.hpp"

namespace nonneg {
namespace {

constexpr Index kBlock = 512; // rows per task; fewer where they are too few for the pool
constexpr Index kLeastBlock = 64;
constexpr Index kFewTasks = 16;
constexpr double kFactorization = 40; // multiply-adds for each of a row's k squared

Index block_of(Index rows) {
  const Index even = ceil_div(rows, kFewTasks);
  return std::clamp(ceil_div(even, 8) * 8, kLeastBlock, kBlock);
}

} // namespace

template <class T>
bool exact(const Kernels<T> &K, const Exact &e, MatrixView<T> A, MatrixView<const T> P,
           ExactSums &sums, Run run) {
  const Index block = block_of(A.rows), n_tasks = ceil_div(A.rows, block);
  const double work = kFactorization * double(A.rows) * e.k * e.k;
  const int n_threads = static_cast<int>(std::clamp<Index>(
      threads_for(work, run.n_threads), 1, std::max<Index>(1, n_tasks)));
  const Scratch scratch(K.solve.exact_scratch(e.k), n_threads);
  const size_t k = static_cast<size_t>(e.k), count = static_cast<size_t>(n_tasks);
  const Buffer<double> gradients(sums.gradient ? count * k : 0);
  std::vector<ExactSums> parts(count);
  auto task = [&](int64_t i, int worker) {
    const Index first = i * block, n = std::min(block, A.rows - first);
    ExactSums part;
    if (sums.gradient) {
      part.gradient = gradients.get() + static_cast<size_t>(i) * k;
      std::fill_n(part.gradient, k, 0.0);
    }
    K.solve.exact(e, {A.data + first * A.stride, n, A.cols, A.stride},
            {P.data + first * P.stride, n, P.cols, P.stride}, part, scratch(worker));
    parts[static_cast<size_t>(i)] = part;
  };
  if (!parallel_for(n_tasks, n_threads, task, run.poll))
    return false;
  for (const ExactSums &part : parts) {
    sums.cross += part.cross;
    sums.fallbacks += part.fallbacks;
    sums.factorizations += part.factorizations;
    for (size_t t = 0; sums.gradient && t < k; ++t)
      sums.gradient[t] += part.gradient[t];
  }
  return true;
}

template bool exact<float>(const Kernels<float> &, const Exact &, MatrixView<float>,
                           MatrixView<const float>, ExactSums &, Run);
template bool exact<double>(const Kernels<double> &, const Exact &, MatrixView<double>,
                            MatrixView<const double>, ExactSums &, Run);

} // namespace nonneg
