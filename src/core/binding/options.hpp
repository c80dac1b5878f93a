// How rows are solved for, as Python hands it over: records with names, whose arrays are
// checked when a call reads them.
#pragma once

#include "binding/arguments.hpp"

namespace nonneg {

enum class RowMethod { cyclic, adaptive, multiplicative };

// One method of solving for rows by their right-hand sides.
struct SolveOptions {
  nb::object gram, inverse_diagonal, l1, order;
  RowMethod method;
  int sweeps;
  double settled, momentum;
  nb::object exact_gram, exact_l1; // float64, or None: after the sweeps, rows are exact
};

// A multiplicative step for the β-divergence.
struct BetaOptions {
  double beta, floor, least, rise, fall;
  nb::object column_sums, l1, l2;
  bool move;
};

// Scalar Newton steps for the Kullback-Leibler divergence.
struct NewtonOptions {
  double floor, unit, momentum, tolerance;
  nb::object column_sums, l1, l2;
  int sweeps;
  bool rescale, wants_value;
  nb::object linear, bent; // of each row, or None
};

// Rows with Gram matrices of their own; see kernels/observed_interface.hpp.
struct ApartOptions {
  nb::object base, Q, l1, linear, quadratic, order;
  int method, sweeps;
  double settled, momentum;
  bool narrow;
};

// One of the models that a fused half-step moves together; what is None is not wanted.
struct ModelArrays {
  nb::object rows, Ht, options, rhs, gram, measures, moving;
};

// A factor that moves in sweeps, with its penalty.
struct SweptArrays {
  nb::object rows, Q, l1;
};

// A vector of k numbers.
template <class T> const T *vector_of(const nb::object &array, size_t k, const char *what) {
  const auto vector = array_of<Vector<T>>(array, "a vector of the step");
  require(vector.shape(0) == k, what);
  return data_of(vector);
}

// A contiguous array of the given shape, or null for None.
double *square_of(nb::handle array, Index rows, Index cols);

template <class T> Sweep<T> sweep_of(const SolveOptions &options, size_t k) {
  require_components(k);
  const auto what = "the Gram matrix, its diagonal, l1 and order must all have k entries a side";
  const auto gram = array_of<In<T>>(options.gram, "the Gram matrix");
  require(gram.shape(0) == k && gram.shape(1) == k, what);
  require(view<const T>(gram).stride == static_cast<Index>(k) || k == 1,
          "the Gram matrix must be contiguous");
  const int64_t *const order = vector_of<int64_t>(options.order, k, what);
  for (size_t c = 0; c < k; ++c)
    require(order[c] >= 0 && order[c] < static_cast<int64_t>(k),
            "order must hold coordinates in [0, k)");
  return {data_of(gram), vector_of<T>(options.inverse_diagonal, k, what),
          vector_of<T>(options.l1, k, what), order, static_cast<int>(k)};
}

template <class T> Solve<T> solve_of(const SolveOptions &options, size_t k) {
  constexpr Method methods[] = {Method::sweep, Method::adaptive, Method::multiplicative};
  Solve<T> solve{};
  solve.sweep = sweep_of<T>(options, k);
  solve.method = methods[static_cast<int>(options.method)];
  solve.most = options.sweeps;
  solve.settled = static_cast<T>(options.settled);
  solve.momentum = static_cast<T>(options.momentum);
  if (!options.exact_gram.is_none()) {
    const Index n = static_cast<Index>(k);
    solve.method = Method::exact;
    solve.exact = {square_of(options.exact_gram, n, n),
                   vector_of<double>(options.exact_l1, k, "l1 must have k entries"), nullptr,
                   static_cast<int>(k), false, asked_to_stop};
  }
  return solve;
}

template <class T> Beta<T> beta_of(const BetaOptions &options, size_t k) {
  require_components(k);
  const auto what = "column_sums, l1 and l2 must have k entries";
  return {options.beta,
          static_cast<T>(options.floor),
          static_cast<T>(options.least),
          static_cast<T>(options.rise),
          static_cast<T>(options.fall),
          vector_of<T>(options.column_sums, k, what),
          vector_of<T>(options.l1, k, what),
          vector_of<T>(options.l2, k, what),
          static_cast<int>(k),
          false,
          options.move};
}

template <class T> Newton<T> newton_of(const NewtonOptions &options, size_t k) {
  require_components(k);
  const auto what = "column_sums, l1 and l2 must have k entries";
  return {static_cast<T>(options.floor),
          static_cast<T>(options.unit),
          static_cast<T>(options.momentum),
          options.tolerance,
          vector_of<T>(options.column_sums, k, what),
          vector_of<T>(options.l1, k, what),
          vector_of<T>(options.l2, k, what),
          static_cast<int>(k),
          options.sweeps,
          options.rescale,
          options.wants_value,
          asked_to_stop};
}

} // namespace nonneg
