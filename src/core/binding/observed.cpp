// Python bindings of the kernels for missing and weighted entries.
#include <nanobind/stl/string.h>

#include <limits>
#include <string>

#include "binding/arguments.hpp"
#include "binding/models.hpp"
#include "binding/options.hpp"
#include "drivers/observed.hpp"

namespace nonneg {
namespace {

template <class I>
using Writable = nb::ndarray<I, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// A vector of n numbers, or null for None.
const double *shares_of(const nb::object &array, Index n) {
  return array.is_none()
             ? nullptr
             : vector_of<double>(array, static_cast<size_t>(n), "a share for each row is needed");
}

Apart apart_of(const ApartOptions &options, Index n_rows, Index k) {
  constexpr Method methods[] = {Method::sweep, Method::adaptive, Method::exact};
  require(options.method >= 0 && options.method < 3, "there is no such method");
  require_components(static_cast<size_t>(k));
  require(!options.base.is_none() && !options.Q.is_none(), "base and Q must be there");
  const auto what = "l1 and order must have k entries";
  const int64_t *const order = vector_of<int64_t>(options.order, static_cast<size_t>(k), what);
  for (Index c = 0; c < k; ++c)
    require(order[c] >= 0 && order[c] < k, "order must hold coordinates in [0, k)");
  return {square_of(options.base, k, k),
          square_of(options.Q, k, k),
          vector_of<double>(options.l1, static_cast<size_t>(k), what),
          shares_of(options.linear, n_rows),
          shares_of(options.quadratic, n_rows),
          order,
          methods[options.method],
          static_cast<int>(k),
          options.sweeps,
          options.settled,
          options.momentum,
          options.narrow};
}

template <class T, class I> void bind_csr(nb::module_ &m, const char *index) {
  const std::string suffix = std::string(sizeof(T) == 4 ? "32_csr" : "64_csr") + index;
  using Arg = CsrArg<T, I>;
  m.def(("named_product" + suffix).c_str(),
        [](nb::tuple named, In<T> A, In<T> B, In<T> C, Out<T> out, int n_threads) {
          const auto d = Arg::view_of(named, static_cast<Index>(B.shape(0)));
          const auto a = view<const T>(A), b = view<const T>(B), c = view<const T>(C);
          const auto o = view<T>(out);
          require(d.rows == a.rows && a.rows == o.rows && b.rows == c.rows &&
                      a.cols == b.cols && c.cols == o.cols,
                  "the shapes of the factors do not fit");
          call(n_threads, [&](Run run) {
            return named_product(kernels<T>(), d, a, b, c, o, run);
          });
        },
        nb::arg("named").noconvert(), nb::arg("A").noconvert(), nb::arg("B").noconvert(),
        nb::arg("C").noconvert(), nb::arg("out").noconvert(), nb::arg("n_threads"));
  m.def(("named_square" + suffix).c_str(),
        [](nb::tuple named, nb::object values, In<T> A, In<T> B, int n_threads) {
          const auto d = Arg::view_of(named, static_cast<Index>(B.shape(0)));
          const auto a = view<const T>(A), b = view<const T>(B);
          require(d.rows == a.rows && a.cols == b.cols, "the shapes of the factors do not fit");
          const T *const x =
              values.is_none()
                  ? nullptr
                  : vector_of<T>(values, static_cast<size_t>(d.indptr[d.rows]),
                                 "a value for each named entry is needed");
          double sum = 0;
          call(n_threads,
               [&](Run run) { return named_square(kernels<T>(), d, x, a, b, sum, run); });
          return sum;
        },
        nb::arg("named").noconvert(), nb::arg("values").none(), nb::arg("A").noconvert(),
        nb::arg("B").noconvert(), nb::arg("n_threads"));
  m.def(("solve_apart" + suffix).c_str(),
        [](nb::tuple named, nb::handle rows, In<T> Ht, In<T> P, const ApartOptions &options,
           nb::handle measures, int n_threads) {
          const auto d = Arg::view_of(named, static_cast<Index>(Ht.shape(0)));
          const RowArrays<T> r = rows_of<T>(rows);
          const auto h = view<const T>(Ht), p = view<const T>(P);
          const Index k = r.solved.cols;
          require(d.rows == r.solved.rows && p.rows == d.rows && p.cols == k && h.cols == k,
                  "the shapes of the factors do not fit");
          const Apart apart = apart_of(options, d.rows, k);
          ApartSums sums;
          sums.measures = square_of(measures, 2, k);
          call(n_threads, [&](Run run) {
            return solve_apart(kernels<T>(), d, apart, r, h, p, sums, run);
          });
          const SolveSums &s = sums.sums;
          return nb::make_tuple(s.violation, s.cross, s.decrease, s.sweeps, sums.square);
        },
        nb::arg("named").noconvert(), nb::arg("rows"), nb::arg("Ht").noconvert(),
        nb::arg("P").noconvert(), nb::arg("options"), nb::arg("measures"),
        nb::arg("n_threads"));
  m.def(("update_imputed" + suffix).c_str(),
        [](In<T> X, nb::tuple hidden, nb::list models, nb::object row_scales,
           nb::object column_scales, bool in_sums, int n_threads) {
          const auto x = view<const T>(X);
          const auto scales = [](const nb::object &array, Index n) {
            return array.is_none() ? nullptr
                                   : vector_of<T>(array, static_cast<size_t>(n),
                                                  "a scale for each row and column is needed");
          };
          const Gaps<T, I> gaps{Arg::view_of(hidden, x.cols),
                                {scales(row_scales, x.rows), scales(column_scales, x.cols)},
                                in_sums};
          require(gaps.named.rows == x.rows, "there must be a row of gaps for each row of X");
          std::vector<FusedModel<T>> fused = fused_models<T>(models, x.rows, x.cols);
          for (const FusedModel<T> &model : fused)
            require(model.measures != nullptr, "each model needs room for its measures");
          std::vector<double> squares(fused.size());
          call(n_threads, [&](Run run) {
            return update_imputed(kernels<T>(), x, gaps, fused.data(), squares.data(),
                                  static_cast<int>(fused.size()), run);
          });
          nb::list sums;
          for (double square : squares)
            sums.append(square);
          return nb::make_tuple(reports_of(fused), sums);
        },
        nb::arg("X").noconvert(), nb::arg("hidden").noconvert(), nb::arg("models"),
        nb::arg("row_scales").none(), nb::arg("column_scales").none(), nb::arg("in_sums"),
        nb::arg("n_threads"));
  m.def(("clean_product" + suffix).c_str(),
        [](In<T> X, nb::tuple named, In<T> B, Out<T> out, int n_threads) {
          const auto x = view<const T>(X), b = view<const T>(B);
          const auto o = view<T>(out);
          const auto d = Arg::view_of(named, x.cols);
          require(d.rows == x.rows && o.rows == x.rows && b.rows == x.cols && b.cols == o.cols,
                  "the shapes of X and the factors do not fit");
          call(n_threads,
               [&](Run run) { return clean_product(kernels<T>(), x, d, b, o, run); });
        },
        nb::arg("X").noconvert(), nb::arg("named").noconvert(), nb::arg("B").noconvert(),
        nb::arg("out").noconvert(), nb::arg("n_threads"));
  m.def(("clean_summary" + suffix).c_str(),
        [](In<T> X, nb::tuple named, int n_threads) {
          const auto x = view<const T>(X);
          const auto d = Arg::view_of(named, x.cols);
          require(d.rows == x.rows, "there must be a row of gaps for each row of X");
          Summary sums;
          call(n_threads, [&](Run run) { return clean_summary(kernels<T>(), x, d, sums, run); });
          return nb::make_tuple(sums.sum, sums.square, sums.least);
        },
        nb::arg("X").noconvert(), nb::arg("named").noconvert(), nb::arg("n_threads"));
  m.def(("list_gaps" + suffix).c_str(),
        [](In<T> X, bool zeros, Vector<I> indptr, Writable<I> columns, int n_threads) {
          const auto x = view<const T>(X);
          const auto what = "there must be room for the gaps of each row";
          require(indptr.shape(0) == X.shape(0) + 1, what);
          const I *const pointers = data_of(indptr);
          I *const out = data_of(columns);
          require(leads_through(pointers, X.shape(0), columns.shape(0)) &&
                      static_cast<size_t>(pointers[X.shape(0)]) == columns.shape(0),
                  what);
          call(n_threads, [&](Run run) { return list_gaps(x, zeros, pointers, out, run); });
        },
        nb::arg("X").noconvert(), nb::arg("zeros"), nb::arg("indptr").noconvert(),
        nb::arg("columns").noconvert(), nb::arg("n_threads"));
  m.def(("clean_rows" + suffix).c_str(),
        [](In<T> X, nb::tuple named, Index first, Out<T> out, int n_threads) {
          const auto x = view<const T>(X);
          const auto o = view<T>(out);
          const auto d = Arg::view_of(named, x.cols);
          require(x.rows == o.rows && x.cols == o.cols && first >= 0 &&
                      first + x.rows <= d.rows,
                  "the shapes of the rows do not fit");
          call(n_threads, [&](Run run) { return clean_rows(x, d, first, o, run); });
        },
        nb::arg("X").noconvert(), nb::arg("named").noconvert(), nb::arg("first"),
        nb::arg("out").noconvert(), nb::arg("n_threads"));
}

} // namespace

void bind_observed(nb::module_ &m) {
  nb::class_<ApartOptions>(m, "ApartOptions")
      .def(
          "__init__",
          [](ApartOptions *self, nb::object base, nb::object Q, nb::object l1,
             nb::object linear, nb::object quadratic, nb::object order, int method, int sweeps,
             double settled, double momentum, bool narrow) {
            new (self) ApartOptions{base,   Q,      l1,      linear,   quadratic, order,
                                    method, sweeps, settled, momentum, narrow};
          },
          nb::kw_only(), nb::arg("base"), nb::arg("Q"), nb::arg("l1"), nb::arg("linear").none(),
          nb::arg("quadratic").none(), nb::arg("order"), nb::arg("method"), nb::arg("sweeps"),
          nb::arg("settled"), nb::arg("momentum"), nb::arg("narrow"));
  for_dtypes([&]<class T>(T) {
    m.def(sizeof(T) == 4 ? "extremes32" : "extremes64",
          [](In<T> X, int n_threads) {
            const auto x = view<const T>(X);
            double least = std::numeric_limits<double>::infinity(), most = -least;
            call(n_threads, [&](Run run) { return extremes(x, least, most, run); });
            return nb::make_tuple(least, most);
          },
          nb::arg("X").noconvert(), nb::arg("n_threads"));
    m.def(sizeof(T) == 4 ? "count_gaps32" : "count_gaps64",
          [](In<T> X, bool zeros, Writable<int64_t> counts, int n_threads) {
            const auto x = view<const T>(X);
            require(counts.shape(0) == X.shape(0), "there must be a count for each row");
            int64_t *const out = data_of(counts);
            call(n_threads, [&](Run run) { return count_gaps(x, zeros, out, run); });
          },
          nb::arg("X").noconvert(), nb::arg("zeros"), nb::arg("counts").noconvert(),
          nb::arg("n_threads"));
    bind_csr<T, int32_t>(m, "32");
    bind_csr<T, int64_t>(m, "64");
  });
}

} // namespace nonneg
