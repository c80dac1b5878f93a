// Powers of several vectors of numbers at a time, by logarithm and exponential to the base 2: of one
// vector the operations wait for each other.
#pragma once

#include <type_traits>

#include "kernels/elementary.hpp"
#include "kernels/simd.hpp"

namespace nonneg::NONNEG_ISA {

// Polynomials through Chebyshev's points. `log`: log2((1 + s)/(1 - s))/s by powers of s^2, |s| < 0.1716,
// within 4e-10 (float32) and 6e-19 after the factor s. `exp`: 2^r, |r| <= 1/2, within 3e-9 and 5e-18.
template <class T> struct PowerSeries;
template <> struct PowerSeries<float> {
  static constexpr float log[] = {2.8853900798e+00f, 9.6179883880e-01f, 5.7671518602e-01f,
                                  4.3171769746e-01f};
  static constexpr float exp[] = {1.0f,
                                  6.9314720670e-01f,
                                  2.4022650922e-01f,
                                  5.5503272267e-02f,
                                  9.6180566785e-03f,
                                  1.3400428178e-03f,
                                  1.5461444699e-04f};
  static constexpr float least = -125.95f, most = 127.97f; // of a logarithm, so that 2^it is normal
};
template <> struct PowerSeries<double> {
  static constexpr double log[] = {2.88539008177792677e+00, 9.61796693925989765e-01,
                                   5.77078016345520250e-01, 4.12198585840900522e-01,
                                   3.20598534913959843e-01, 2.62334352504183022e-01,
                                   2.20913084231176809e-01, 2.13658956943192702e-01};
  static constexpr double exp[] = {1.0,
                                   6.93147180559945286e-01,
                                   2.40226506959101582e-01,
                                   5.55041086648216248e-02,
                                   9.61812910758725638e-03,
                                   1.33335581464064708e-03,
                                   1.54035304637243530e-04,
                                   1.52527338415567733e-05,
                                   1.32154325359123753e-06,
                                   1.01780570877339407e-07,
                                   7.07419429728852106e-09,
                                   4.45581790833606449e-10};
  static constexpr double least = -1021.9, most = 1023.9;
};

template <int N, class T> constexpr int length_of(const T (&)[N]) { return N; }

// log2 x for x >= 0; below the smallest normal number, one between its logarithm and that less 1.
template <class T, int N> NONNEG_INLINE Beside<Vec<T>, N> log2_of(const Beside<Vec<T>, N> &x) {
  using V = Vec<T>;
  using F = FloatLayout<T>;
  using U = typename VectorOf<std::make_unsigned_t<typename F::Int>, kLanes<T>>::type;
  using Bits = std::make_unsigned_t<typename F::Int>;
  using S = Beside<V, N>;
  // as in log_of; an exponent's bits below those of 2^mantissa_bits are that number plus it
  constexpr Bits whole = Bits(F::bias + F::mantissa_bits) << F::mantissa_bits;
  constexpr T whole_value = T(Bits(1) << F::mantissa_bits) + T(F::bias);
  constexpr Bits fraction = (Bits(1) << F::mantissa_bits) - 1;
  const V one = fill<V>(T(1));
  Beside<U, N> bits = Beside<U, N>::of([&](auto i) NONNEG_LAMBDA {
    return (U)x.part[i] + fill<U>(Bits(F::one - F::root_half));
  });
  const S m = S::of([&](auto i) NONNEG_LAMBDA {
    return (V)((bits.part[i] & fill<U>(fraction)) + fill<U>(Bits(F::root_half)));
  });
  const S s = S::of([&](auto i) NONNEG_LAMBDA { return (m.part[i] - one) / (m.part[i] + one); });
  const S e = S::of([&](auto i) NONNEG_LAMBDA {
    return (V)((bits.part[i] >> F::mantissa_bits) | fill<U>(whole)) - fill<V>(whole_value);
  });
  const S z = S::of([&](auto i) NONNEG_LAMBDA { return s.part[i] * s.part[i]; });
  constexpr int terms = length_of(PowerSeries<T>::log);
  S sum = S::of([&](auto) NONNEG_LAMBDA { return fill<V>(PowerSeries<T>::log[terms - 1]); });
  unroll<terms - 1>([&](auto n) NONNEG_LAMBDA {
    const V next = fill<V>(PowerSeries<T>::log[terms - 2 - n]);
    unroll<N>([&](auto i) NONNEG_LAMBDA { sum.part[i] = sum.part[i] * z.part[i] + next; });
  });
  return S::of([&](auto i) NONNEG_LAMBDA { return s.part[i] * sum.part[i] + e.part[i]; });
}

// 2^x where that is a normal number.
template <class T, int N> NONNEG_INLINE Beside<Vec<T>, N> exp2_of(const Beside<Vec<T>, N> &within) {
  using V = Vec<T>;
  using F = FloatLayout<T>;
  using W = IntVec<T>;
  using S = Beside<V, N>;
  const V shift = fill<V>(F::shift);
  // x = n + r with |r| <= 1/2
  const S shifted = S::of([&](auto i) NONNEG_LAMBDA { return within.part[i] + shift; });
  const S r = S::of([&](auto i) NONNEG_LAMBDA { return within.part[i] - (shifted.part[i] - shift); });
  constexpr int terms = length_of(PowerSeries<T>::exp);
  S sum = S::of([&](auto) NONNEG_LAMBDA { return fill<V>(PowerSeries<T>::exp[terms - 1]); });
  unroll<terms - 1>([&](auto n) NONNEG_LAMBDA {
    const V next = fill<V>(PowerSeries<T>::exp[terms - 2 - n]);
    unroll<N>([&](auto i) NONNEG_LAMBDA { sum.part[i] = sum.part[i] * r.part[i] + next; });
  });
  return S::of([&](auto i) NONNEG_LAMBDA { // the shift's own bits are shifted out
    return (V)((W)sum.part[i] + ((W)shifted.part[i] << F::mantissa_bits));
  });
}

// x^p for x >= 0, within about |p log x| units in the last place, and a few; 0 where x is, for
// p > 0. Clamped to the normal numbers.
template <class T, int N>
NONNEG_INLINE Beside<Vec<T>, N> powers_beside(const Beside<Vec<T>, N> &x, T p) {
  using V = Vec<T>;
  using S = Beside<V, N>;
  const V zero = fill<V>(T(0)), least = fill<V>(PowerSeries<T>::least), most = fill<V>(PowerSeries<T>::most);
  const S log = log2_of<T, N>(x);
  S times = S::of([&](auto i) NONNEG_LAMBDA { return log.part[i] * fill<V>(p); });
  if (p * p > T(0.96)) // smaller powers of all numbers are normal
    times = S::of([&](auto i) NONNEG_LAMBDA {
      const V raised = times.part[i] > least ? times.part[i] : least;
      return raised < most ? raised : most;
    });
  S power = exp2_of<T, N>(times);
  if (p > T(0))
    power = S::of([&](auto i) NONNEG_LAMBDA { return x.part[i] > zero ? power.part[i] : zero; });
  return power;
}

template <class T> NONNEG_INLINE Vec<T> power_of(Vec<T> x, T p) {
  return powers_beside<T, 1>(Beside<Vec<T>, 1>{{x}}, p).part[0];
}

} // namespace nonneg::NONNEG_ISA
