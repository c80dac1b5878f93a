// Vectors of the compiler's own (GCC and Clang), as wide as the instruction set's.
//
// Included only by kernels_isa.cpp, inside the namespace of one instruction set.

template <class T, int W> struct VectorOf {
  typedef T type __attribute__((vector_size(sizeof(T) * W)));
  typedef T unaligned
      __attribute__((vector_size(sizeof(T) * W), aligned(alignof(T)), may_alias));
};

template <class T> constexpr int kLanes = NONNEG_VECTOR_BYTES / sizeof(T);
template <class T> using Vec = typename VectorOf<T, kLanes<T>>::type;

#define NONNEG_INLINE static inline __attribute__((always_inline))

template <class V, class T> NONNEG_INLINE V load(const T *p) {
  constexpr int W = sizeof(V) / sizeof(T);
  return (V)(*reinterpret_cast<const typename VectorOf<T, W>::unaligned *>(p));
}

template <class V, class T> NONNEG_INLINE void store(T *p, V v) {
  constexpr int W = sizeof(V) / sizeof(T);
  *reinterpret_cast<typename VectorOf<T, W>::unaligned *>(p) = v;
}

template <class V, class T> NONNEG_INLINE V fill(T x) {
  V v;
  for (unsigned i = 0; i < sizeof(V) / sizeof(T); ++i)
    v[i] = x;
  return v;
}

template <class T> NONNEG_INLINE T smaller(T a, T b) { return a < b ? a : b; }
template <class T> NONNEG_INLINE T larger(T a, T b) { return a > b ? a : b; }

template <class T, class V> NONNEG_INLINE double sum_lanes(V v) {
  double total = 0;
  for (unsigned i = 0; i < sizeof(V) / sizeof(T); ++i)
    total += static_cast<double>(v[i]);
  return total;
}

// Interleaved halves of a and b: a0 b0 a1 b1 ... from the low or the high half.
template <bool high, int W, class V, size_t... I>
NONNEG_INLINE V zip(V a, V b, std::index_sequence<I...>) {
  return __builtin_shufflevector(
      a, b, static_cast<int>((I & 1) * W + I / 2 + (high ? W / 2 : 0))...);
}

// Transposes W vectors of W lanes: a perfect-shuffle network of log2(W) stages.
template <int W, class V> NONNEG_INLINE void transpose(V (&v)[W]) {
  constexpr auto lanes = std::make_index_sequence<W>{};
#pragma GCC unroll 8
  for (int stage = W; stage > 1; stage /= 2) {
    V next[W];
#pragma GCC unroll 16
    for (int i = 0; i < W / 2; ++i) {
      next[2 * i] = zip<false, W>(v[i], v[i + W / 2], lanes);
      next[2 * i + 1] = zip<true, W>(v[i], v[i + W / 2], lanes);
    }
#pragma GCC unroll 16
    for (int i = 0; i < W; ++i)
      v[i] = next[i];
  }
}
