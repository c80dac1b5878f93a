// Bindings of several iterations of coordinate descent in one call.
#include <string>

#include "binding/arguments.hpp"
#include "binding/options.hpp"
#include "binding/swept.hpp"
#include "drivers/alternation.hpp"

namespace nonneg {
namespace {

using Doubles = nb::ndarray<double, nb::c_contig, nb::device::cpu>;
template <class T> void bind_repetition(nb::module_ &m) {
  m.def(sizeof(T) == 4 ? "repeat32" : "repeat64",
        [](nb::handle rows, In<T> P, const SolveOptions &options, double first_violation,
           double tol, double rounding, Doubles violations, int n_threads) {
          const RowArrays<T> r = rows_of<T>(rows);
          const auto p = view<const T>(P);
          require(p.rows == r.solved.rows && p.cols == r.solved.cols,
                  "the right-hand side must have the shape of the factor");
          const Repetition<T> repetition{solve_of<T>(options, static_cast<size_t>(p.cols)),
                                         r,
                                         p,
                                         first_violation,
                                         tol,
                                         rounding,
                                         static_cast<Index>(violations.size()),
                                         data_of(violations)};
          Index done = 0;
          call(n_threads, [&](Run run) { return repeat(kernels<T>(), repetition, done, run); });
          return done;
        },
        nb::arg("rows"), nb::arg("P").noconvert(), nb::arg("options"),
        nb::arg("first_violation"), nb::arg("tol"), nb::arg("rounding"),
        nb::arg("violations").noconvert(), nb::arg("n_threads"));
}

template <class T, class Arg> void bind_storage(nb::module_ &m, const char *suffix) {
  const std::string name =
      std::string(sizeof(T) == 4 ? "alternate32_" : "alternate64_") + suffix;
  m.def(name.c_str(),
        [](typename Arg::Arrays X, const SweptArrays &inner, const SweptArrays &outer,
           bool outer_first, nb::object gram_inner, nb::object gram_outer, Out<T> rhs,
           double first_violation, double tol, double rounding, nb::object measures,
           Doubles grams, nb::object sums, int n_threads) {
          const auto p = view<T>(rhs);
          const Index k = p.cols;
          const auto x = Arg::view_of(X, p.rows);
          const auto reports = array_of<Doubles>(measures, "measures");
          require(reports.ndim() == 2 && reports.shape(1) == 2, "measures must be n x 2");
          const Index most = static_cast<Index>(reports.shape(0));
          const Index square = k * k;
          require(static_cast<Index>(grams.size()) == 2 * most * square,
                  "there must be two Gram matrices for each iteration");
          Alternation<T> a{swept<T>(inner, x.rows),
                           swept<T>(outer, x.cols),
                           outer_first,
                           square_of(gram_inner, k, k),
                           square_of(gram_outer, k, k),
                           p,
                           nullptr,
                           first_violation,
                           tol,
                           rounding,
                           most,
                           data_of(reports),
                           data_of(grams),
                           nullptr};
          require_components(static_cast<size_t>(k));
          require(a.gram_inner && a.gram_outer, "the Gram matrices must be there");
          require(x.cols == p.rows && a.inner.rows.cols == k && a.outer.rows.cols == k,
                  "the shapes of X and the factors do not fit");
          if (!sums.is_none()) {
            const auto of_columns = array_of<Doubles>(sums, "sums");
            require(static_cast<Index>(of_columns.size()) == 2 * most * k,
                    "there must be 2 k sums for each iteration");
            a.sums = data_of(of_columns);
          }
          std::vector<int64_t> order(static_cast<size_t>(k));
          for (size_t t = 0; t < order.size(); ++t)
            order[t] = static_cast<int64_t>(t);
          a.order = order.data();
          Index done = 0;
          call(n_threads, [&](Run run) { return alternate(kernels<T>(), x, a, done, run); });
          return done;
        },
        nb::arg("X").noconvert(), nb::arg("inner"), nb::arg("outer"), nb::arg("outer_first"),
        nb::arg("gram_inner"), nb::arg("gram_outer"), nb::arg("rhs").noconvert(),
        nb::arg("first_violation"), nb::arg("tol"), nb::arg("rounding"), nb::arg("measures"),
        nb::arg("grams").noconvert(), nb::arg("sums").none(), nb::arg("n_threads"));
}

} // namespace

void bind_alternation(nb::module_ &m) {
  nb::class_<SweptArrays>(m, "SweptArrays")
      .def("__init__",
           [](SweptArrays *self, nb::object rows, nb::object Q, nb::object l1) {
             new (self) SweptArrays{std::move(rows), std::move(Q), std::move(l1)};
           },
           nb::kw_only(), nb::arg("rows"), nb::arg("Q"), nb::arg("l1"));
  for_dtypes([&]<class T>(T) {
    bind_repetition<T>(m);
    bind_storage<T, DenseArg<T>>(m, "dense");
    bind_storage<T, CsrArg<T, int32_t>>(m, "csr32");
    bind_storage<T, CsrArg<T, int64_t>>(m, "csr64");
  });
}

} // namespace nonneg
