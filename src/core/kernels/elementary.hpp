// Logarithm, inverse and roots of vectors; the first, from its series, within a few units in the
// last place over the whole range of normal numbers.
#pragma once

#include <cstdint>
#include "kernels/simd.hpp"

namespace nonneg::NONNEG_ISA {

template <class T> struct FloatLayout;
template <> struct FloatLayout<float> {
  using Int = int32_t;
  static constexpr int mantissa_bits = 23, bias = 127, log_terms = 5;
  static constexpr Int root_half = 0x3f3504f3; // sqrt(1/2)
  static constexpr Int one = 0x3f800000;
  // added to an integer's bits, it is the same number as a floating one plus itself
  static constexpr Int shift_bits = 0x4b400000;
  static constexpr float shift = 12582912.0f;
  static constexpr float least = 1.17549435e-38f;
  // minus half of a number's bits: those of about the inverse of its root
  static constexpr Int root_guess = 0x5f3759df;
  static constexpr int root_steps = 3;
  // ln 2 in two parts, the first with zeros at its end
  static constexpr float ln2_high = 0.693145751953125f, ln2_low = 1.42860677e-06f;
};
template <> struct FloatLayout<double> {
  using Int = int64_t;
  static constexpr int mantissa_bits = 52, bias = 1023, log_terms = 11;
  static constexpr Int root_half = 0x3fe6a09e667f3bcd;
  static constexpr Int one = 0x3ff0000000000000;
  static constexpr Int shift_bits = 0x4338000000000000;
  static constexpr double shift = 6755399441055744.0;
  static constexpr double least = 2.2250738585072014e-308;
  static constexpr Int root_guess = 0x5fe6eb50c7b537a9;
  static constexpr int root_steps = 4;
  static constexpr double ln2_high = 0.693147180369123816490, ln2_low = 1.90821492927058770002e-10;
};
template <class T>
using IntVec = typename VectorOf<typename FloatLayout<T>::Int, kLanes<T>>::type;

// The sum of coefficient(i) x^i for i < N, even and odd powers apart: half as many operations
// wait for each other.
template <class T, int N, class F> NONNEG_INLINE Vec<T> series_of(Vec<T> x, F coefficient) {
  using V = Vec<T>;
  const V square = x * x;
  V sums[2] = {fill<V>(coefficient(N - 2 + N % 2)), fill<V>(coefficient(N - 1 - N % 2))};
  unroll<N - 2>([&](auto i) NONNEG_LAMBDA {
    constexpr int n = N - 3 - decltype(i)::value;
    sums[n % 2] = sums[n % 2] * square + fill<V>(coefficient(n));
  });
  return sums[0] + x * sums[1];
}

// log x for x >= 0; below the smallest normal number, of that number.
template <class T> NONNEG_INLINE Vec<T> log_of(Vec<T> x) {
  using V = Vec<T>;
  using F = FloatLayout<T>;
  using W = IntVec<T>;
  const V least = fill<V>(F::least);
  x = x > least ? x : least;
  // x = m 2^e with m between sqrt(1/2) and sqrt(2)
  const W bits = (W)x + fill<W>(F::one - F::root_half);
  const W exponent = (bits >> F::mantissa_bits) - fill<W>(typename F::Int(F::bias));
  const W fraction = bits & fill<W>((typename F::Int(1) << F::mantissa_bits) - 1);
  const V m = (V)(fraction + fill<W>(F::root_half));
  const V e = (V)(exponent + fill<W>(F::shift_bits)) - fill<V>(F::shift);
  // log m = 2 (s + s^3/3 + s^5/5 + ...), s = (m - 1)/(m + 1), |s| < 0.172
  const V one = fill<V>(T(1));
  const V s = (m - one) / (m + one), z = s * s;
  const V series = series_of<T, F::log_terms - 1>(
      z, [](int n) NONNEG_LAMBDA { return T(1) / T(2 * n + 3); });
  const V log_m = (s + s) + (s + s) * (z * series);
  return e * fill<V>(F::ln2_high) + (log_m + e * fill<V>(F::ln2_low));
}

// log(x/y) of normal x, y > 0, by one division.
template <class T> NONNEG_INLINE Vec<T> log_ratio(Vec<T> x, Vec<T> y) {
  using V = Vec<T>;
  using F = FloatLayout<T>;
  using Int = typename F::Int;
  using U = typename VectorOf<std::make_unsigned_t<Int>, kLanes<T>>::type;
  // x/y = (x/near) 2^e with x/near between 2/3 and 3/2: a number's bits are about its logarithm
  using W = IntVec<T>;
  constexpr Int half = Int(1) << (F::mantissa_bits - 1), whole = -2 * half;
  const W apart = (W)x - (W)y + fill<W>(half);
  const V near = (V)((W)y + (apart & fill<W>(whole)));
  constexpr auto sign = std::make_unsigned_t<Int>(1) << (8 * sizeof(T) - 1);
  const U exponent = ((U)apart + fill<U>(sign)) >> F::mantissa_bits;
  const V e = (V)((W)exponent + fill<W>(F::shift_bits)) -
              fill<V>(F::shift + T(sign >> F::mantissa_bits));
  // as in log_of, |s| < 0.201
  const V s = (x - near) / (x + near), z = s * s;
  const V series = series_of<T, F::log_terms - 1>(
      z, [](int n) NONNEG_LAMBDA { return T(1) / T(2 * n + 3); });
  const V log_m = (s + s) + (s + s) * (z * series);
  return e * fill<V>(F::ln2_high) + (log_m + e * fill<V>(F::ln2_low));
}

// 1/sqrt(x) within two units in the last place, by Newton's method; finite where x is 0.
template <class T, int N>
NONNEG_INLINE Beside<Vec<T>, N> inverse_roots(const Beside<Vec<T>, N> &x) {
  using V = Vec<T>;
  using F = FloatLayout<T>;
  using W = IntVec<T>;
  using S = Beside<V, N>;
  const V half = fill<V>(T(0.5)), most = fill<V>(T(1.5));
  const S halves = S::of([&](auto i) NONNEG_LAMBDA { return half * x.part[i]; });
  S guess = S::of([&](auto i) NONNEG_LAMBDA {
    return (V)(fill<W>(F::root_guess) - ((W)x.part[i] >> 1));
  });
  unroll<F::root_steps>([&](auto) NONNEG_LAMBDA {
    const S y = S::of([&](auto i) NONNEG_LAMBDA { return halves.part[i] * guess.part[i]; });
    const S rest = S::of([&](auto i) NONNEG_LAMBDA { return most - y.part[i] * guess.part[i]; });
    guess = S::of([&](auto i) NONNEG_LAMBDA { return guess.part[i] * rest.part[i]; });
  });
  return guess;
}

// Whether 1/y is a division: with vectors of AVX2 it takes less time than Newton's method in float32
// and half as long in float64, as the processor does other work meanwhile (D-CORE-NEWTON-ROWS).
constexpr bool kDivides = NONNEG_VECTOR_BYTES == 32;
// 1/y for y of the size of 1/unit, elsewhere at a third of a division's time: from a guess in the
// number's bits (float32: a few units in the last place), or from a reciprocal in float32
// (float64: to 1.5e-14, the square of its error), by Newton's method.
NONNEG_INLINE Vec<float> inverse_of(Vec<float> y, float) {
  using V = Vec<float>;
  if constexpr (kDivides)
    return fill<V>(1.0f) / y;
  const V two = fill<V>(2.0f);
  V guess = (V)(fill<IntVec<float>>(0x7ef311c3) - (IntVec<float>)y); // within 12 %
  unroll<3>([&](auto) NONNEG_LAMBDA { guess = guess * (two - y * guess); });
  return guess;
}
NONNEG_INLINE Vec<double> inverse_of(Vec<double> y, double unit) {
  using V = Vec<double>;
  using Narrow = typename VectorOf<float, kLanes<double>>::type;
  if constexpr (kDivides)
    return fill<V>(1.0) / y;
  const V scaled = y * fill<V>(unit);
  const Narrow rough = fill<Narrow>(1.0f) / __builtin_convertvector(scaled, Narrow);
  const V guess = __builtin_convertvector(rough, V);
  return (guess * (fill<V>(2.0) - scaled * guess)) * fill<V>(unit);
}

// sqrt(x) for x >= 0, rounded as the processor's own.
NONNEG_INLINE float root_of(float x) { return __builtin_sqrtf(x); }
NONNEG_INLINE double root_of(double x) { return __builtin_sqrt(x); }
template <class T> NONNEG_INLINE Vec<T> root_of(Vec<T> x) {
  alignas(64) T lanes[kLanes<T>];
  store(lanes, x);
  for (int i = 0; i < kLanes<T>; ++i)
    lanes[i] = root_of(lanes[i]);
  return load<Vec<T>>(lanes);
}

// Vector of the folds of W vectors of W lanes, one of them a lane.
template <int W, int Stage = W, class V, class F> NONNEG_INLINE V fold_lanes(V (&v)[W], F f) {
  if constexpr (Stage == 1)
    return v[0];
  else if constexpr (kHalves<V> && Stage == W) { // the same pairs as below
    V half[W / 2];
    unroll<W / 2>([&](auto i) NONNEG_LAMBDA {
      const V a = v[i], b = v[i + W / 2];
      half[i] = f(join_halves<false>(a, b), join_halves<true>(a, b));
    });
    if constexpr (W == 8)
      unroll<2>([&](auto i) NONNEG_LAMBDA {
        const V a = half[2 * i], b = half[2 * i + 1];
        half[i] = f(join_pairs<false>(a, b), join_pairs<true>(a, b));
      });
    return f(join_alternate<false>(half[0], half[1]), join_alternate<true>(half[0], half[1]));
  } else {
    constexpr auto lanes = std::make_index_sequence<W>{};
    unroll<Stage / 2>([&](auto i) NONNEG_LAMBDA {
      v[i] = f(zip<false, W>(v[i], v[i + Stage / 2], lanes),
               zip<true, W>(v[i], v[i + Stage / 2], lanes));
    });
    return fold_lanes<W, Stage / 2>(v, f);
  }
}

template <int W, class V> NONNEG_INLINE V sums_of(V (&v)[W]) {
  return fold_lanes<W>(v, [](V a, V b) NONNEG_LAMBDA { return a + b; });
}

template <int W, class V> NONNEG_INLINE V largest_of(V (&v)[W]) {
  return fold_lanes<W>(v, [](V a, V b) NONNEG_LAMBDA { return a > b ? a : b; });
}

} // namespace nonneg::NONNEG_ISA
