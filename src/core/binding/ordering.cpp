// Binding of the order of rows and of their entries by classes.
#include <string>

#include "binding/arguments.hpp"
#include "drivers/ordering.hpp"

namespace nonneg {
namespace {

template <class T, class I> void bind_index(nb::module_ &m, const char *suffix) {
  using Arg = CsrArg<T, I>;
  m.def((std::string("order_runs_") + suffix).c_str(),
        [](typename Arg::Arrays X, const Vector<I> &rows, const Vector<I> &place,
           const Vector<I> &class_of, Index n_classes, const OutVector<T> &values,
           const OutVector<I> &indices, const OutVector<I> &pointers, const OutVector<double> &sums,
           const OutVector<double> &squares, int n_threads) {
          const Index cols = static_cast<Index>(place.shape(0));
          const auto x = Arg::view_of(X, cols);
          const Index n_rows = static_cast<Index>(rows.shape(0));
          require(class_of.shape(0) == place.shape(0), "each column must have a class");
          require(n_classes >= 1 && pointers.shape(0) >= 1, "there must be a class and a pointer");
          const size_t n_runs = pointers.shape(0) - 1, F = static_cast<size_t>(n_classes);
          require(n_runs % F == 0 && n_runs / F == rows.shape(0) && sums.shape(0) == n_runs &&
                      squares.shape(0) == n_runs && values.shape(0) == indices.shape(0),
                  "the arrays for the entries in order do not belong together");
          const I *const r = numbers_below(rows, x.rows, "there is no such row");
          const I *const p = numbers_below(place, cols, "there is no such column");
          const I *const c = numbers_below(class_of, n_classes, "there is no such class");
          const RunEntries<T, I> out{data_of(values), data_of(indices), data_of(pointers),
                                     data_of(sums),   data_of(squares),
                                     static_cast<Index>(values.shape(0))};
          call(n_threads, [&](Run run) {
            return order_runs(x, r, n_rows, p, c, n_classes, out, run);
          });
        },
        nb::arg("X").noconvert(), nb::arg("rows").noconvert(), nb::arg("place").noconvert(),
        nb::arg("class_of").noconvert(), nb::arg("n_classes"), nb::arg("values").noconvert(),
        nb::arg("indices").noconvert(), nb::arg("pointers").noconvert(),
        nb::arg("sums").noconvert(), nb::arg("squares").noconvert(), nb::arg("n_threads"));
}

} // namespace

void bind_ordering(nb::module_ &m) {
  for_dtypes([&]<class T>(T) {
    bind_index<T, int32_t>(m, "csr32");
    bind_index<T, int64_t>(m, "csr64");
  });
}

} // namespace nonneg
