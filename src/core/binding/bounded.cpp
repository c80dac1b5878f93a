// Python bindings of the solves for rows within bounds.
#include <nanobind/stl/optional.h>

#include <optional>

#include "binding/arguments.hpp"
#include "drivers/bounded.hpp"

namespace nonneg {
namespace {

using Measures = nb::ndarray<double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Flags = nb::ndarray<uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class T> void bind_dtype(nb::module_ &m) {
  m.def("solve_bounded",
        [](In<T> start, Out<T> solved, In<T> P, Vector<double> gram, Vector<double> l1,
           In<T> lower, In<T> upper, std::optional<Vector<double>> total, bool at_most,
           bool exact, int most, double settled, double vanishing, double ridge,
           double tolerance, Flags unsolved, Measures measures, int n_threads) {
          const size_t k = solved.shape(1), n = solved.shape(0);
          require_components(k);
          for (const auto *A : {&start, &P})
            require(A->shape(0) == n && A->shape(1) == k,
                    "the arrays of rows differ in their shapes");
          for (const auto *A : {&lower, &upper})
            require((A->shape(0) == n || A->shape(0) == 1) && A->shape(1) == k,
                    "bounds must have one row, or one for each row of the factor");
          require(gram.shape(0) == k * k && l1.shape(0) == k && unsolved.shape(0) == n &&
                      measures.shape(0) == 2 && measures.shape(1) == k &&
                      (!total || total->shape(0) == n),
                  "the Gram matrix, l1, totals, flags or measures have a wrong length");
          const BoxMethod method{data_of(gram), data_of(l1), static_cast<int>(k), exact,
                                 most,        settled,   vanishing,           ridge,
                                 tolerance,   at_most};
          const BoxRows<T> rows{view<const T>(start), view<const T>(P),
                                view<const T>(lower), view<const T>(upper),
                                view<T>(solved),      total ? data_of(*total) : nullptr,
                                unsolved.data()};
          BoxSums sums;
          sums.measures = data_of(measures);
          call(n_threads, [&](Run run) {
            return solve_bounded(kernels<T>(), method, rows, sums, run);
          });
          return nb::make_tuple(sums.cross, sums.decrease, sums.sweeps);
        },
        nb::arg("start").noconvert(), nb::arg("solved").noconvert(), nb::arg("P").noconvert(),
        nb::arg("gram").noconvert(), nb::arg("l1").noconvert(), nb::arg("lower").noconvert(),
        nb::arg("upper").noconvert(), nb::arg("total").noconvert().none(), nb::arg("at_most"),
        nb::arg("exact"), nb::arg("most"), nb::arg("settled"), nb::arg("vanishing"),
        nb::arg("ridge"), nb::arg("tolerance"), nb::arg("unsolved").noconvert(),
        nb::arg("measures").noconvert(), nb::arg("n_threads"));
}

} // namespace

void bind_bounded(nb::module_ &m) {
  bind_dtype<float>(m);
  bind_dtype<double>(m);
}

} // namespace nonneg
