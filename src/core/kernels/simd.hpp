// Vectors of the compiler's own (GCC and Clang), as wide as those of the instruction set.
//
// This header and those that include it are compiled once per instruction set, into the
// namespace that NONNEG_ISA names; NONNEG_VECTOR_BYTES is the width of its vectors. No
// function of the standard library with external linkage may be instantiated in them: the
// linker would keep one copy for all sets, perhaps one that an older processor cannot run
// (tools/check_symbols.sh).
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "kernels/views.hpp"

#ifndef NONNEG_ISA
#error "kernels are compiled for one instruction set, which NONNEG_ISA names"
#endif

namespace nonneg::NONNEG_ISA {

template <class T, int W> struct VectorOf {
  typedef T type __attribute__((vector_size(sizeof(T) * W)));
  typedef T unaligned
      __attribute__((vector_size(sizeof(T) * W), aligned(alignof(T)), may_alias));
};

template <class T> constexpr int kLanes = NONNEG_VECTOR_BYTES / sizeof(T);
template <class T> using Vec = typename VectorOf<T, kLanes<T>>::type;

#define NONNEG_INLINE static inline __attribute__((always_inline))
#define NONNEG_INLINE_MEMBER inline __attribute__((always_inline))

template <class V, class T> NONNEG_INLINE V load(const T *p) {
  constexpr int W = sizeof(V) / sizeof(T);
  return (V)(*reinterpret_cast<const typename VectorOf<T, W>::unaligned *>(p));
}

template <class V, class T> NONNEG_INLINE void store(T *p, V v) {
  constexpr int W = sizeof(V) / sizeof(T);
  *reinterpret_cast<typename VectorOf<T, W>::unaligned *>(p) = v;
}

template <class V, class T, size_t... I>
NONNEG_INLINE V fill_lanes(T x, std::index_sequence<I...>) {
  return V{(static_cast<void>(I), x)...}; // recognised as one broadcast
}
template <class V, class T> NONNEG_INLINE V fill(T x) {
  return fill_lanes<V>(x, std::make_index_sequence<sizeof(V) / sizeof(T)>{});
}

template <class T> NONNEG_INLINE T smaller(T a, T b) { return a < b ? a : b; }
template <class T> NONNEG_INLINE T larger(T a, T b) { return a > b ? a : b; }

template <class T, class V> NONNEG_INLINE double sum_lanes(V v) {
  double total = 0;
  for (unsigned i = 0; i < sizeof(V) / sizeof(T); ++i)
    total += static_cast<double>(v[i]);
  return total;
}

// Whether a number of v, none of which is negative, is not zero: its halves are added up, while one
// lane after the other would wait for the one before.
template <class T, class V, size_t... I>
NONNEG_INLINE bool is_any_positive(V v, std::index_sequence<I...>) {
  constexpr int half = sizeof...(I);
  const auto sum = __builtin_shufflevector(v, v, static_cast<int>(I)...) +
                   __builtin_shufflevector(v, v, static_cast<int>(I + half)...);
  if constexpr (half <= 2)
    return sum[0] + sum[half - 1] > 0;
  else
    return is_any_positive<T>(sum, std::make_index_sequence<half / 2>{});
}
template <class T> NONNEG_INLINE bool is_any_positive(Vec<T> v) {
  return is_any_positive<T>(v, std::make_index_sequence<kLanes<T> / 2>{});
}

// f(0), ..., f(N - 1) with constant arguments. Arrays indexed by them stay in registers,
// which a loop does not guarantee: the compiler may unroll it too late to see that.
template <class F, int... I>
NONNEG_INLINE void unroll_sequence(F &f, std::integer_sequence<int, I...>) {
  (f(std::integral_constant<int, I>{}), ...);
}
template <int N, class F> NONNEG_INLINE void unroll(F f) {
  unroll_sequence(f, std::make_integer_sequence<int, N>{});
}
#define NONNEG_LAMBDA __attribute__((always_inline))

// Interleaved halves of a and b: a0 b0 a1 b1 ... from the low or the high half.
template <bool high, int W, class V, size_t... I>
NONNEG_INLINE V zip(V a, V b, std::index_sequence<I...>) {
  return __builtin_shufflevector(
      a, b, static_cast<int>((I & 1) * W + I / 2 + (high ? W / 2 : 0))...);
}

// Of vectors of two halves that the processor shuffles each by itself (AVX2): the low or the high
// halves of a and b; and of each half, pairs of lanes from it in a and then in b, lanes I and J.
template <class V> constexpr bool kHalves = sizeof(V) == 32;
template <bool high, int W, class V, size_t... I>
NONNEG_INLINE V join_halves(V a, V b, std::index_sequence<I...>) {
  constexpr int from = high ? W / 2 : 0;
  return __builtin_shufflevector(
      a, b, static_cast<int>(I < W / 2 ? I + from : I - W / 2 + W + from)...);
}
template <bool high, class V> NONNEG_INLINE V join_halves(V a, V b) {
  constexpr int W = sizeof(V) / sizeof(a[0]);
  return join_halves<high, W>(a, b, std::make_index_sequence<W>{});
}
template <bool high, class V> NONNEG_INLINE V join_pairs(V a, V b) { // of 8 lanes
  constexpr int i = high ? 2 : 0;
  return __builtin_shufflevector(a, b, i, i + 1, i + 8, i + 9, i + 4, i + 5, i + 12, i + 13);
}
template <bool odd, class V> NONNEG_INLINE V join_alternate(V a, V b) { // of 8 or 4 lanes
  constexpr int i = odd;
  if constexpr (sizeof(V) / sizeof(a[0]) == 8)
    return __builtin_shufflevector(a, b, i, i + 2, i + 8, i + 10, i + 4, i + 6, i + 12, i + 14);
  else
    return __builtin_shufflevector(a, b, i, i + 4, i + 2, i + 6);
}
template <bool high, class V> NONNEG_INLINE V interleave(V a, V b) { // of 8 lanes
  constexpr int i = high ? 2 : 0;
  return __builtin_shufflevector(a, b, i, i + 8, i + 1, i + 9, i + 4, i + 12, i + 5, i + 13);
}

// Transposes W vectors of W lanes: a perfect-shuffle network of log2(W) stages. Where halves are
// shuffled by themselves, they are exchanged first, and each stage takes half the instructions.
template <int W, int Stage = W, class V> NONNEG_INLINE void transpose(V (&v)[W]) {
  if constexpr (kHalves<V> && Stage == W) {
    unroll<W / 2>([&](auto i) NONNEG_LAMBDA {
      const V a = v[i], b = v[i + W / 2];
      v[i] = join_halves<false>(a, b);
      v[i + W / 2] = join_halves<true>(a, b);
    });
    unroll<2>([&](auto half) NONNEG_LAMBDA {
      constexpr int j = half * (W / 2);
      if constexpr (W == 4) {
        const V a = v[j], b = v[j + 1];
        v[j] = join_alternate<false>(a, b);
        v[j + 1] = join_alternate<true>(a, b);
      } else {
        const V a = interleave<false>(v[j], v[j + 1]), b = interleave<true>(v[j], v[j + 1]);
        const V c = interleave<false>(v[j + 2], v[j + 3]), d = interleave<true>(v[j + 2], v[j + 3]);
        v[j] = join_pairs<false>(a, c);
        v[j + 1] = join_pairs<true>(a, c);
        v[j + 2] = join_pairs<false>(b, d);
        v[j + 3] = join_pairs<true>(b, d);
      }
    });
  } else if constexpr (Stage > 1) {
    constexpr auto lanes = std::make_index_sequence<W>{};
    V next[W];
    unroll<W / 2>([&](auto i) NONNEG_LAMBDA {
      next[2 * i] = zip<false, W>(v[i], v[i + W / 2], lanes);
      next[2 * i + 1] = zip<true, W>(v[i], v[i + W / 2], lanes);
    });
    unroll<W>([&](auto i) NONNEG_LAMBDA { v[i] = next[i]; });
    transpose<W, Stage / 2>(v);
  }
}

// Vectors that are computed with side by side, an operation on all of them before the next one: of
// one, operations wait for each other (D-CORE-BETA-POWERS).
template <class V, int N> struct Beside {
  V part[N];

  template <class F> static NONNEG_INLINE_MEMBER Beside of(F f) {
    Beside made;
    unroll<N>([&](auto i) NONNEG_LAMBDA { made.part[i] = f(i); });
    return made;
  }
};

// The numbers of a vector of T in float64: as many vectors as they fill. One vector of all of them
// would be wider than the registers, and GCC takes its halves through memory (D-CORE-WIDE).
template <class T> struct Wide {
  static constexpr int L = kLanes<double>, N = kLanes<T> / L;
  Vec<double> part[N];

  template <class F> static NONNEG_INLINE_MEMBER Wide of(F f) {
    Wide wide;
    unroll<N>([&](auto i) NONNEG_LAMBDA { wide.part[i] = f(i); });
    return wide;
  }
  NONNEG_INLINE_MEMBER Wide operator+(const Wide &b) const {
    return of([&](auto i) NONNEG_LAMBDA { return part[i] + b.part[i]; });
  }
  NONNEG_INLINE_MEMBER Wide operator-(const Wide &b) const {
    return of([&](auto i) NONNEG_LAMBDA { return part[i] - b.part[i]; });
  }
  NONNEG_INLINE_MEMBER Wide operator*(const Wide &b) const {
    return of([&](auto i) NONNEG_LAMBDA { return part[i] * b.part[i]; });
  }
  NONNEG_INLINE_MEMBER Wide &operator+=(const Wide &b) { return *this = *this + b; }
  NONNEG_INLINE_MEMBER Wide &operator-=(const Wide &b) { return *this = *this - b; }
};

template <class T> NONNEG_INLINE Wide<T> wide_zero() {
  return Wide<T>::of([](auto) NONNEG_LAMBDA { return fill<Vec<double>>(0.0); });
}

template <int first, class V, size_t... I>
NONNEG_INLINE Vec<double> widened_part(V v, std::index_sequence<I...>) {
  return __builtin_convertvector(__builtin_shufflevector(v, v, static_cast<int>(first + I)...),
                                 Vec<double>);
}

template <class T> NONNEG_INLINE Wide<T> widened(Vec<T> v) {
  return Wide<T>::of([&](auto i) NONNEG_LAMBDA {
    constexpr int first = decltype(i)::value * kLanes<double>;
    return widened_part<first>(v, std::make_index_sequence<kLanes<double>>{});
  });
}

template <class T> NONNEG_INLINE Wide<T> load_wide(const double *p) {
  return Wide<T>::of([&](auto i) NONNEG_LAMBDA {
    return load<Vec<double>>(p + i * kLanes<double>);
  });
}

template <class T> NONNEG_INLINE void store_wide(double *p, const Wide<T> &v) {
  unroll<Wide<T>::N>([&](auto i) NONNEG_LAMBDA { store(p + i * kLanes<double>, v.part[i]); });
}

// In the order of the lanes.
template <class T> NONNEG_INLINE double sum_wide(const Wide<T> &v) {
  double total = 0;
  unroll<Wide<T>::N>([&](auto i) NONNEG_LAMBDA {
    for (int lane = 0; lane < kLanes<double>; ++lane)
      total += v.part[i][lane];
  });
  return total;
}

template <class T> NONNEG_INLINE double wide_sum(Vec<T> v) { return sum_wide<T>(widened<T>(v)); }

// n < L numbers in a vector, zeros behind them.
template <class T> NONNEG_INLINE Vec<T> load_some(const T *p, Index n) {
  alignas(64) T lanes[kLanes<T>] = {};
  for (Index i = 0; i < n; ++i)
    lanes[i] = p[i];
  return load<Vec<T>>(lanes);
}

} // namespace nonneg::NONNEG_ISA
