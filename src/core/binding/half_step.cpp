// Bindings of the solves for the rows of a factor, alone or fused with products.
#include <nanobind/stl/string.h>

#include <string>
#include <vector>

#include "binding/arguments.hpp"
#include "binding/models.hpp"
#include "drivers/half_step.hpp"

namespace nonneg {
namespace {

template <class T> void bind_solve(nb::module_ &m) {
  m.def(sizeof(T) == 4 ? "solve32" : "solve64",
        [](nb::handle rows, In<T> P, const SolveOptions &options, nb::handle gram_solved,
           nb::handle gram_result, nb::handle measures, int n_threads) {
          const RowArrays<T> r = rows_of<T>(rows);
          const auto p = view<const T>(P);
          const Index k = r.solved.cols;
          require(p.rows == r.solved.rows && p.cols == k,
                  "the right-hand side must have the shape of the factor");
          const Solve<T> s = solve_of<T>(options, static_cast<size_t>(k));
          double *const g = square_of(gram_solved, k, k);
          double *const h = square_of(gram_result, k, k);
          double *const q = square_of(measures, 2, k);
          SolveSums sums;
          call(n_threads, [&](Run run) {
            return solve(kernels<T>(), s, r, p, g, h, q, sums, run);
          });
          return report(sums);
        },
        nb::arg("rows"), nb::arg("P").noconvert(), nb::arg("options"),
        nb::arg("gram_solved").none(), nb::arg("gram_result").none(),
        nb::arg("measures").none(), nb::arg("n_threads"));
}

template <class T, class Arg> void bind_storage(nb::module_ &m, const char *suffix) {
  const std::string update_name =
      std::string(sizeof(T) == 4 ? "update32_" : "update64_") + suffix;
  m.def(update_name.c_str(),
        [](typename Arg::Arrays X, nb::list models, Index n_columns, int n_threads) {
          const auto x = Arg::view_of(X, n_columns);
          std::vector<FusedModel<T>> fused = fused_models<T>(models, x.rows, n_columns);
          call(n_threads, [&](Run run) {
            return update(kernels<T>(), x, fused.data(), static_cast<int>(fused.size()),
                          run);
          });
          return reports_of(fused);
        },
        nb::arg("X").noconvert(), nb::arg("models"), nb::arg("n_columns"),
        nb::arg("n_threads"));
}

} // namespace

void bind_half_step(nb::module_ &m) {
  for_dtypes([&]<class T>(T) {
    bind_solve<T>(m);
    NONNEG_BIND_STORAGES(T, MatrixView<const T>)
  });
}

} // namespace nonneg
