// Rows of numbers padded with zeros to whole vectors, and loops over their vectors.
#pragma once

#include "kernels/simd.hpp"
#include "kernels/views.hpp"

namespace nonneg::NONNEG_ISA {

template <class T> NONNEG_INLINE int padded(int k) {
  constexpr int L = kLanes<T>;
  return (k + L - 1) / L * L;
}

// Calls f with the number of vectors as a compile-time constant, chunk by chunk.
template <int Most, class F> NONNEG_INLINE void for_vectors(int count, F f) {
  int vector = 0;
  for (; count - vector > Most; vector += Most)
    f(std::integral_constant<int, Most>{}, vector);
  switch (count - vector) {
  case 1: f(std::integral_constant<int, 1>{}, vector); break;
  case 2: f(std::integral_constant<int, 2>{}, vector); break;
  case 3: f(std::integral_constant<int, (Most >= 3 ? 3 : 1)>{}, vector); break;
  case 4: f(std::integral_constant<int, (Most >= 4 ? 4 : 1)>{}, vector); break;
  case 5: f(std::integral_constant<int, (Most >= 5 ? 5 : 1)>{}, vector); break;
  case 6: f(std::integral_constant<int, (Most >= 6 ? 6 : 1)>{}, vector); break;
  case 7: f(std::integral_constant<int, (Most >= 7 ? 7 : 1)>{}, vector); break;
  case 8: f(std::integral_constant<int, (Most >= 8 ? 8 : 1)>{}, vector); break;
  }
}

// Goes over `count` vectors in as few chunks as possible, as equal as possible; Most <= 6.
template <int Most, class F> NONNEG_INLINE void for_balanced(int count, F f) {
  int vector = 0;
  for (int chunks = (count + Most - 1) / Most; chunks > 0; --chunks) {
    const int size = (count - vector + chunks - 1) / chunks;
    switch (size) {
    case 1: f(std::integral_constant<int, 1>{}, vector); break;
    case 2: f(std::integral_constant<int, (Most >= 2 ? 2 : 1)>{}, vector); break;
    case 3: f(std::integral_constant<int, (Most >= 3 ? 3 : 1)>{}, vector); break;
    case 4: f(std::integral_constant<int, (Most >= 4 ? 4 : 1)>{}, vector); break;
    case 5: f(std::integral_constant<int, (Most >= 5 ? 5 : 1)>{}, vector); break;
    case 6: f(std::integral_constant<int, (Most >= 6 ? 6 : 1)>{}, vector); break;
    }
    vector += size;
  }
}

// Calls f(t) for each vector of k >= kLanes numbers; the last one overlaps the one before it.
template <class T, class F> NONNEG_INLINE void for_overlapping(int k, F f) {
  constexpr int L = kLanes<T>;
  int t = 0;
  for (; t + L <= k; t += L)
    f(t);
  if (t < k)
    f(k - L);
}

template <class T>
NONNEG_INLINE void pack_row(const T *row, int k, int kp, T *packed) {
  constexpr int L = kLanes<T>;
  if (k >= L)
    for_overlapping<T>(k, [&](int t) NONNEG_LAMBDA { store(packed + t, load<Vec<T>>(row + t)); });
  else
    for (int t = 0; t < k; ++t)
      packed[t] = row[t];
  for (int t = k; t < kp; ++t)
    packed[t] = 0;
}

// Rows of B, zeros behind them up to kp numbers.
template <class T> static void pack(MatrixView<const T> B, T *packed, Index stride, int kp) {
  const int k = static_cast<int>(B.cols);
  for (Index i = 0; i < B.rows; ++i)
    pack_row(B.data + i * B.stride, k, kp, packed + i * stride);
}

template <class T>
static void reduce(const T *slots, Index slot_size, int n_slots, int width, Index first,
                   Index last, MatrixView<T> out) {
  const int k = static_cast<int>(out.cols);
  for (Index i = first; i < last; ++i) {
    const T *row = slots + i * width;
    T *total = out.data + i * out.stride;
    const auto add_up = [&](int t, auto read) NONNEG_LAMBDA {
      auto sum = read(row + t);
      for (int s = 1; s < n_slots; ++s)
        sum += read(row + s * slot_size + t);
      return sum;
    };
    const auto one = [](const T *p) NONNEG_LAMBDA { return *p; };
    const auto vector = [](const T *p) NONNEG_LAMBDA { return load<Vec<T>>(p); };
    if (k >= kLanes<T>)
      for_overlapping<T>(k, [&](int t) NONNEG_LAMBDA { store(total + t, add_up(t, vector)); });
    else
      for (int t = 0; t < k; ++t)
        total[t] = add_up(t, one);
  }
}

template <class T>
NONNEG_INLINE void unpack(const T *packed, int k, int kp, MatrixView<T> out) {
  for (Index i = 0; i < out.rows; ++i)
    pack_row(packed + i * kp, k, k, out.data + i * out.stride);
}

template <class T> NONNEG_INLINE T packed_sum(const T *row, int kp) {
  Vec<T> sum = load<Vec<T>>(row);
  for (int t = kLanes<T>; t < kp; t += kLanes<T>)
    sum += load<Vec<T>>(row + t);
  return static_cast<T>(sum_lanes<T>(sum));
}

} // namespace nonneg::NONNEG_ISA
