// Python bindings of the steps of iteratively reweighted non-negative least squares.
#include "drivers/irls.hpp"

#include "binding/arguments.hpp"

namespace nonneg {
namespace {

template <class T> void bind_dtype(nb::module_ &m) {
  m.def("irls",
        [](In<T> X, nb::handle rows, In<T> Ht, double beta, double floor, double power,
           double momentum, Vector<T> l1, Vector<T> l2, int n_threads) {
          const auto other = view<const T>(Ht);
          const auto x = StridedArg<T>::view_of(X, other.rows);
          const RowArrays<T> r = rows_of<T>(rows);
          const size_t k = Ht.shape(1);
          require_components(k);
          require(x.cols == other.rows && r.solved.rows == x.rows &&
                      r.solved.cols == other.cols,
                  "the shapes of X and the factors do not fit");
          require(l1.shape(0) == k && l2.shape(0) == k, "l1 and l2 must have k entries");
          require(beta >= 0 && beta <= 2, "beta must be from 0 to 2");
          require(power == 0 || power == 0.5 || power == 1, "the power must be 0, 1/2 or 1");
          const Irls<T> options{static_cast<T>(beta),     static_cast<T>(floor),
                                static_cast<T>(momentum), data_of(l1),
                                data_of(l2),              static_cast<int>(k),
                                power};
          IrlsSums sums;
          call(n_threads,
               [&](Run run) { return irls(kernels<T>(), x, options, r, other, sums, run); });
          return nb::make_tuple(sums.value, sums.residual, sums.size, sums.shortened);
        },
        nb::arg("X").noconvert(), nb::arg("rows"), nb::arg("Ht").noconvert(), nb::arg("beta"),
        nb::arg("floor"), nb::arg("power"), nb::arg("momentum"), nb::arg("l1").noconvert(),
        nb::arg("l2").noconvert(), nb::arg("n_threads"));
}

} // namespace

void bind_irls(nb::module_ &m) {
  bind_dtype<float>(m);
  bind_dtype<double>(m);
}

} // namespace nonneg
