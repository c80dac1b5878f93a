// Newton steps for the rows of a block of X, CSR or dense of any strides.
#pragma once

#include "kernels/newton_interface.hpp"
#include "kernels/newton_lanes.hpp"
#include "kernels/newton_rows.hpp"
#include "kernels/row_arrays.hpp"
#include "kernels/simd.hpp"

namespace nonneg::NONNEG_ISA {

template <class T, int R>
NONNEG_INLINE void load_starts(const Newton<T> &options, const RowArrays<T> &rows,
                               const Index *which, T *w) {
  for (int r = 0; r < R; ++r)
    for (int t = 0; t < options.k; ++t)
      w[t * R + r] = rows.start.data[which[r] * rows.start.stride + t];
}

template <class T, int R>
NONNEG_INLINE void store_results(const Newton<T> &options, const RowArrays<T> &rows,
                                 const Index *which, const T *w) {
  for (int r = 0; r < R; ++r)
    for (int t = 0; t < options.k; ++t)
      rows.solved.data[which[r] * rows.solved.stride + t] = w[t * R + r];
}

// Rows of H for the entries [at, at + n) of a row of X, turned: component t of entry p to
// h[t * next + p], zero behind the n-th.
template <class T, class I>
NONNEG_INLINE void turn_entries(const I *indices, Index n, const T *B, int kp, int k, T *h,
                                Index next) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  for (int c = 0; c < kp; c += L) {
    V v[L];
    unroll<L>([&](auto p) NONNEG_LAMBDA {
      v[p] = p < n ? load<V>(B + static_cast<Index>(indices[p < n ? p : 0]) * kp + c)
                   : fill<V>(T(0));
    });
    transpose<L>(v);
    unroll<L>([&](auto i) NONNEG_LAMBDA {
      if (c + i < k)
        store(h + (c + i) * next, v[i]);
    });
  }
}

// A row of its own, `scratch` as long as its numbers ask for.
template <class T, class I>
static void csr_newton_row(const CsrView<T, I> &X, const T *B, int kp, const Newton<T> &options,
                           const RowArrays<T> &rows, Index which, NewtonSums &sums,
                           const StepScratch<T> &step, T *scratch) {
  constexpr int L = kLanes<T>;
  const Index from = X.indptr[which], filled = X.indptr[which + 1] - from;
  const Index n = (filled + L - 1) / L * L;
  T *const w = scratch, *const x = w + (options.k + L - 1) / L * L, *const y = x + n, *const h = y + n;
  const NewtonGroup<T> g{h, n, n, x, y, step};
  for (Index p = 0; p < n; p += L) {
    const Index left = smaller<Index>(L, filled - p);
    store(x + p, left == L ? load<Vec<T>>(X.values + from + p)
                           : load_some(X.values + from + p, left));
    turn_entries(X.indices + from + p, left, B, kp, options.k, h + p, n);
  }
  load_starts<T, 1>(options, rows, &which, w);
  NewtonSums row_sums;
  newton_rows<T, 1>(options, g, w, &filled, row_sums);
  store_results<T, 1>(options, rows, &which, w);
  sums.add(row_sums);
}

// The p-th entries of as many rows as a vector has lanes, `from` their first entries: numbers
// of H turned to a vector for each component, `stride` apart; zeros where a row has ended or x
// is 0.
template <class T, class I>
NONNEG_INLINE void turn_lanes(const CsrView<T, I> &X, const Index *from, const Index *filled,
                              Index p, const T *B, int kp, int k, T *x, T *h, Index stride) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  const T *source[L];
  bool whole = true;
  for (int r = 0; r < L; ++r) {
    const T value = p < filled[r] ? X.values[from[r] + p] : T(0);
    x[r] = value;
    source[r] = value > T(0) ? B + static_cast<Index>(X.indices[from[r] + p]) * kp : nullptr;
    whole = whole && source[r];
  }
  const auto turn = [&](auto checked) NONNEG_LAMBDA {
    for (int c = 0; c < kp; c += L) {
      V v[L];
      unroll<L>([&](auto r) NONNEG_LAMBDA {
        v[r] = !decltype(checked)::value || source[r] ? load<V>(source[r] + c) : fill<V>(T(0));
      });
      transpose<L>(v);
      if (c + L <= k)
        unroll<L>([&](auto i) NONNEG_LAMBDA { store(h + (c + i) * stride, v[i]); });
      else
        unroll<L>([&](auto i) NONNEG_LAMBDA {
          if (c + i < k)
            store(h + (c + i) * stride, v[i]);
        });
    }
  };
  if (whole)
    turn(std::false_type{});
  else
    turn(std::true_type{});
}

// Solves for the rows of a group, each from its start.
template <class T, bool shared>
static void solve_lanes(const Newton<T> &options, const LaneGroup<T, shared> &g,
                        const RowArrays<T> &rows, const Index *which, NewtonSums &sums) {
  constexpr int L = kLanes<T>;
  for (int r = 0; r < L; ++r)
    for (int t = 0; t < options.k; ++t)
      g.w[t * L + r] = r < g.rows ? rows.start.data[which[r] * rows.start.stride + t] : T(0);
  NewtonSums group_sums;
  lane_rows(options, g, group_sums);
  for (int r = 0; r < g.rows; ++r)
    for (int t = 0; t < options.k; ++t)
      rows.solved.data[which[r] * rows.solved.stride + t] = g.w[t * L + r];
  sums.add(group_sums);
}

// Up to kLanes rows, a row in each lane.
template <class T, class I>
static void csr_newton_lanes(const CsrView<T, I> &X, const T *B, int kp, const Newton<T> &options,
                             const RowArrays<T> &rows, const Index *which, int n_rows,
                             NewtonSums &sums, const StepScratch<T> &step, T *scratch) {
  constexpr int L = kLanes<T>;
  const int k = options.k;
  Index from[L], filled[L], n = 0;
  for (int r = 0; r < L; ++r) {
    from[r] = r < n_rows ? Index(X.indptr[which[r]]) : 0;
    filled[r] = r < n_rows ? X.indptr[which[r] + 1] - from[r] : 0;
    n = larger(n, filled[r]);
  }
  T *const w = scratch, *const x = w + k * L, *const y = x + n * L, *const h = y + n * L,
          *const apart = h + k * n * L;
  const LaneGroup<T, false> g{h, n * L, x, y, w, n, n_rows, filled, step, apart};
  for (Index p = 0; p < n; ++p)
    turn_lanes(X, from, filled, p, B, kp, k, x + p * L, h + p * L, n * L);
  solve_lanes(options, g, rows, which, sums);
}

// Sorts row numbers by length, shortest first; equal ones keep their order.
template <class I>
static void sort_by_length(const I *indptr, Index *order, Index n) {
  for (const Index gap : {Index(57), Index(23), Index(10), Index(4), Index(1)})
    for (Index i = gap; i < n; ++i) {
      const Index row = order[i];
      const Index length = indptr[row + 1] - indptr[row];
      Index j = i;
      for (; j >= gap; j -= gap) {
        const Index other = order[j - gap], its = indptr[other + 1] - indptr[other];
        if (its < length || (its == length && other < row))
          break;
        order[j] = other;
      }
      order[j] = row;
    }
}

template <class T, class I>
static void csr_newton(const CsrView<T, I> &X, Index first, Index last, const T *B, int kp,
                       const Newton<T> &options, const RowArrays<T> &rows, NewtonSums &sums,
                       void *scratch) {
  const Index n = last - first;
  Index *const order = static_cast<Index *>(scratch);
  for (Index i = 0; i < n; ++i)
    order[i] = first + i;
  sort_by_length(X.indptr, order, n);
  const auto stops = [&]() NONNEG_LAMBDA { return options.stop && options.stop(); };
  const Index longest_row = n > 0 ? X.indptr[order[n - 1] + 1] - X.indptr[order[n - 1]] : 0;
  char *memory = reinterpret_cast<char *>(order + (n + 7) / 8 * 8);
  const StepScratch<T> step = cut_step<T>(memory, padded<T>(longest_row), options.k);
  T *const numbers = reinterpret_cast<T *>(memory);
  Index i = 0, n_short = n;
  while (n_short > 0 && X.indptr[order[n_short - 1] + 1] - X.indptr[order[n_short - 1]] > kLongRow)
    --n_short;
  if (n == 1) // rows that come one by one
    n_short = 0;
  for (; i < n_short && !stops(); i += kLanes<T>) {
    const int n_rows = static_cast<int>(smaller<Index>(kLanes<T>, n_short - i));
    csr_newton_lanes(X, B, kp, options, rows, order + i, n_rows, sums, step, numbers);
  }
  for (i = n_short; i < n && !stops(); ++i)
    csr_newton_row(X, B, kp, options, rows, order[i], sums, step, numbers);
  if (rows.moved.data)
    extrapolate(block_of(rows, first, last), options.momentum);
}

// n rows of a dense X, `next` numbers apart, with zeros behind its columns. Where X lies by
// columns, vectors of as many rows are turned: its numbers one by one take as long as a sweep.
template <class T>
static void read_rows(const StridedView<T> &X, Index first, Index n, T *x, Index next) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  const T *const from = X.data + first * X.row_stride;
  if (X.row_stride == 1 && n == L) {
    for (Index p = 0; p < next; p += L) {
      V v[L];
      unroll<L>([&](auto i) NONNEG_LAMBDA {
        v[i] = p + i < X.cols ? load<V>(from + (p + i) * X.stride) : fill<V>(T(0));
      });
      transpose<L>(v);
      unroll<L>([&](auto r) NONNEG_LAMBDA { store(x + r * next + p, v[r]); });
    }
    return;
  }
  for (Index r = 0; r < n; ++r) {
    const T *const row = from + r * X.row_stride;
    T *const to = x + r * next;
    Index p = 0;
    if (X.stride == 1)
      for (; p + L <= X.cols; p += L)
        store(to + p, load<V>(row + p));
    for (; p < next; ++p)
      to[p] = p < X.cols ? row[p * X.stride] : T(0);
  }
}

// Rows of a dense X that are read at a time.
template <class T> constexpr int kRead = kLanes<T> > kTogether ? kLanes<T> : kTogether;

// R rows, x as read, and all of H: k rows of h_width numbers.
template <class T, int R>
static void dense_newton_group(Index columns, T *x, const T *H, Index h_width,
                               const Newton<T> &options, const RowArrays<T> &rows, Index first,
                               NewtonSums &sums, const StepScratch<T> &step, T *w, T *y) {
  const NewtonGroup<T> g{H, h_width, h_width, x, y, step};
  Index which[R], filled[R];
  for (int r = 0; r < R; ++r) {
    which[r] = first + r;
    filled[r] = columns;
  }
  load_starts<T, R>(options, rows, which, w);
  newton_rows<T, R>(options, g, w, filled, sums);
  store_results<T, R>(options, rows, which, w);
}

// As many rows of a dense X as a vector has lanes or, the last ones, fewer: a row in each lane, its
// numbers where read_rows would turn them.
template <class T>
static void read_lanes(const StridedView<T> &X, Index first, Index n, T *x) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  const T *const from = X.data + first * X.row_stride;
  Index p = 0;
  if (n == L && X.row_stride == 1)
    for (; p < X.cols; ++p)
      store(x + p * L, load<V>(from + p * X.stride));
  else if (n == L && X.stride == 1)
    for (; p + L <= X.cols; p += L) {
      V v[L];
      unroll<L>([&](auto r) NONNEG_LAMBDA { v[r] = load<V>(from + r * X.row_stride + p); });
      transpose<L>(v);
      unroll<L>([&](auto i) NONNEG_LAMBDA { store(x + (p + i) * L, v[i]); });
    }
  for (; p < X.cols; ++p)
    for (Index r = 0; r < L; ++r)
      x[p * L + r] = r < n ? from[r * X.row_stride + p * X.stride] : T(0);
}

// Narrow rows of a dense X.
template <class T>
static void dense_newton_lanes(const StridedView<T> &X, Index first, Index last, const T *H,
                               Index h_width, const Newton<T> &options, const RowArrays<T> &rows,
                               NewtonSums &sums, const StepScratch<T> &step, T *scratch) {
  constexpr int L = kLanes<T>;
  T *const w = scratch, *const x = w + options.k * L, *const y = x + X.cols * L,
          *const apart = y + X.cols * L;
  for (Index i = first; i < last && !(options.stop && options.stop()); i += L) {
    const int n_rows = static_cast<int>(smaller<Index>(L, last - i));
    Index which[L], filled[L];
    for (int r = 0; r < L; ++r) {
      which[r] = i + r;
      filled[r] = X.cols;
    }
    const LaneGroup<T, true> g{H, h_width, x, y, w, X.cols, n_rows, filled, step, apart};
    read_lanes(X, i, n_rows, x);
    solve_lanes(options, g, rows, which, sums);
  }
}

template <class T>
static void dense_newton(const StridedView<T> &X, Index first, Index last, const T *H,
                         Index h_width, const Newton<T> &options, const RowArrays<T> &rows,
                         NewtonSums &sums, void *scratch) {
  constexpr int R = kTogether;
  char *memory = static_cast<char *>(scratch);
  const StepScratch<T> step = cut_step<T>(memory, h_width, options.k);
  T *const w = reinterpret_cast<T *>(memory), *const x = w + static_cast<Index>(options.k) * R,
          *const y = x + kRead<T> * h_width;
  const auto stops = [&]() NONNEG_LAMBDA { return options.stop && options.stop(); };
  const bool one_by_one = options.linear || options.bent;
  const Index ahead = X.cols <= kNarrow && !one_by_one ? last : first;
  dense_newton_lanes(X, first, ahead, H, h_width, options, rows, sums, step, w);
  for (Index i = ahead; i < last && !stops(); i += kRead<T>) {
    const Index n = smaller<Index>(kRead<T>, last - i);
    read_rows(X, i, n, x, h_width);
    Index r = 0;
    for (; r + R <= n; r += R)
      dense_newton_group<T, R>(X.cols, x + r * h_width, H, h_width, options, rows, i + r, sums,
                               step, w, y);
    for (; r < n; ++r)
      dense_newton_group<T, 1>(X.cols, x + r * h_width, H, h_width, options, rows, i + r, sums,
                               step, w, y);
  }
  if (rows.moved.data)
    extrapolate(block_of(rows, first, last), options.momentum);
}

// Bytes for a block of n_rows rows, the longest with that many entries; `turned` where H
// is gathered for each group.
template <class T>
static size_t newton_scratch(Index n_rows, Index longest, int k, bool turned) {
  constexpr Index L = kLanes<T>;
  const Index whole = (longest + L - 1) / L * L;
  const Index lanes = L * smaller(whole, kLongRow), apart = larger(whole, kLongRow);
  const Index numbers = turned ? (k + 2) * (lanes + apart) + 2 * k * L
                               : (kRead<T> + kTogether + L) * whole + k * L;
  return sizeof(Index) * static_cast<size_t>((n_rows + 7) / 8 * 8) +
         step_bytes<T>(padded<T>(longest), k) +
         sizeof(T) * static_cast<size_t>(numbers + k * kTogether + 4 * L);
}

} // namespace nonneg::NONNEG_ISA
