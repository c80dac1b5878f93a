// Python bindings: check, release the GIL, call, and nothing else.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstring>

#include "binding/arguments.hpp"
#include "drivers/half_step.hpp"
#include "drivers/products.hpp"
#include "drivers/tuning.hpp"

namespace nonneg {
namespace {

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

nb::tuple report(const SolveSums &sums) {
  return nb::make_tuple(sums.violation, sums.cross, sums.decrease, sums.sweeps);
}

// A contiguous array of the given shape, or null for None.
double *square_of(nb::handle array, Index rows, Index cols) {
  if (array.is_none())
    return nullptr;
  const auto A =
      nb::cast<nb::ndarray<double, nb::ndim<2>, nb::c_contig, nb::device::cpu>>(array,
                                                                               false);
  require(static_cast<Index>(A.shape(0)) == rows && static_cast<Index>(A.shape(1)) == cols,
          "a Gram matrix must be k x k, the measures 2 x k");
  return A.data();
}

// How rows are solved for: (gram, inverse, l1, order, adaptive, most, settled, momentum),
// or, exactly, that and (gram, l1) in float64.
template <class T> Solve<T> solve_of(const nb::tuple &options, size_t k) {
  Solve<T> solve{};
  solve.sweep = sweep_of<T>(nb::cast<In<T>>(options[0], false),
                            nb::cast<Vector<T>>(options[1], false),
                            nb::cast<Vector<T>>(options[2], false),
                            nb::cast<Vector<int64_t>>(options[3], false), k);
  constexpr Method methods[] = {Method::sweep, Method::adaptive, Method::multiplicative};
  const int method = nb::cast<int>(options[4]);
  require(method >= 0 && method < 3, "there is no such method");
  solve.method = methods[method];
  solve.most = nb::cast<int>(options[5]);
  solve.settled = static_cast<T>(nb::cast<double>(options[6]));
  solve.momentum = static_cast<T>(nb::cast<double>(options[7]));
  if (options.size() == 10) {
    const Index n = static_cast<Index>(k);
    const auto l1 = nb::cast<Vector<double>>(options[9], false);
    double *const gram = square_of(options[8], n, n);
    require(gram && l1.shape(0) == k, "the Gram matrix and l1 must have k entries a side");
    solve.method = Method::exact;
    solve.exact = {gram, l1.data(), nullptr, static_cast<int>(k)};
  }
  return solve;
}

template <class T> void bind_factors(nb::module_ &m, const char *solve_name) {
  m.def(solve_name,
        [](nb::tuple arrays, In<T> P, nb::tuple options, nb::handle gram_solved,
           nb::handle gram_result, nb::handle measures, int n_threads) {
          const RowArrays<T> rows = rows_of<T>(arrays);
          const auto p = view<const T>(P);
          const Index k = rows.solved.cols;
          require(p.rows == rows.solved.rows && p.cols == k,
                  "the right-hand side must have the shape of the factor");
          const Solve<T> s = solve_of<T>(options, static_cast<size_t>(k));
          double *const g = square_of(gram_solved, k, k);
          double *const h = square_of(gram_result, k, k);
          double *const q = square_of(measures, 2, k);
          SolveSums sums;
          call(n_threads, [&](Run run) {
            return solve(kernels<T>(), s, rows, p, g, h, q, sums, run);
          });
          return report(sums);
        },
        nb::arg("arrays"), nb::arg("P").noconvert(), nb::arg("options"),
        nb::arg("gram_solved").none(), nb::arg("gram_result").none(),
        nb::arg("measures").none(), nb::arg("n_threads"));
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

// A model of a fused half-step: (arrays, Ht, options, rhs or None, gram or None, measures
// or None), see rows_of and solve_of.
template <class T>
FusedModel<T> fused_model(const nb::tuple &item, Index n_rows, Index n_columns) {
  FusedModel<T> fused{};
  const RowArrays<T> rows = rows_of<T>(nb::cast<nb::tuple>(item[0]));
  const Index k = rows.solved.cols;
  fused.model.rows = rows;
  fused.model.solve = solve_of<T>(nb::cast<nb::tuple>(item[2]), static_cast<size_t>(k));
  fused.Ht = view<const T>(nb::cast<In<T>>(item[1], false));
  require(rows.solved.rows == n_rows && fused.Ht.rows == n_columns && fused.Ht.cols == k,
          "the shapes of X and the factors do not fit");
  if (!item[3].is_none()) {
    fused.rhs = view<T>(nb::cast<Out<T>>(item[3], false));
    require(fused.rhs.rows == n_columns && fused.rhs.cols == k && !item[4].is_none(),
            "the sums do not fit the factors");
  }
  fused.gram = square_of(item[4], k, k);
  fused.measures = square_of(item[5], 2, k);
  return fused;
}

template <class T, class Arg> void bind_storage(nb::module_ &m, const char *suffix) {
  using Arrays = typename Arg::Arrays;
  const std::string matmul_name = std::string("matmul_") + suffix,
                    rmatmul_name = std::string("rmatmul_") + suffix,
                    update_name = std::string(sizeof(T) == 4 ? "update32_" : "update64_") + suffix;
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
        [](Arrays X, nb::list models, Index n_columns, int n_threads) {
          const auto x = Arg::view_of(X, n_columns);
          std::vector<FusedModel<T>> fused;
          for (nb::handle item : models)
            fused.push_back(fused_model<T>(nb::cast<nb::tuple>(item), x.rows, n_columns));
          require(!fused.empty(), "there must be a model");
          for (const FusedModel<T> &model : fused)
            require(!model.rhs.data == !fused[0].rhs.data,
                    "either all models want sums or none");
          call(n_threads, [&](Run run) {
            return update(kernels<T>(), x, fused.data(), static_cast<int>(fused.size()),
                          run);
          });
          nb::list reports;
          for (const FusedModel<T> &model : fused)
            reports.append(report(model.sums));
          return reports;
        },
        nb::arg("X").noconvert(), nb::arg("models"), nb::arg("n_columns"),
        nb::arg("n_threads"));
}

#define NONNEG_STORAGE(name, T, ...) bind_storage<T, ArgOf<__VA_ARGS__>>(m, #name);

template <class T> void bind_dtype(nb::module_ &m) {
  bind_factors<T>(m, sizeof(T) == 4 ? "solve32" : "solve64");
  NONNEG_STORAGES(NONNEG_STORAGE, T, MatrixView<const T>)
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

// Reads one byte of every `step`, so that pages that are mapped are there by then.
void touch(Vector<uint8_t> bytes, size_t step) {
  require(step > 0, "the step must be positive");
  const volatile uint8_t *const at = bytes.data();
  const nb::gil_scoped_release release;
  for (size_t i = 0; i < bytes.shape(0); i += step)
    at[i];
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
  m.def("set_thread_work", [](double work) { thread_work = work; }, nb::arg("work"));
  m.def("touch", touch, nb::arg("bytes"), nb::arg("step"));
  m.def("pool_size", pool_size);
  m.def("shut_down_pool", shut_down_pool, nb::call_guard<nb::gil_scoped_release>());
  bind_dtype<float>(m);
  bind_dtype<double>(m);
  bind_nnls(m);
  bind_beta(m);
  bind_newton(m);
}
