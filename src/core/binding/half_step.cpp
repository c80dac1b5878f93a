// Bindings of the solves for the rows of a factor, alone or fused with products.
#include <nanobind/stl/string.h>

#include <string>
#include <vector>

#include "binding/arguments.hpp"
#include "binding/models.hpp"
#include "drivers/half_step.hpp"
#include "drivers/storage.hpp"

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

// Rows in classes, by the bounds of these.
RowClasses classes_of(nb::handle bounds, Index n_rows) {
  const auto ends = array_of<Vector<int64_t>>(bounds, "the bounds of classes");
  require(ends.shape(0) >= 2, "there must be a class");
  const RowClasses classes{data_of(ends), static_cast<Index>(ends.shape(0)) - 1};
  require(classes.bounds[0] == 0 && classes.bounds[classes.n] == n_rows,
          "the classes must hold all rows");
  require(std::is_sorted(classes.bounds, classes.bounds + classes.n + 1),
          "the bounds of classes must rise");
  return classes;
}

template <class T> void bind_solve_classes(nb::module_ &m) {
  m.def(sizeof(T) == 4 ? "solve_classes32" : "solve_classes64",
        [](nb::handle rows, In<T> P, nb::list options, nb::object bounds,
           nb::handle grams_solved, nb::handle grams_result, nb::handle measures,
           int n_threads) {
          const RowArrays<T> r = rows_of<T>(rows);
          const auto p = view<const T>(P);
          const Index k = r.solved.cols;
          require(p.rows == r.solved.rows && p.cols == k,
                  "the right-hand side must have the shape of the factor");
          const RowClasses classes = classes_of(bounds, p.rows);
          const Index n = classes.n;
          const auto solves = solves_of<T>(options, n, static_cast<size_t>(k));
          double *const g = square_of(grams_solved, n * k, k);
          double *const h = square_of(grams_result, n * k, k);
          double *const q = square_of(measures, 2, k);
          std::vector<double> of_class(static_cast<size_t>(2 * k));
          SolveSums sums;
          call(n_threads, [&](Run run) {
            bool done = true;
            for (Index a = 0; done && a < n; ++a) {
              const Index first = classes.bounds[a], last = classes.bounds[a + 1];
              const Solve<T> &s = solves[static_cast<size_t>(a)];
              done = solve(kernels<T>(), s, rows_of(r, first, last), rows_of(p, first, last),
                           g ? g + a * k * k : nullptr, h ? h + a * k * k : nullptr,
                           of_class.data(), sums, run);
              for (Index t = 0; q && t < 2 * k; ++t)
                q[t] += of_class[static_cast<size_t>(t)];
            }
            return done;
          });
          return report(sums);
        },
        nb::arg("rows"), nb::arg("P").noconvert(), nb::arg("options"), nb::arg("bounds"),
        nb::arg("grams_solved").none(), nb::arg("grams_result").none(),
        nb::arg("measures").none(), nb::arg("n_threads"));
}

template <class T, class Arg> void bind_storage(nb::module_ &m, const char *suffix) {
  const std::string update_name =
      std::string(sizeof(T) == 4 ? "update32_" : "update64_") + suffix;
  m.def(update_name.c_str(),
        [](typename Arg::Arrays X, nb::list models, Index n_columns, int n_threads,
           nb::handle bounds, nb::handle entries) {
          const auto x = Arg::view_of(X, n_columns);
          const RowClasses classes = bounds.is_none() ? RowClasses{} : classes_of(bounds, x.rows);
          std::vector<FusedModel<T>> fused =
              fused_models<T>(models, x.rows, n_columns, bounds.is_none() ? 0 : classes.n);
          double *const sums = square_of(entries, 1, 3);
          Summary summary;
          call(n_threads, [&](Run run) {
            return update(kernels<T>(), x, fused.data(), static_cast<int>(fused.size()), run,
                          classes, sums ? &summary : nullptr);
          });
          if (sums)
            sums[0] = summary.sum, sums[1] = summary.square, sums[2] = summary.least;
          return reports_of(fused);
        },
        nb::arg("X").noconvert(), nb::arg("models"), nb::arg("n_columns"),
        nb::arg("n_threads"), nb::arg("bounds").none() = nb::none(),
        nb::arg("entries").none() = nb::none());
}

} // namespace

void bind_half_step(nb::module_ &m) {
  for_dtypes([&]<class T>(T) {
    bind_solve<T>(m);
    bind_solve_classes<T>(m);
    NONNEG_BIND_STORAGES(T, MatrixView<const T>)
  });
}

} // namespace nonneg
