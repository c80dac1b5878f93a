// Python bindings of the scalar Newton half-step.
#include <string>

#include "binding/arguments.hpp"
#include "drivers/newton.hpp"

namespace nonneg {
namespace {

// (floor, unit, momentum, tolerance, column_sums, l1, l2, sweeps, rescale, wants_value)
template <class T> Newton<T> newton_of(const nb::tuple &options, size_t k) {
  const auto vector = [&](size_t at) {
    const auto v = nb::cast<Vector<T>>(options[at], false);
    require(v.shape(0) == k, "column_sums, l1 and l2 must have k entries");
    return v.data();
  };
  return {static_cast<T>(nb::cast<double>(options[0])),
          static_cast<T>(nb::cast<double>(options[1])),
          static_cast<T>(nb::cast<double>(options[2])),
          nb::cast<double>(options[3]),
          vector(4),
          vector(5),
          vector(6),
          static_cast<int>(k),
          nb::cast<int>(options[7]),
          nb::cast<bool>(options[8]),
          nb::cast<bool>(options[9])};
}

template <class T, class Arg> void bind_storage(nb::module_ &m, const char *suffix) {
  const std::string name =
      std::string(sizeof(T) == 4 ? "newton32_" : "newton64_") + suffix;
  m.def(name.c_str(),
        [](typename Arg::Arrays X, nb::tuple arrays, In<T> Ht, nb::tuple options,
           int n_threads) {
          const auto x = Arg::view_of(X, static_cast<Index>(Ht.shape(0)));
          const RowArrays<T> rows = rows_of<T>(arrays);
          require(rows.solved.rows == x.rows &&
                      rows.solved.cols == static_cast<Index>(Ht.shape(1)) &&
                      static_cast<Index>(Ht.shape(0)) == x.cols,
                  "the shapes of X and the factors do not fit");
          const Newton<T> how = newton_of<T>(options, Ht.shape(1));
          const auto other = view<const T>(Ht);
          NewtonSums sums;
          call(n_threads,
               [&](Run run) { return newton(kernels<T>(), x, how, rows, other, sums, run); });
          return nb::make_tuple(sums.value, sums.residual, sums.sweeps, sums.unfinished);
        },
        nb::arg("X").noconvert(), nb::arg("arrays"), nb::arg("Ht").noconvert(),
        nb::arg("options"), nb::arg("n_threads"));
}

#define NONNEG_STORAGE(name, T, ...) bind_storage<T, ArgOf<__VA_ARGS__>>(m, #name);

template <class T> void bind_dtype(nb::module_ &m) {
  NONNEG_STORAGES(NONNEG_STORAGE, T, StridedView<T>)
}

} // namespace

void bind_newton(nb::module_ &m) {
  bind_dtype<float>(m);
  bind_dtype<double>(m);
}

} // namespace nonneg
