// Exact non-negative rows by block principal pivoting (Kim and Park 2011,
// doi:10.1137/110821172; bounds as in Judice and Pires 1994), one row per SIMD lane.
//
// Each lane holds a row and the row's passive set. The Gram matrices of the sets are gathered
// side by side and factored together, padded with zeros to the largest set, so that divisions
// and short loops are shared. A lane whose row is done takes the next row. No operation
// crosses lanes: the bits of a row do not depend on its neighbours.
//
// A lane for each row is faster than sorting rows by their sets and factoring each set once:
// the factorization costs a lane little more than the solution, which every row needs anyway.
// The last factor is used again only where all lanes keep their sets, as when all coordinates
// are passive. D-CORE-PIVOTING has times by k.
#pragma once

#include "kernels/active_set.hpp"
#include "kernels/pivoting_factor.hpp"
#include "kernels/pivoting_tile.hpp"
#include "kernels/row_arrays.hpp"

namespace nonneg::NONNEG_ISA {

constexpr int kExactFullExchanges = 3; // without progress, before single exchanges
// After so many exchanges, plus k / 16, a row is solved by its active set. Rows that end need
// 2 to 8 exchanges; those of a Gram matrix without full rank may go round for ever.
constexpr int kExactLoops = 20;
constexpr int kExactRows = 16; // between two questions whether to stop

// Share of a row's scale below which a sign does not count. The arithmetic is float64 for
// float32 rows too; only what their rounding would hide is ignored.
template <class T> constexpr double kExactTolerance = sizeof(T) == 4 ? 1e-8 : 1e-12;

// ---- a row into a lane and out of it -------------------------------------------------

// Lists the lane's passive coordinates; a list unlike the last one outdates the factor.
static void list_passive(ExactTile &tile, int l) {
  constexpr int L = kExactLanes, word = 64;
  const int old = tile.lanes[l].size;
  int n = 0;
  int64_t changed = 0;
  for (int first = 0; first < tile.k; first += word) {
    const int count = smaller(word, tile.k - first);
    uint64_t passive = 0;
    for (int t = 0; t < count; ++t)
      passive |= static_cast<uint64_t>(tile.side[(first + t) * L + l] & kFree) << t;
    for (; passive; passive &= passive - 1, ++n) {
      const int64_t t = first + __builtin_ctzll(passive);
      changed |= tile.index[n * L + l] ^ t;
      tile.index[n * L + l] = t;
    }
  }
  for (int i = n; i < old; ++i)
    tile.index[i * L + l] = tile.k;
  tile.lanes[l].size = n;
  tile.changed |= changed || n != old;
}

// Passive set of a row that brings none: the positive part of its solution without
// constraints, by a factor that all such rows share. tile.row holds q, and is used up.
static void guess_passive(ExactTile &tile, int l) {
  constexpr int L = kExactLanes;
  const int k = tile.k;
  if (!tile.has_whole)
    factor_whole(tile);
  // loads and stores of one alignment, or each would wait for the ones before; what that
  // spoils has been saved
  double *const q = tile.row, *const z = tile.part;
  for (int j = 0; j < k; ++j) {
    const double *const row = tile.whole + j * tile.whole_stride;
    z[j] = q[j];
    subtract_scaled(q, row, q[j] * row[j], (j + 1) / L * L, k);
  }
  for (int j = k - 1; j >= 0; --j) {
    const double *const row = tile.whole + j * tile.whole_stride;
    const double x = z[j] * row[j];
    tile.side[j * L + l] = x > 0 ? kFree : kAtZero;
    subtract_scaled(z, row, x, 0, j);
  }
}

template <class T>
static void load_row(const Exact &e, ExactTile &tile, int l, Index row, const T *a,
                     const T *p) {
  constexpr int L = kExactLanes;
  ExactLane &lane = tile.lanes[l];
  double *__restrict const q = tile.row;
  const double *__restrict const unit = tile.unit, *__restrict const l1 = e.l1;
  for (int t = 0; t < e.k; ++t) {
    const double scaled = (static_cast<double>(p[t]) - l1[t]) * unit[t];
    q[t] = larger(smaller(scaled, kExactLargest), -kExactLargest);
  }
  double size = 0;
  for (int t = 0; t < e.k; ++t)
    size = larger(size, q[t] < 0 ? -q[t] : q[t]);
  tile.size[l] = size;
  int64_t warm = 0;
  for (int t = 0; t < e.k; ++t) {
    const int64_t passive = (a[t] > 0) & (tile.unit[t] > 0);
    warm |= passive;
    tile.rhs[t * L + l] = q[t];
    tile.side[t * L + l] = passive; // kFree or kAtZero
  }
  if (!warm && !e.fixed)
    guess_passive(tile, l);
  else if (e.upper)
    for (int t = 0; t < e.k; ++t)
      if (tile.side[t * L + l] == kFree && static_cast<double>(a[t]) >= e.upper[t])
        tile.side[t * L + l] = kAtUpper;
  lane.row = row;
  lane.loops = 0;
  lane.chances = kExactFullExchanges;
  lane.fewest = e.k + 1;
  list_passive(tile, l);
}

// The solution of every lane, unscaled and within the bounds.
static void settle(const Exact &e, const ExactTile &tile) {
  constexpr int L = kExactLanes;
  using V = ExactVec;
  constexpr double largest = 1.7976931348623157e308;
  const V zero = fill<V>(0.0);
  for (int t = 0; t < tile.k; ++t) {
    V x = load<V>(tile.x + t * L) * fill<V>(tile.unit[t]);
    if (!e.fixed) {
      const V most = fill<V>(e.upper ? smaller(e.upper[t], largest) : largest);
      x = x > zero ? x : zero; // NaN becomes 0 too
      x = x < most ? x : most;
    }
    store(tile.out + t * L, x);
  }
}

// The squared projected gradients of the lanes that are done.
static void square_gradients(const ExactTile &tile, const int64_t *done) {
  constexpr int L = kExactLanes;
  using V = ExactVec;
  using I = ExactInt;
  const V zero = fill<V>(0.0);
  const I finished = load<I>(done);
  for (int t = 0; t < tile.k; ++t) {
    const double unit = tile.unit[t];
    const V y = load<V>(tile.y + t * L) * fill<V>(unit > 0 ? 1 / unit : 0.0);
    const I side = load<I>(tile.side + t * L);
    const I counts = finished & ((side == kFree) | ((side == kAtZero) & (y < zero)) |
                                 ((side == kAtUpper) & (y > zero)));
    store(tile.squares + t * L, load<V>(tile.squares + t * L) + (counts ? y * y : zero));
  }
}

template <class T> static void store_row(const ExactTile &tile, int l, T *a) {
  constexpr int L = kExactLanes;
  constexpr double largest = sizeof(T) == 4 ? 3.4028234663852886e38 : 1.7976931348623157e308;
  for (int t = 0; t < tile.k; ++t)
    a[t] = static_cast<T>(larger(smaller(tile.out[t * L + l], largest), -largest));
}

// ---- all lanes at once -----------------------------------------------------------------

template <int R> NONNEG_INLINE void gradient_rows(ExactTile &tile, int t) {
  constexpr int L = kExactLanes;
  using V = ExactVec;
  const Index c = tile.k + 1;
  const double *const g = tile.gram + t * c;
  V sum[R];
  unroll<R>([&](auto v) NONNEG_LAMBDA { sum[v] = -load<V>(tile.rhs + (t + v) * L); });
  for (int s = 0; s < tile.k; ++s) {
    const V x = load<V>(tile.x + s * L);
    unroll<R>([&](auto v) NONNEG_LAMBDA { sum[v] += fill<V>(g[v * c + s]) * x; });
  }
  unroll<R>([&](auto v) NONNEG_LAMBDA { store(tile.y + (t + v) * L, sum[v]); });
}

// y = G x - q.
static void gradient(ExactTile &tile) {
  int t = 0;
  for (; t + 8 <= tile.k; t += 8)
    gradient_rows<8>(tile, t);
  for (; t + 4 <= tile.k; t += 4)
    gradient_rows<4>(tile, t);
  for (; t + 2 <= tile.k; t += 2)
    gradient_rows<2>(tile, t);
  if (t < tile.k)
    gradient_rows<1>(tile, t);
}

// x on the passive sets, the bounds elsewhere, and the gradient. Returns whether the sets had
// to be factored.
static bool solve_lanes(ExactTile &tile, bool bounded, double falls) {
  constexpr int L = kExactLanes;
  using V = ExactVec;
  const int k = tile.k;
  bool any_upper = false;
  for (int t = 0; t < k; ++t) {
    store(tile.x + t * L, fill<V>(0.0));
    if (bounded)
      for (int l = 0; l < L; ++l)
        if (tile.side[t * L + l] == kAtUpper)
          any_upper = true, tile.x[t * L + l] = tile.upper[t];
  }
  if (any_upper)
    gradient(tile);
  const bool changed = tile.changed;
  if (changed)
    gather_sets(tile);
  double *const z = changed ? tile.factor + tile.n * tile.stride * L : tile.part;
  for (int i = 0; i < tile.n; ++i)
    for (int l = 0; l < L; ++l) {
      const Index place = tile.index[i * L + l] * L + l;
      z[i * L + l] = any_upper ? -tile.y[place] : tile.rhs[place];
    }
  if (changed)
    factor(tile);
  else
    solve_forward(tile, z);
  solve_backward(tile, z, falls);
  for (int i = 0; i < tile.n; ++i)
    for (int l = 0; l < L; ++l)
      tile.x[tile.index[i * L + l] * L + l] = z[i * L + l];
  gradient(tile);
  return changed;
}

// Marks the coordinates whose sign is wrong for their side; per lane how many they are,
// and the last of them.
static void judge(ExactTile &tile, double tolerance, int64_t *count, int64_t *last) {
  constexpr int L = kExactLanes;
  using V = ExactVec;
  using I = ExactInt;
  const V zero = fill<V>(0.0);
  V scale = load<V>(tile.size);
  for (int t = 0; t < tile.k; ++t) {
    const V x = load<V>(tile.x + t * L), size = x < zero ? -x : x;
    scale = size > scale ? size : scale;
  }
  const V slack = fill<V>(tolerance) * scale, least = -slack;
  I n = I{}, last_wrong = I{};
  for (int t = 0; t < tile.k; ++t) {
    const V x = load<V>(tile.x + t * L), y = load<V>(tile.y + t * L);
    const I side = load<I>(tile.side + t * L);
    const V most = fill<V>(tile.upper[t]) + slack;
    const I wrong = ((side == kFree) & ((x < least) | (x > most))) |
                    ((side == kAtZero) & (y < least)) | ((side == kAtUpper) & (y > slack));
    n -= wrong;
    last_wrong = wrong ? (I{} + t) : last_wrong;
    store(tile.violated + t * L, wrong);
  }
  store(count, n);
  store(last, last_wrong);
}

// Moves the marked coordinates to their other side: all of a lane's, or the one given.
static void exchange(ExactTile &tile, const int64_t *only) {
  constexpr int L = kExactLanes;
  using V = ExactVec;
  using I = ExactInt;
  const I chosen = load<I>(only);
  for (int t = 0; t < tile.k; ++t) {
    const I side = load<I>(tile.side + t * L);
    const I moves = load<I>(tile.violated + t * L) & ((chosen < 0) | (chosen == t));
    const I bound = load<V>(tile.x + t * L) > fill<V>(0.0) ? I{} + kAtUpper : I{} + kAtZero;
    const I other = side == kFree ? bound : I{} + kFree;
    store(tile.side + t * L, moves ? other : side);
  }
}

// Kim and Park's rule: exchange all while their number falls, three times more where it
// doesn't, then one at a time, which ends by Murty's theorem. Returns the choice for
// `exchange`, negative for all.
NONNEG_INLINE int64_t choose(ExactLane &lane, int64_t count, int64_t last) {
  if (count < lane.fewest) {
    lane.fewest = static_cast<int>(count);
    lane.chances = kExactFullExchanges;
    return -1;
  }
  if (lane.chances > 0) {
    --lane.chances;
    return -1;
  }
  return last;
}

// ---- the order of the rows -------------------------------------------------------------

constexpr Index kSortedRows = 512; // at a time

// Lists the rows from `first` on that are not settled, those with the largest passive sets
// first, and returns how many they are: a factorization takes as long as its largest set.
template <class T>
static int sort_rows(MatrixView<T> A, Index first, int k, const unsigned char *settled,
                     uint16_t *order) {
  constexpr int kSizes = 64;
  const Index n = smaller(kSortedRows, A.rows - first);
  unsigned char bins[kSortedRows];
  int begin[kSizes + 1] = {};
  for (Index i = 0; i < n; ++i) {
    bins[i] = kSizes;
    if (settled && settled[first + i])
      continue;
    const T *const a = A.data + (first + i) * A.stride;
    int size = 0;
    for (int t = 0; t < k; ++t)
      size += a[t] > 0;
    bins[i] = static_cast<unsigned char>((k - size) * (kSizes - 1) / k);
    ++begin[bins[i] + 1];
  }
  for (int b = 0; b < kSizes; ++b)
    begin[b + 1] += begin[b];
  const int total = begin[kSizes];
  for (Index i = 0; i < n; ++i)
    if (bins[i] < kSizes)
      order[begin[bins[i]]++] = static_cast<uint16_t>(i);
  return total;
}

// Each row of A becomes the minimiser of 1/2 a G a' - (p - l1) a over 0 <= a <= upper;
// on entry its positive entries are the passive set to start from. Rows of which `settled`,
// if any, is not 0 are left as they are. Of `sums`, all but `cross` is added to.
template <class T>
static void exact_rows(const Exact &e, MatrixView<T> A, MatrixView<const T> P,
                       const unsigned char *settled, ExactSums &sums, void *scratch) {
  constexpr int L = kExactLanes;
  ExactTile tile = cut_exact(scratch, e.k, nullptr);
  prepare_exact(e, tile);
  uint16_t order[kSortedRows];
  Index first = 0, end = 0;
  int next = 0, sorted = 0, active = 0;
  auto refill = [&](int l) {
    tile.lanes[l].row = -1;
    while (next == sorted && end < A.rows) {
      first = end;
      end = smaller(first + kSortedRows, A.rows);
      sorted = sort_rows(A, first, e.k, settled, order);
      next = 0;
    }
    if (next == sorted || (next % kExactRows == 0 && e.stop && e.stop()))
      return false;
    const Index row = first + order[next];
    load_row(e, tile, l, row, A.data + row * A.stride, P.data + row * P.stride);
    ++next;
    return true;
  };
  for (int l = 0; l < L; ++l)
    active += refill(l);
  alignas(64) int64_t count[L], last[L], only[L], done[L];
  while (active) {
    if (solve_lanes(tile, e.upper != nullptr, e.fixed ? __builtin_inf() : kExactFalls<T>))
      sums.factorizations += active;
    judge(tile, e.fixed ? __builtin_inf() : kExactTolerance<T>, count, last);
    for (int l = 0; l < L; ++l)
      only[l] = choose(tile.lanes[l], count[l], last[l]);
    exchange(tile, only);
    bool any = false;
    for (int l = 0; l < L; ++l) {
      ExactLane &lane = tile.lanes[l];
      done[l] = lane.row >= 0 && count[l] == 0 ? -1 : 0;
      if (lane.row >= 0 && count[l] > 0 && ++lane.loops >= kExactLoops + e.k / 16) {
        ++sums.fallbacks;
        solve_by_active_set(tile, l, kExactTolerance<T>);
        done[l] = -1;
      }
      any |= done[l] != 0;
    }
    if (any)
      settle(e, tile);
    if (any && sums.gradient)
      square_gradients(tile, done);
    for (int l = 0; l < L; ++l) {
      const Index row = tile.lanes[l].row;
      if (done[l]) {
        store_row(tile, l, A.data + row * A.stride);
        active -= !refill(l);
      } else if (row >= 0) {
        list_passive(tile, l);
      }
    }
  }
  if (sums.gradient)
    for (int t = 0; t < e.k; ++t)
      for (int l = 0; l < L; ++l)
        sums.gradient[t] += tile.squares[t * L + l];
}

template <class T>
static void exact_all(const Exact &e, MatrixView<T> A, MatrixView<const T> P,
                      ExactSums &sums, void *scratch) {
  exact_rows(e, A, P, nullptr, sums, scratch);
  for (Index i = 0; i < A.rows; ++i)
    sums.cross += inner_product(A.data + i * A.stride, P.data + i * P.stride, e.k);
}

} // namespace nonneg::NONNEG_ISA
