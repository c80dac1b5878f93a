// Bindings of several iterations of adaptive sweeps with extrapolation in one call, and of the end
// of such a fit.
#include <nanobind/stl/string.h>

#include <string>

#include "binding/arguments.hpp"
#include "binding/options.hpp"
#include "binding/turns.hpp"
#include "drivers/extrapolation.hpp"

namespace nonneg {
namespace {

nb::tuple report(const SolveSums &sums) {
  return nb::make_tuple(sums.violation, sums.cross, sums.decrease, sums.sweeps);
}

template <class T, class Arg> void bind_polish(nb::module_ &m, const char *suffix) {
  const std::string name = std::string(sizeof(T) == 4 ? "polish32_" : "polish64_") + suffix;
  m.def(name.c_str(),
        [](typename Arg::Arrays X, bool by_columns, In<T> best_W, In<T> best_H, Out<T> W, Out<T> H,
           int sweeps, double settled, int exact_sweeps, double exact_settled, double half_square,
           double best, int n_threads) {
          const Polish<T> p{by_columns,
                            view<const T>(best_W),
                            view<const T>(best_H),
                            view<T>(W),
                            view<T>(H),
                            sweeps,
                            static_cast<T>(settled),
                            exact_sweeps,
                            static_cast<T>(exact_settled),
                            half_square,
                            best};
          const Index k = p.W.cols;
          const auto x = Arg::view_of(X, by_columns ? p.W.rows : p.H.rows);
          require_components(static_cast<size_t>(k));
          const Index n_W = by_columns ? x.cols : x.rows, n_H = by_columns ? x.rows : x.cols;
          const auto fits = [k](const MatrixView<const T> &A, Index n) {
            return A.rows == n && A.cols == k && (A.stride == k || n == 1);
          };
          require(fits(constant(p.W), n_W) && fits(p.best_W, n_W) && fits(constant(p.H), n_H) &&
                      fits(p.best_H, n_H),
                  "the shapes of X and the factors do not fit");
          PolishEnd end;
          call(n_threads, [&](Run run) { return polish(kernels<T>(), x, p, end, run); });
          return nb::make_tuple(end.moves_H, end.objective, end.residual, report(end.W));
        },
        nb::arg("X").noconvert(), nb::arg("by_columns"), nb::arg("best_W").noconvert(),
        nb::arg("best_H").noconvert(), nb::arg("W").noconvert(), nb::arg("H").noconvert(),
        nb::arg("sweeps"), nb::arg("settled"), nb::arg("exact_sweeps"), nb::arg("exact_settled"),
        nb::arg("half_square"), nb::arg("best"), nb::arg("n_threads"));
}

template <class T> void bind_balance(nb::module_ &m) {
  m.def(sizeof(T) == 4 ? "balance32" : "balance64",
        [](Out<T> W, Out<T> H, Out<T> product, nb::object gram_H, int n_threads) {
          const Index k = static_cast<Index>(W.shape(1));
          require_components(W.shape(1));
          require(!gram_H.is_none(), "the Gram matrix must be there");
          const Balance<T> b{view<T>(W), view<T>(H), view<T>(product), square_of(gram_H, k, k)};
          for (const MatrixView<T> &A : {b.W, b.H, b.product})
            require(A.cols == k && (A.stride == k || A.rows == 1),
                    "the factors and the product must have contiguous rows of k columns");
          require_rows(W, product);
          BalanceEnd end;
          call(n_threads, [&](Run run) { return balance(kernels<T>(), b, end, run); });
          return nb::make_tuple(end.cross, end.square);
        },
        nb::arg("W").noconvert(), nb::arg("H").noconvert(), nb::arg("product").noconvert(),
        nb::arg("gram_H"), nb::arg("n_threads"));
}

template <class T, class Arg> void bind_storage(nb::module_ &m, const char *suffix) {
  bind_polish<T, Arg>(m, suffix);
  const std::string name = std::string(sizeof(T) == 4 ? "extrapolate32_" : "extrapolate64_") + suffix;
  m.def(name.c_str(),
        [](typename Arg::Arrays X, bool by_columns, nb::list W, Roles roles_W, nb::list H,
           Roles roles_H, nb::object gram_H, nb::object product, Doubles state, Flags restarts,
           Doubles decreases, Doubles values, const MomentumRule &rule, int sweeps,
           double settled, double half_square, double doubtful, double least,
           Doubles reports, nb::object grams, nb::object measures, int n_threads) {
          nb::list &of_columns = by_columns ? W : H;
          require(of_columns.size() == 3, "a factor has three arrays and five roles");
          const auto first = view<T>(array_of<Out<T>>(of_columns[0], "a factor"));
          const Index k = first.cols;
          const auto x = Arg::view_of(X, first.rows);
          require_components(static_cast<size_t>(k));
          require(x.cols == first.rows, "the shapes of X and the factors do not fit");
          const Index n_W = by_columns ? x.cols : x.rows, n_H = by_columns ? x.rows : x.cols;
          MatrixView<T> p{};
          if (!product.is_none())
            p = view<T>(array_of<Out<T>>(product, "the product"));
          require(p.data ? p.rows == n_W && p.cols == k : !by_columns,
                  "the product must have the shape of W");
          require(reports.ndim() == 2 && reports.shape(1) == 4, "reports must be n x 4");
          require(!gram_H.is_none() && !grams.is_none() && !measures.is_none(),
                  "the Gram matrices and the measures must be there");
          KeptState kept(state);
          const Extrapolation<T> e{
              turns_of(turning<T>(W, roles_W, n_W, k), turning<T>(H, roles_H, n_H, k), kept.now,
                       restarts, decreases, values, rule),
              square_of(gram_H, k, k),
              by_columns,
              p,
              sweeps,
              static_cast<T>(settled),
              half_square,
              doubtful,
              least,
              static_cast<Index>(reports.shape(0)),
              data_of(reports),
              square_of(grams, 3 * k, k),
              square_of(measures, 4, k)};
          ExtrapolationEnd end;
          call(n_threads, [&](Run run) { return extrapolate(kernels<T>(), x, e, end, run); });
          return nb::make_tuple(end.done, end.converged, end.pending, report(end.W), report(end.H));
        },
        nb::arg("X").noconvert(), nb::arg("by_columns"), nb::arg("W"),
        nb::arg("roles_W").noconvert(), nb::arg("H"), nb::arg("roles_H").noconvert(),
        nb::arg("gram_H"), nb::arg("product").none(), nb::arg("state").noconvert(),
        nb::arg("restarts").noconvert(), nb::arg("decreases").noconvert(),
        nb::arg("values").noconvert(), nb::arg("rule"), nb::arg("sweeps"), nb::arg("settled"),
        nb::arg("half_square"), nb::arg("doubtful"), nb::arg("least"),
        nb::arg("reports").noconvert(), nb::arg("grams"),
        nb::arg("measures"), nb::arg("n_threads"));
}

} // namespace

void bind_extrapolation(nb::module_ &m) {
  nb::class_<MomentumRule>(m, "MomentumRule")
      .def("__init__",
           [](MomentumRule *self, double growth, double cap_growth, double shrinkage, double tol,
              double nearly, double least_decrease, int64_t pause, int64_t reset) {
             new (self) MomentumRule{growth, cap_growth, shrinkage,      tol,
                                     nearly, least_decrease, pause, reset};
           },
           nb::kw_only(), nb::arg("growth"), nb::arg("cap_growth"), nb::arg("shrinkage"),
           nb::arg("tol"), nb::arg("nearly"), nb::arg("least_decrease"), nb::arg("pause"),
           nb::arg("reset"));
  for_dtypes([&]<class T>(T) {
    bind_balance<T>(m);
    bind_storage<T, DenseArg<T>>(m, "dense");
    bind_storage<T, CsrArg<T, int32_t>>(m, "csr32");
    bind_storage<T, CsrArg<T, int64_t>>(m, "csr64");
  });
}

} // namespace nonneg
