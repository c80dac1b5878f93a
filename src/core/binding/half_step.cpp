// Bindings of the solves for the rows of a factor, alone or fused with products.
#include <nanobind/stl/string.h>

#include <string>
#include <vector>

#include "binding/arguments.hpp"
#include "binding/options.hpp"
#include "drivers/half_step.hpp"

namespace nonneg {
namespace {

nb::tuple report(const SolveSums &sums) {
  return nb::make_tuple(sums.violation, sums.cross, sums.decrease, sums.sweeps);
}

template <class T>
FusedModel<T> fused_model(const ModelArrays &arrays, Index n_rows, Index n_columns) {
  FusedModel<T> fused{};
  const RowArrays<T> rows = rows_of<T>(arrays.rows);
  const Index k = rows.solved.cols;
  fused.model.rows = rows;
  fused.model.solve = solve_of<T>(nb::cast<const SolveOptions &>(arrays.options),
                                  static_cast<size_t>(k));
  fused.Ht = view<const T>(nb::cast<In<T>>(arrays.Ht, false));
  require(rows.solved.rows == n_rows && fused.Ht.rows == n_columns && fused.Ht.cols == k,
          "the shapes of X and the factors do not fit");
  if (!arrays.rhs.is_none()) {
    fused.rhs = view<T>(nb::cast<Out<T>>(arrays.rhs, false));
    require(fused.rhs.rows == n_columns && fused.rhs.cols == k && !arrays.gram.is_none(),
            "the sums do not fit the factors");
  }
  const nb::object scale = nb::getattr(arrays.rows, "scale", nb::none());
  if (!scale.is_none())
    fused.model.scale = vector_of<T>(scale, static_cast<size_t>(n_rows), "a scale for each row is needed");
  const nb::object extra = nb::getattr(arrays.rows, "extra", nb::none());
  if (!extra.is_none()) {
    fused.model.extra = view<const T>(nb::cast<In<T>>(extra, false));
    require(fused.model.extra.rows == n_rows && fused.model.extra.cols == k,
            "the additions do not fit the factor");
  }
  fused.gram = square_of(arrays.gram, k, k);
  fused.measures = square_of(arrays.measures, 2, k);
  return fused;
}

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
          std::vector<FusedModel<T>> fused;
          for (nb::handle item : models) {
            const auto &arrays = nb::cast<const ModelArrays &>(item);
            fused.push_back(fused_model<T>(arrays, x.rows, n_columns));
          }
          require(!fused.empty(), "there must be a model");
          require(fused.size() <= kMostComponents, "there are too many models for one pass");
          for (const FusedModel<T> &model : fused)
            require(!model.rhs.data == !fused[0].rhs.data,
                    "either all models want sums or none");
          call(n_threads, [&](Run run) {
            return update(kernels<T>(), x, fused.data(), static_cast<int>(fused.size()),
                          run);
          });
          nb::list reports;
          for (const FusedModel<T> &model : fused)
            reports.append(report(model.sums));
          return reports;
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
