#include "drivers/bounded.hpp"

#include <algorithm>
#include <vector>

#include "drivers/buffers.hpp"
#include "drivers/tuning.hpp"

namespace nonneg {
namespace {

constexpr Index kRows = 128;      // rows per task
constexpr double kMultiplyAdds = 8; // of a row, for each of its k squared

} // namespace

template <class T>
bool solve_bounded(const Kernels<T> &K, const BoxMethod &method, const BoxRows<T> &rows,
                   BoxSums &sums, Run run) {
  const Index n_rows = rows.solved.rows, k = method.k;
  const Index n_tasks = std::clamp<Index>(ceil_div(n_rows, kRows), 1, kMostTasks);
  const int n_threads =
      threads_for(kMultiplyAdds * double(n_rows) * double(k * k), run.n_threads);
  const Scratch scratch(K.bounded.scratch_bytes(method.k), n_threads);
  std::vector<double> measures(static_cast<size_t>(n_tasks * 2 * k));
  std::vector<BoxSums> parts(static_cast<size_t>(n_tasks));
  auto task = [&](int64_t i, int worker) {
    BoxSums part;
    part.measures = measures.data() + i * 2 * k;
    K.bounded.solve(method, rows, n_rows * i / n_tasks, n_rows * (i + 1) / n_tasks, part,
                    scratch(worker));
    parts[static_cast<size_t>(i)] = part;
  };
  if (!parallel_for(n_tasks, n_threads, task, run.poll))
    return false;
  std::fill(sums.measures, sums.measures + 2 * k, 0.0);
  for (const BoxSums &part : parts) {
    sums.cross += part.cross;
    sums.decrease += part.decrease;
    sums.sweeps += part.sweeps;
    for (Index t = 0; t < 2 * k; ++t)
      sums.measures[t] += part.measures[t];
  }
  return true;
}

template bool solve_bounded<float>(const Kernels<float> &, const BoxMethod &,
                                   const BoxRows<float> &, BoxSums &, Run);
template bool solve_bounded<double>(const Kernels<double> &, const BoxMethod &,
                                    const BoxRows<double> &, BoxSums &, Run);

} // namespace nonneg
