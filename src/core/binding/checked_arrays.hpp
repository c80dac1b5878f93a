// Arrays as Python hands them over: converted to views once what the kernels rely on holds.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <string>
#include <type_traits>

#include "drivers/storage.hpp"

namespace nb = nanobind;

namespace nonneg {

template <class T> using In = nb::ndarray<const T, nb::ndim<2>, nb::device::cpu>;
template <class T> using Out = nb::ndarray<T, nb::ndim<2>, nb::device::cpu>;
template <class T>
using Vector = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T> using OutVector = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

inline void require(bool ok, const char *what) {
  if (!ok)
    throw nb::value_error(what);
}

// An element of a record as an array; nanobind's own cast has no words for another type.
template <class A> A array_of(nb::handle object, const char *what) {
  A array;
  if (!nb::try_cast<A>(object, array, false))
    throw nb::type_error((std::string(what) +
                          " is no array of the dtype, byte order, dimensions and order that "
                          "this call takes")
                             .c_str());
  return array;
}

// The numbers of an array; kernels load them by instructions that rely on their alignment.
template <class A> auto *data_of(const A &array) {
  auto *const data = array.data();
  require(reinterpret_cast<std::uintptr_t>(data) % alignof(std::remove_cvref_t<decltype(*data)>) == 0,
          "an array is not aligned to its numbers");
  return data;
}

template <class T, class A> MatrixView<T> view(const A &array) {
  if (array.shape(0) > 0 && array.shape(1) > 1 && array.stride(1) != 1)
    throw nb::value_error("the rows of a matrix must be contiguous");
  // a single row may come with any stride, and BLAS insists on one of at least its length
  const Index stride = array.shape(0) > 1 ? static_cast<Index>(array.stride(0))
                                          : static_cast<Index>(array.shape(1));
  return {data_of(array), static_cast<Index>(array.shape(0)),
          static_cast<Index>(array.shape(1)), stride};
}

// The numbers of an array, all of them from 0 to below `end`.
template <class I> const I *numbers_below(const Vector<I> &numbers, Index end, const char *what) {
  const I *const first = data_of(numbers);
  for (size_t i = 0; i < numbers.shape(0); ++i)
    require(first[i] >= 0 && first[i] < end, what);
  return first;
}

} // namespace nonneg
