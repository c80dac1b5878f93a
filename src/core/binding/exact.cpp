// Python bindings of the exact row solve.
#include <nanobind/stl/optional.h>

#include <optional>

#include "binding/arguments.hpp"
#include "drivers/exact.hpp"

namespace nonneg {
namespace {

using Mutable = nb::ndarray<double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class T> void bind_dtype(nb::module_ &m) {
  m.def("exact_solve",
        [](Out<T> A, In<T> P, Vector<double> gram, Vector<double> l1,
           std::optional<Vector<double>> upper, Mutable gradient,
           bool fixed, int n_threads) {
          const size_t k = A.shape(1);
          require_components(k);
          require_rows(A, P);
          require_columns(A, P);
          require(gram.shape(0) == k * k && l1.shape(0) == k &&
                      gradient.shape(0) == k && (!upper || upper->shape(0) == k),
                  "the Gram matrix, l1, upper and gradient must all have k entries a side");
          const Exact e{data_of(gram), data_of(l1), upper ? data_of(*upper) : nullptr,
                        static_cast<int>(k), fixed, asked_to_stop};
          const auto a = view<T>(A);
          const auto p = view<const T>(P);
          ExactSums sums;
          sums.gradient = data_of(gradient);
          call(n_threads,
               [&](Run run) { return exact(kernels<T>(), e, a, p, sums, run); });
          return nb::make_tuple(sums.cross, sums.fallbacks, sums.factorizations);
        },
        nb::arg("A").noconvert(), nb::arg("P").noconvert(), nb::arg("gram").noconvert(),
        nb::arg("l1").noconvert(), nb::arg("upper").noconvert().none(),
        nb::arg("gradient").noconvert(), nb::arg("fixed"), nb::arg("n_threads"));
}

} // namespace

void bind_exact(nb::module_ &m) {
  bind_dtype<float>(m);
  bind_dtype<double>(m);
}

} // namespace nonneg
