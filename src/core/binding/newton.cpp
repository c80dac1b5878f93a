// Python bindings of the scalar Newton half-step.
#include <string>

#include "binding/arguments.hpp"
#include "binding/options.hpp"
#include "drivers/newton.hpp"

namespace nonneg {
namespace {

template <class T, class Arg> void bind_storage(nb::module_ &m, const char *suffix) {
  const std::string name =
      std::string(sizeof(T) == 4 ? "newton32_" : "newton64_") + suffix;
  m.def(name.c_str(),
        [](typename Arg::Arrays X, nb::handle rows, In<T> Ht, const NewtonOptions &options,
           int n_threads) {
          const auto x = Arg::view_of(X, static_cast<Index>(Ht.shape(0)));
          const RowArrays<T> r = rows_of<T>(rows);
          require(r.solved.rows == x.rows &&
                      r.solved.cols == static_cast<Index>(Ht.shape(1)) &&
                      static_cast<Index>(Ht.shape(0)) == x.cols,
                  "the shapes of X and the factors do not fit");
          Newton<T> steps = newton_of<T>(options, Ht.shape(1));
          if (!options.linear.is_none()) {
            const auto linear = view<const T>(array_of<In<T>>(options.linear, "linear"));
            require(linear.rows == x.rows && linear.cols == steps.k &&
                        (linear.rows < 2 || linear.stride == linear.cols),
                    "each row needs k contiguous numbers of its own");
            steps.linear = linear.data;
          }
          if (!options.bent.is_none())
            steps.bent = vector_of<double>(options.bent, static_cast<size_t>(x.rows),
                                           "each row needs a share of l2");
          const auto other = view<const T>(Ht);
          NewtonSums sums;
          call(n_threads,
               [&](Run run) { return newton(kernels<T>(), x, steps, r, other, sums, run); });
          return nb::make_tuple(sums.value, sums.residual, sums.sweeps, sums.unfinished);
        },
        nb::arg("X").noconvert(), nb::arg("rows"), nb::arg("Ht").noconvert(),
        nb::arg("options"), nb::arg("n_threads"));
}

} // namespace

void bind_newton(nb::module_ &m) {
  for_dtypes([&]<class T>(T) {
    NONNEG_BIND_STORAGES(T, StridedView<T>)
  });
}

} // namespace nonneg
