// Bindings of the products with X, of Gram matrices and of sums.
#include <nanobind/stl/string.h>

#include <string>

#include "binding/arguments.hpp"
#include "drivers/products.hpp"

namespace nonneg {
namespace {

template <class T> void bind_sums(nb::module_ &m) {
  m.def("summary",
        [](In<T> X, int n_threads) {
          const auto x = view<const T>(X);
          Summary all;
          call(n_threads, [&](Run run) { return summary(kernels<T>(), x, all, run); });
          return nb::make_tuple(all.sum, all.square, all.least);
        },
        nb::arg("X").noconvert(), nb::arg("n_threads"));
  m.def("gram",
        [](In<T> A, Out<double> G, int n_threads) {
          require_components(A.shape(1));
          require(G.shape(0) == A.shape(1) && G.shape(1) == A.shape(1) &&
                      (A.shape(1) == 1 ||
                       G.stride(0) == static_cast<int64_t>(A.shape(1))),
                  "G must be a contiguous k x k array");
          const auto a = view<const T>(A);
          double *const g = data_of(G);
          call(n_threads, [&](Run run) { return gram(kernels<T>(), a, g, run); });
        },
        nb::arg("A").noconvert(), nb::arg("G").noconvert(), nb::arg("n_threads"));
}

template <class T, class Arg> void bind_storage(nb::module_ &m, const char *suffix) {
  using Arrays = typename Arg::Arrays;
  const std::string matmul_name = std::string("matmul_") + suffix,
                    rmatmul_name = std::string("rmatmul_") + suffix,
                    error_name = std::string("squared_error_") + suffix;
  m.def(matmul_name.c_str(),
        [](Arrays X, In<T> B, Out<T> out, int n_threads) {
          const auto x = Arg::view_of(X, static_cast<Index>(B.shape(0)));
          const auto b = view<const T>(B);
          require_components(B.shape(1));
          const auto o = view<T>(out);
          require(x.rows == o.rows && x.cols == b.rows && b.cols == o.cols,
                  "the shapes of X, B and out do not fit");
          call(n_threads, [&](Run run) { return matmul(kernels<T>(), x, b, o, run); });
        },
        nb::arg("X").noconvert(), nb::arg("B").noconvert(), nb::arg("out").noconvert(),
        nb::arg("n_threads"));
  m.def(rmatmul_name.c_str(),
        [](Arrays X, In<T> A, Out<T> out, int n_threads) {
          const auto x = Arg::view_of(X, static_cast<Index>(out.shape(0)));
          const auto a = view<const T>(A);
          require_components(A.shape(1));
          const auto o = view<T>(out);
          require(x.rows == a.rows && x.cols == o.rows && a.cols == o.cols,
                  "the shapes of X, A and out do not fit");
          call(n_threads, [&](Run run) { return rmatmul(kernels<T>(), x, a, o, run); });
        },
        nb::arg("X").noconvert(), nb::arg("A").noconvert(), nb::arg("out").noconvert(),
        nb::arg("n_threads"));
  m.def(error_name.c_str(),
        [](Arrays X, In<T> W, In<T> Ht, int n_threads) {
          const auto x = Arg::view_of(X, static_cast<Index>(Ht.shape(0)));
          const auto w = view<const T>(W), h = view<const T>(Ht);
          require_components(W.shape(1));
          require(x.rows == w.rows && x.cols == h.rows && w.cols == h.cols,
                  "the shapes of X, W and Ht do not fit");
          double sum = 0;
          call(n_threads,
               [&](Run run) { return squared_error(kernels<T>(), x, w, h, sum, run); });
          return sum;
        },
        nb::arg("X").noconvert(), nb::arg("W").noconvert(), nb::arg("Ht").noconvert(),
        nb::arg("n_threads"));
}

} // namespace

void bind_products(nb::module_ &m) {
  for_dtypes([&]<class T>(T) {
    bind_sums<T>(m);
    NONNEG_BIND_STORAGES(T, MatrixView<const T>)
  });
}

} // namespace nonneg
