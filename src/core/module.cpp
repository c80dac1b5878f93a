// Python bindings: check, release the GIL, call, and nothing else.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstring>

#include "bindings.hpp"

namespace nonneg {
namespace {

template <class T> struct SweepArrays {
  Vector<T> inverse, l1;
  Vector<int64_t> order;
};

template <class T>
Sweep<T> sweep_of(const In<T> &gram, const Vector<T> &inverse, const Vector<T> &l1,
                  const Vector<int64_t> &order, size_t k) {
  require(gram.shape(0) == k && gram.shape(1) == k && inverse.shape(0) == k &&
              l1.shape(0) == k && order.shape(0) == k,
          "the Gram matrix, its diagonal, l1 and order must all have k entries a side");
  require(view<const T>(gram).stride == static_cast<Index>(k) || k == 1,
          "the Gram matrix must be contiguous");
  for (size_t c = 0; c < k; ++c)
    require(order.data()[c] >= 0 && order.data()[c] < static_cast<int64_t>(k),
            "order must hold coordinates in [0, k)");
  return {gram.data(), inverse.data(), l1.data(), order.data(), static_cast<int>(k)};
}

nb::tuple report(const SweepSums &sums) { return nb::make_tuple(sums.violation, sums.cross); }

template <class T> void bind_factors(nb::module_ &m) {
  m.def("sweep",
        [](Out<T> A, In<T> P, In<T> gram, Vector<T> inverse, Vector<T> l1,
           Vector<int64_t> order, int n_threads) {
          require_rows(A, P);
          require_columns(A, P);
          const Sweep<T> s = sweep_of<T>(gram, inverse, l1, order, A.shape(1));
          const auto a = view<T>(A);
          const auto p = view<const T>(P);
          SweepSums sums;
          call(n_threads,
               [&](Run run) { return sweep(kernels<T>(), s, a, p, sums, run); });
          return report(sums);
        },
        nb::arg("A").noconvert(), nb::arg("P").noconvert(), nb::arg("gram").noconvert(),
        nb::arg("inverse").noconvert(), nb::arg("l1").noconvert(),
        nb::arg("order").noconvert(), nb::arg("n_threads"));
  m.def("gram",
        [](In<T> A, Out<double> G, int n_threads) {
          require(G.shape(0) == A.shape(1) && G.shape(1) == A.shape(1) &&
                      (A.shape(1) == 1 ||
                       G.stride(0) == static_cast<int64_t>(A.shape(1))),
                  "G must be a contiguous k x k array");
          const auto a = view<const T>(A);
          double *const g = G.data();
          call(n_threads, [&](Run run) { return gram(kernels<T>(), a, g, run); });
        },
        nb::arg("A").noconvert(), nb::arg("G").noconvert(), nb::arg("n_threads"));
}

// ---- X as the bindings take it, dense or CSR -------------------------------------------

template <class T> struct DenseArg {
  using Arrays = In<T>;
  static auto view_of(const Arrays &X, Index) { return view<const T>(X); }
  static size_t rows(const Arrays &X) { return X.shape(0); }
};

template <class T, class I> struct CsrArg {
  using Arrays = nb::tuple; // values, indices, indptr
  static CsrView<T, I> view_of(const Arrays &X, Index cols) {
    const auto values = nb::cast<Vector<T>>(X[0], false);
    const auto indices = nb::cast<Vector<I>>(X[1], false);
    const auto indptr = nb::cast<Vector<I>>(X[2], false);
    require(indptr.shape(0) >= 1 && values.shape(0) == indices.shape(0) &&
                static_cast<size_t>(indptr.data()[indptr.shape(0) - 1]) <=
                    values.shape(0),
            "the three arrays of the CSR matrix do not belong together");
    return {values.data(), indices.data(), indptr.data(),
            static_cast<Index>(indptr.shape(0)) - 1, cols};
  }
};

template <class T, class Arg> void bind_storage(nb::module_ &m, const char *suffix) {
  using Arrays = typename Arg::Arrays;
  const std::string matmul_name = std::string("matmul_") + suffix,
                    rmatmul_name = std::string("rmatmul_") + suffix,
                    update_name = std::string("update_") + suffix;
  m.def(matmul_name.c_str(),
        [](Arrays X, In<T> B, Out<T> out, int n_threads) {
          const auto x = Arg::view_of(X, static_cast<Index>(B.shape(0)));
          const auto b = view<const T>(B);
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
          const auto o = view<T>(out);
          require(x.rows == a.rows && x.cols == o.rows && a.cols == o.cols,
                  "the shapes of X, A and out do not fit");
          call(n_threads, [&](Run run) { return rmatmul(kernels<T>(), x, a, o, run); });
        },
        nb::arg("X").noconvert(), nb::arg("A").noconvert(), nb::arg("out").noconvert(),
        nb::arg("n_threads"));
  m.def(update_name.c_str(),
        [](Arrays X, In<T> Ht, Out<T> A, In<T> gram, Vector<T> inverse, Vector<T> l1,
           Vector<int64_t> order, Out<T> rhs, Out<double> G, int n_threads) {
          const auto x = Arg::view_of(X, static_cast<Index>(Ht.shape(0)));
          const auto h = view<const T>(Ht);
          const auto a = view<T>(A);
          const Sweep<T> s = sweep_of<T>(gram, inverse, l1, order, A.shape(1));
          auto r = view<T>(rhs);
          const bool wanted = rhs.shape(0) > 0; // an empty array asks for no sums
          require(x.rows == a.rows && x.cols == h.rows && a.cols == h.cols &&
                      (!wanted || (r.rows == x.cols && r.cols == a.cols)),
                  "the shapes of X, A, Ht and rhs do not fit");
          require(!wanted || (G.shape(0) == A.shape(1) && G.shape(1) == A.shape(1) &&
                              (a.cols == 1 || G.stride(0) == a.cols)),
                  "G must be a contiguous k x k array");
          if (!wanted)
            r.data = nullptr;
          SweepSums sums;
          call(n_threads, [&](Run run) {
            return update(kernels<T>(), x, h, s, a, r, G.data(), sums, run);
          });
          return report(sums);
        },
        nb::arg("X").noconvert(), nb::arg("Ht").noconvert(), nb::arg("A").noconvert(),
        nb::arg("gram").noconvert(), nb::arg("inverse").noconvert(),
        nb::arg("l1").noconvert(), nb::arg("order").noconvert(),
        nb::arg("rhs").noconvert(), nb::arg("G").noconvert(), nb::arg("n_threads"));
}

template <class T> void bind_dtype(nb::module_ &m) {
  bind_factors<T>(m);
  bind_storage<T, DenseArg<T>>(m, "dense");
  bind_storage<T, CsrArg<T, int32_t>>(m, "csr32");
  bind_storage<T, CsrArg<T, int64_t>>(m, "csr64");
}

// The function behind a Cython capsule, whose name is its C signature. Integers of an
// unknown width are refused: then the kernels' own products are used.
void *cython_function(nb::handle capsule, bool &wide) {
  const char *name = PyCapsule_GetName(capsule.ptr());
  if (!name || !std::strstr(name, "char *")) {
    PyErr_Clear();
    return nullptr;
  }
  if (std::strstr(name, "int64") || std::strstr(name, "long"))
    wide = true;
  else if (std::strstr(name, ", int *"))
    wide = false;
  else
    return nullptr;
  return PyCapsule_GetPointer(capsule.ptr(), name);
}

bool set_blas(nb::handle sgemm, nb::handle dgemm) {
  bool wide_s = false, wide_d = false;
  void *s = cython_function(sgemm, wide_s), *d = cython_function(dgemm, wide_d);
  if (!s || !d || wide_s != wide_d)
    return false;
  blas = Blas{s, d, wide_s};
  return true;
}

} // namespace
} // namespace nonneg

NB_MODULE(_core, m) {
  using namespace nonneg;
  choose_set("");
  m.def("available_sets", available_sets);
  m.def("choose_set", choose_set, nb::arg("name"));
  m.def("chosen_set", [] { return std::string(kernel_table().name); });
  m.def("set_blas", set_blas, nb::arg("sgemm"), nb::arg("dgemm"));
  m.def("unset_blas", [] { blas = Blas{}; });
  m.def("pool_size", pool_size);
  m.def("shut_down_pool", shut_down_pool, nb::call_guard<nb::gil_scoped_release>());
  bind_dtype<float>(m);
  bind_dtype<double>(m);
  bind_nnls(m);
}
