// Bindings of rows that are drawn from a CSR or CSC matrix.
#include <string>

#include "binding/arguments.hpp"
#include "drivers/drawing.hpp"

namespace nonneg {
namespace {

template <class T, class I>
DrawnEntries<T, I> entries_of(const OutVector<T> &values, const OutVector<I> &indices,
                              const OutVector<I> &pointers, Index n_lines) {
  require(values.shape(0) == indices.shape(0) &&
              static_cast<Index>(pointers.shape(0)) == n_lines + 1,
          "the arrays for the entries that are drawn do not belong together");
  return {data_of(values), data_of(indices), data_of(pointers),
          static_cast<Index>(values.shape(0))};
}

template <class T, class I> void bind_index(nb::module_ &m, const char *suffix) {
  using Arg = CsrArg<T, I>;
  m.def((std::string("draw_rows_") + suffix).c_str(),
        [](typename Arg::Arrays X, Index n_columns, const Vector<I> &rows, const Vector<T> &scale,
           const OutVector<T> &values, const OutVector<I> &indices, const OutVector<I> &pointers) {
          const auto x = Arg::view_of(X, n_columns);
          const Index n = static_cast<Index>(rows.shape(0));
          require(scale.shape(0) == rows.shape(0), "there must be a number for each row");
          const I *const numbers = numbers_below(rows, x.rows, "there is no such row");
          const auto out = entries_of<T, I>(values, indices, pointers, n);
          call(1, [&](Run run) { return draw_rows(x, numbers, n, data_of(scale), out, run); });
        },
        nb::arg("X").noconvert(), nb::arg("n_columns"), nb::arg("rows").noconvert(),
        nb::arg("scale").noconvert(), nb::arg("values").noconvert(),
        nb::arg("indices").noconvert(), nb::arg("pointers").noconvert());
  m.def((std::string("draw_columns_") + suffix).c_str(),
        [](typename Arg::Arrays X, const Vector<I> &place, const Vector<T> &scale,
           const OutVector<T> &values, const OutVector<I> &indices, const OutVector<I> &pointers) {
          const auto x = Arg::view_of(X, static_cast<Index>(place.shape(0)));
          const I *const places = data_of(place);
          require(scale.shape(0) == place.shape(0), "there must be a number for each column");
          const auto out = entries_of<T, I>(values, indices, pointers, x.rows);
          call(1, [&](Run run) {
            return draw_columns(x, places, data_of(scale), out, run);
          });
        },
        nb::arg("X").noconvert(), nb::arg("place").noconvert(), nb::arg("scale").noconvert(),
        nb::arg("values").noconvert(), nb::arg("indices").noconvert(),
        nb::arg("pointers").noconvert());
}

} // namespace

void bind_drawing(nb::module_ &m) {
  for_dtypes([&]<class T>(T) {
    bind_index<T, int32_t>(m, "csr32");
    bind_index<T, int64_t>(m, "csr64");
  });
}

} // namespace nonneg
