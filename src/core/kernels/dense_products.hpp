// Products of a block of dense rows with packed factors: register tiles, or BLAS.
#pragma once

#include <cstdint>

#include "kernels/narrow_products.hpp"
#include "kernels/packed_products.hpp"
#include "kernels/packed_rows.hpp"
#include "kernels/simd.hpp"
#include "kernels/views.hpp"

namespace nonneg::NONNEG_ISA {

// Register tiles of this file serve packed factors of at most this many bytes, BLAS larger
// ones: the tiles do not block the inner dimension (D-CORE-OWN-TILES).
constexpr Index kOwnBytes = Index(3) << 20;

// Rows (columns for X'A) in a tile of N vectors, so that H x N sums, N vectors and a
// broadcast fit into the registers: 32, or 16 below AVX-512. Wider tiles need fewer
// broadcasts per multiply-add.
constexpr bool kManyRegisters = NONNEG_VECTOR_BYTES == 64;
constexpr int kMostDense = kManyRegisters ? 4 : 3;
constexpr int kProductHeights[] = {0, 12, 10, 8, 6};
constexpr int kTransposedHeights[] = {0, 16, 12, 8, 6};
constexpr int kFewHeights[] = {0, 8, 6, 4};
template <int N>
constexpr int kProductHeight = kManyRegisters ? kProductHeights[N] : kFewHeights[N];
template <int N>
constexpr int kTransposedHeight = kManyRegisters ? kTransposedHeights[N] : kFewHeights[N];

// The address of X[i], which may lie outside the array: to fetch ahead of the tile, mostly
// what the next one reads.
template <class T> NONNEG_INLINE const void *beyond(const T *X, Index i) {
  return reinterpret_cast<const void *>(reinterpret_cast<uintptr_t>(X) +
                                        static_cast<uintptr_t>(i) * sizeof(T));
}

// The first half of a vector, which costs half a vector's time to compute with where the
// processor splits its widest vectors.
constexpr int one_or(int n) { return n > 1 ? n : 1; }
template <class T> constexpr int kHalf = one_or(kLanes<T> / 2);
template <class T> using HalfVec = typename VectorOf<T, kHalf<T>>::type;
template <class V, size_t... I>
NONNEG_INLINE auto first_lanes(V v, std::index_sequence<I...>) {
  return __builtin_shufflevector(v, v, static_cast<int>(I)...);
}
template <class T> NONNEG_INLINE HalfVec<T> first_half(Vec<T> v) {
  return first_lanes(v, std::make_index_sequence<kHalf<T>>{});
}

// Whether half of the last vector of packed rows is padding, and not to be computed
// (D-CORE-HALF-VECTORS).
template <class T> NONNEG_INLINE bool ends_by_half(int k, int kp) {
  return kManyRegisters && kp - k >= kHalf<T>;
}

// out[r,:] = sum_j X[r,j] B[j,:] for H rows and N vectors, of the last one by its first half
// alone if `half`.
template <int H, int N, bool half, class T>
NONNEG_NOINLINE static void product_tile(const T *X, Index stride, Index cols, const T *B,
                                         int kp, T *out) {
  using V = Vec<T>;
  using HV = HalfVec<T>;
  constexpr int L = kLanes<T>, Whole = half ? N - 1 : N;
  V sum[one_or(H * Whole)];
  HV rest[half ? H : 1];
  unroll<H * Whole>([&](auto i) NONNEG_LAMBDA { sum[i] = fill<V>(T(0)); });
  unroll<half ? H : 1>([&](auto i) NONNEG_LAMBDA { rest[i] = fill<HV>(T(0)); });
  constexpr Index line = 64 / sizeof(T);
  for (Index j = 0; j < cols; ++j) {
    if (j % line == 0)
      unroll<H>([&](auto r) NONNEG_LAMBDA {
        __builtin_prefetch(beyond(X, (r + H) * stride + j), 0, 2);
      });
    V b[one_or(Whole)];
    unroll<Whole>([&](auto v) NONNEG_LAMBDA { b[v] = load<V>(B + j * kp + v * L); });
    HV last = fill<HV>(T(0));
    if constexpr (half)
      last = load<HV>(B + j * kp + Whole * L);
    unroll<H>([&](auto r) NONNEG_LAMBDA {
      const V x = fill<V>(X[r * stride + j]);
      unroll<Whole>([&](auto v) NONNEG_LAMBDA { sum[r * Whole + v] += x * b[v]; });
      if constexpr (half)
        rest[r] += first_half<T>(x) * last;
    });
  }
  unroll<H>([&](auto r) NONNEG_LAMBDA {
    unroll<Whole>([&](auto v) NONNEG_LAMBDA {
      store(out + r * kp + v * L, sum[r * Whole + v]);
    });
    if constexpr (half) {
      store(out + r * kp + Whole * L, rest[r]);
      store(out + r * kp + Whole * L + kHalf<T>, fill<HV>(T(0)));
    }
  });
}

// out[j,:] += sum_i X[i,j] A[i,:] for H columns and N vectors, as above.
template <int H, int N, bool half, class T>
NONNEG_NOINLINE static void transposed_tile(const T *X, Index stride, Index rows, const T *A,
                                            int kp, T *out) {
  using V = Vec<T>;
  using HV = HalfVec<T>;
  constexpr int L = kLanes<T>, Whole = half ? N - 1 : N;
  V sum[one_or(H * Whole)];
  HV rest[half ? H : 1];
  unroll<H>([&](auto r) NONNEG_LAMBDA {
    unroll<Whole>([&](auto v) NONNEG_LAMBDA {
      sum[r * Whole + v] = load<V>(out + r * kp + v * L);
    });
    if constexpr (half)
      rest[r] = load<HV>(out + r * kp + Whole * L);
  });
  for (Index i = 0; i < rows; ++i) {
    V a[one_or(Whole)];
    unroll<Whole>([&](auto v) NONNEG_LAMBDA { a[v] = load<V>(A + i * kp + v * L); });
    HV last = fill<HV>(T(0));
    if constexpr (half)
      last = load<HV>(A + i * kp + Whole * L);
    unroll<H>([&](auto r) NONNEG_LAMBDA {
      const V x = fill<V>(X[i * stride + r]);
      unroll<Whole>([&](auto v) NONNEG_LAMBDA { sum[r * Whole + v] += x * a[v]; });
      if constexpr (half)
        rest[r] += first_half<T>(x) * last;
    });
  }
  unroll<H>([&](auto r) NONNEG_LAMBDA {
    unroll<Whole>([&](auto v) NONNEG_LAMBDA {
      store(out + r * kp + v * L, sum[r * Whole + v]);
    });
    if constexpr (half)
      store(out + r * kp + Whole * L, rest[r]);
  });
}

template <class I, class F, class T>
NONNEG_INLINE void call_gemm(void *gemm, char transB, Index m, Index n, Index k,
                             const T *A, Index lda, const T *B, Index ldb, T beta, T *C,
                             Index ldc) {
  char none = 'N';
  T one = 1;
  I mi = static_cast<I>(m), ni = static_cast<I>(n), ki = static_cast<I>(k),
    la = static_cast<I>(lda), lb = static_cast<I>(ldb), lc = static_cast<I>(ldc);
  reinterpret_cast<F>(gemm)(&none, &transB, &mi, &ni, &ki, &one, const_cast<T *>(A), &la,
                            const_cast<T *>(B), &lb, &beta, C, &lc);
}

// C (column-major m x n) = A op(B) + beta C.
template <class T>
static void gemm(const Blas &blas, char transB, Index m, Index n, Index k, const T *A,
                 Index lda, const T *B, Index ldb, T beta, T *C, Index ldc) {
  void *f = sizeof(T) == 4 ? blas.sgemm : blas.dgemm;
  using Narrow = void (*)(char *, char *, int *, int *, int *, T *, T *, int *, T *, int *,
                          T *, T *, int *);
  using Wide = void (*)(char *, char *, int64_t *, int64_t *, int64_t *, T *, T *,
                        int64_t *, T *, int64_t *, T *, T *, int64_t *);
  if (blas.wide)
    call_gemm<int64_t, Wide>(f, transB, m, n, k, A, lda, B, ldb, beta, C, ldc);
  else
    call_gemm<int, Narrow>(f, transB, m, n, k, A, lda, B, ldb, beta, C, ldc);
}

// Whether BLAS can't do a product with X, or not as fast.
template <class T>
NONNEG_INLINE bool own_product(const Blas &blas, MatrixView<const T> X, int kp) {
  const void *f = sizeof(T) == 4 ? blas.sgemm : blas.dgemm;
  const Index most = 2147483647;
  const bool fits = blas.wide || (X.cols <= most && X.stride <= most);
  return f == nullptr || !fits || X.cols * kp * static_cast<Index>(sizeof(T)) <= kOwnBytes;
}

// Calls f with the number of vectors of each chunk of packed rows, whether half of its last
// one is padding, and its first vector.
template <class T, class F> NONNEG_INLINE void for_chunks(int k, int kp, F f) {
  const int vectors = kp / kLanes<T>;
  const bool by_half = ends_by_half<T>(k, kp);
  for_balanced<kMostDense>(vectors, [&](auto count, int vector) NONNEG_LAMBDA {
    if constexpr (kManyRegisters)
      if (by_half && vector + count == vectors) {
        f(count, std::true_type{}, vector);
        return;
      }
    f(count, std::false_type{}, vector);
  });
}

// P (packed rows of kp numbers, k of them wanted) = X B.
template <class T>
void dense_product_packed(MatrixView<const T> X, const T *B, int k, int kp, T *P,
                                 const Blas &blas) {
  constexpr int L = kLanes<T>;
  if (!own_product(blas, X, kp)) {
    gemm<T>(blas, 'N', k, X.rows, X.cols, B, kp, X.data, X.stride, T(0), P, kp);
    return;
  }
  for_chunks<T>(k, padded<T>(k), [&](auto count, auto half, int vector) NONNEG_LAMBDA {
    constexpr int N = decltype(count)::value;
    constexpr bool by_half = decltype(half)::value;
    for_heights<kProductHeight<N>>(X.rows, [&](auto height, Index i) NONNEG_LAMBDA {
      product_tile<decltype(height)::value, N, by_half>(X.data + i * X.stride, X.stride, X.cols,
                                                        B + vector * L, kp,
                                                        P + i * kp + vector * L);
    });
  });
}

// sum (packed) += X' A, A packed rows of kp numbers, k of them wanted.
template <class T>
void dense_transposed_packed(MatrixView<const T> X, const T *A, int k, int kp,
                                    T *sum, const Blas &blas) {
  constexpr int L = kLanes<T>;
  if (!own_product(blas, X, kp)) {
    gemm<T>(blas, 'T', k, X.cols, X.rows, A, kp, X.data, X.stride, T(1), sum, kp);
    return;
  }
  Index begin = 0;
  if (is_narrow<T>(k))
    for_narrow(k, [&](auto count) NONNEG_LAMBDA {
      begin = narrow_transposed<decltype(count)::value>(X, A, kp, sum);
    });
  for_chunks<T>(k, padded<T>(k), [&](auto count, auto half, int vector) NONNEG_LAMBDA {
    constexpr int N = decltype(count)::value;
    constexpr bool by_half = decltype(half)::value;
    const auto tile = [&](auto height, Index j) NONNEG_LAMBDA {
      transposed_tile<decltype(height)::value, N, by_half>(X.data + j, X.stride, X.rows,
                                                           A + vector * L, kp,
                                                           sum + j * kp + vector * L);
    };
    for_heights<kTransposedHeight<N>>(X.cols, tile, begin);
  });
}

} // namespace nonneg::NONNEG_ISA
