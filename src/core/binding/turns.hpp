// The arrays of a fit that take turns, and its momentum, as Python hands them over.
#pragma once

#include "binding/arguments.hpp"
#include "drivers/turns.hpp"

namespace nonneg {

using Doubles = nb::ndarray<double, nb::c_contig, nb::device::cpu>;
using Flags = nb::ndarray<uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Roles = nb::ndarray<int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class T>
TurningRows<T> turning(const nb::list &arrays, const Roles &roles, Index n_rows, Index k) {
  require(arrays.size() == 3 && roles.shape(0) == 5, "a factor has three arrays and five roles");
  TurningRows<T> rows{{}, data_of(roles)};
  for (size_t i = 0; i < 3; ++i) {
    rows.arrays[i] = view<T>(array_of<Out<T>>(arrays[i], "a factor"));
    require(rows.arrays[i].rows == n_rows && rows.arrays[i].cols == k,
            "the shapes of X and the factors do not fit");
    require(roles.data()[i] >= 0 && roles.data()[i] < 3, "a role is the number of an array");
  }
  return rows;
}

inline double *numbers(const Doubles &array, Index n, const char *what) {
  require(static_cast<Index>(array.size()) == n, what);
  return data_of(array);
}

// The seven numbers of the state, which are written back even where the call ends in an exception.
class KeptState {
public:
  explicit KeptState(const Doubles &state)
      : kept_(numbers(state, 7, "the state must have seven numbers")) {
    std::copy_n(kept_, 7, &now.momentum);
  }
  KeptState(const KeptState &) = delete;
  KeptState &operator=(const KeptState &) = delete;
  ~KeptState() { std::copy_n(&now.momentum, 7, kept_); }

private:
  double *kept_;

public:
  MomentumState now{};
};

template <class T>
Turns<T> turns_of(const TurningRows<T> &W, const TurningRows<T> &H, MomentumState &state,
                  const Flags &restarts, const Doubles &decreases, const Doubles &values,
                  const MomentumRule &rule) {
  require(restarts.shape(0) > 0 && decreases.size() > 0, "there must be a memory");
  const Index n_settled = static_cast<Index>(decreases.size());
  return {W,
          H,
          &state,
          restarts.data(),
          data_of(decreases),
          numbers(values, n_settled, "values and decreases must be as many"),
          static_cast<Index>(restarts.shape(0)),
          n_settled,
          rule};
}

} // namespace nonneg
