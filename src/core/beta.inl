// Multiplicative half-step for β-divergences on one block of rows: the ratios of X and
// W H, the step, and the sums for the other factor, while the block is in cache.
//
// For β = 1 on CSR only the stored entries are looked at: the rows of the other factor
// that a row of X needs are fetched once, for both of the row's products. Otherwise W H
// exists as a tile of a few rows.

// x y^(β-2), y^(β-1) and the divergence of vectors of x and y. A floor is a least y.
template <class T> struct BetaTerms {
  using V = Vec<T>;
  T beta;
  V floor;

  NONNEG_INLINE V raised(V y, V floor) { return y > floor ? y : floor; }

  V negative(V x, V y) const {
    if (beta == T(2))
      return x;
    if (beta < T(2))
      y = raised(y, floor);
    if (beta == T(1))
      return x / y;
    // y^(β-2) alone may be beyond all numbers where x is as small as y
    if (beta == T(0))
      return (x / y) / y;
    if (beta < T(2))
      return (x / y) * power_of<T>(y, beta - T(1));
    return x * power_of<T>(y, beta - T(2));
  }

  V positive(V y) const {
    if (beta == T(2))
      return y;
    if (beta < T(1))
      y = raised(y, floor);
    if (beta == T(0))
      return fill<V>(T(1)) / y;
    return power_of<T>(y, beta - T(1));
  }

  // β = 1: x / y^2, the second derivative.
  V bend(V x, V y) const {
    y = raised(y, floor);
    return (x / y) / y;
  }

  // The divergence but for y at β = 1 and for what depends on y alone elsewhere, where x
  // is positive; else 0. β = 1: x log(x/y) - x; β = 0: x/y - log(x/y).
  V present(V x, V y) const {
    const V zero = fill<V>(T(0)), one = fill<V>(T(1));
    const V safe_x = x > zero ? x : one;
    y = raised(y, floor);
    V value;
    if (beta == T(1))
      value = safe_x * log_of<T>(safe_x / y) - safe_x;
    else if (beta == T(0)) {
      const V ratio = safe_x / y;
      value = ratio - log_of<T>(ratio);
    } else {
      const V mixed = fill<V>(beta) * (safe_x * power_of<T>(y, beta - T(1)));
      value = (power_of<T>(safe_x, beta) - mixed) * fill<V>(T(1) / (beta * (beta - T(1))));
    }
    return x > zero ? value : zero;
  }

  // What of the divergence depends on y alone, for every entry.
  V anywhere(V y) const {
    if (beta == T(1))
      return y;
    if (beta == T(0))
      return fill<V>(T(-1));
    if (beta < T(0))
      y = raised(y, floor);
    return power_of<T>(y, beta) * fill<V>(T(1) / beta);
  }
};

template <class T> NONNEG_INLINE T packed_sum(const T *row, int kp) {
  Vec<T> sum = load<Vec<T>>(row);
  for (int t = kLanes<T>; t < kp; t += kLanes<T>)
    sum += load<Vec<T>>(row + t);
  return static_cast<T>(sum_lanes<T>(sum));
}

template <class T> NONNEG_INLINE double wide_sum(Vec<T> v) {
  return sum_lanes<double>(
      __builtin_convertvector(v, typename VectorOf<double, kLanes<T>>::type));
}

// n < L numbers in a vector, zeros behind them.
template <class T> NONNEG_INLINE Vec<T> load_some(const T *p, Index n) {
  alignas(64) T lanes[kLanes<T>] = {};
  for (Index i = 0; i < n; ++i)
    lanes[i] = p[i];
  return load<Vec<T>>(lanes);
}

// r with d r^low + c r^high = n by Newton's method from above.
static double ratio_with_l2(double n, double d, double c, double low, double high) {
  if (!(n > 0))
    return 0;
  if (low == 1 && high == 2)
    return 2 * n / (d + __builtin_sqrt(d * d + 4 * c * n));
  const double a = d > 0 ? __builtin_pow(n / d, 1 / low) : __builtin_inf();
  const double b = c > 0 ? __builtin_pow(n / c, 1 / high) : __builtin_inf();
  double r = smaller(a, b);
  for (int step = 0; step < 60 && r < __builtin_inf(); ++step) {
    const double excess = d * __builtin_pow(r, low) + c * __builtin_pow(r, high) - n;
    const double slope = low * d * __builtin_pow(r, low - 1) +
                         high * c * __builtin_pow(r, high - 1);
    if (!(excess > 0) || !(slope > 0) || excess / slope <= 1e-15 * r)
      break;
    r -= excess / slope;
  }
  return r;
}

// The row after its step where that is a plain ratio. All rows are packed.
template <class T>
NONNEG_INLINE void multiply_plainly(const Beta<T> &how, int kp, T *row, const T *numerator,
                                    const T *denominator) {
  using V = Vec<T>;
  const V zero = fill<V>(T(0)), one = fill<V>(T(1));
  const V most = fill<V>(T(1) / FloatLayout<T>::least), least = fill<V>(how.least);
  for (int t = 0; t < kp; t += kLanes<T>) {
    const V a = load<V>(row + t);
    const V below = load<V>(denominator + t) + (load<V>(how.l1 + t) + load<V>(how.l2 + t) * a);
    V moved = a * (load<V>(numerator + t) / (below > zero ? below : one));
    moved = moved < most ? moved : most;
    moved = (below > zero) & (a > zero) ? moved : zero; // an infinite numerator moves no zero
    store(row + t, moved < least ? zero : moved);
  }
}

// The row after its step. `row` is overwritten; all are packed.
template <class T>
static void multiply_row(const Beta<T> &how, int kp, T *row, const T *numerator,
                         const T *denominator) {
  const T beta = static_cast<T>(how.beta);
  const T rise = beta > 1 ? beta - 1 : 0, fall = beta < 2 ? 2 - beta : 0;
  if (rise + fall == 1 && (rise == 1 || !how.has_l2)) {
    multiply_plainly(how, kp, row, numerator, denominator);
    return;
  }
  const T most = T(1) / FloatLayout<T>::least;
  for (int t = 0; t < how.k; ++t) {
    const T l2 = how.l2[t] * row[t];
    T below = denominator[t] + how.l1[t], ratio;
    if (rise < 1 && how.l2[t] > 0)
      ratio = static_cast<T>(ratio_with_l2(numerator[t], below, l2, double(rise + fall),
                                           1 + double(fall)));
    else {
      below += l2;
      ratio = below > 0 ? numerator[t] / below : T(0);
      if (rise + fall != 1)
        ratio = static_cast<T>(__builtin_pow(double(ratio), 1 / double(rise + fall)));
    }
    T moved = row[t] > 0 ? row[t] * ratio : T(0); // an infinite ratio moves no zero
    moved = moved < most ? moved : most;
    row[t] = moved < how.least ? T(0) : moved;
  }
}

// The step for rows whose sums are at hand; `solved` may be `start`. Denominators are one
// packed row for all, how.column_sums, where there are none.
template <class T>
static void multiply_rows(const Beta<T> &how, MatrixView<const T> start,
                          MatrixView<const T> numerator, MatrixView<const T> denominator,
                          MatrixView<T> solved, void *scratch) {
  const int k = how.k, kp = padded<T>(k);
  T *const row = static_cast<T *>(scratch), *const above = row + kp, *const below = above + kp;
  for (Index i = 0; i < start.rows; ++i) {
    pack_row(start.data + i * start.stride, k, kp, row);
    pack_row(numerator.data + i * numerator.stride, k, kp, above);
    if (denominator.data)
      pack_row(denominator.data + i * denominator.stride, k, kp, below);
    multiply_row(how, kp, row, above, denominator.data ? below : how.column_sums);
    T *const out = solved.data + i * solved.stride;
    for (int t = 0; t < k; ++t)
      out[t] = row[t];
  }
}

// sums += the sum of the rows.
template <class T> static void column_sums(MatrixView<const T> A, double *__restrict sums) {
  const int k = static_cast<int>(A.cols);
  for (Index i = 0; i < A.rows; ++i)
    for (int t = 0; t < k; ++t)
      sums[t] += static_cast<double>(A.data[i * A.stride + t]);
}

// What the row's sums become: its next place, or the sums themselves.
template <class T>
NONNEG_INLINE void conclude_row(const BetaBlock<T> &b, Index i, T *row, const T *numerator,
                                const T *denominator) {
  if (!b.solved.data)
    return;
  T *out = b.solved.data + i * b.solved.stride;
  if (b.how->move)
    multiply_row(*b.how, b.width, row, numerator, denominator);
  const T *from = b.how->move ? row : numerator;
  for (int t = 0; t < b.how->k; ++t)
    out[t] = from[t];
  for (int t = 0; b.below.data && t < b.how->k; ++t)
    b.below.data[i * b.below.stride + t] = denominator[t];
}

// ---- β = 1 on CSR ----------------------------------------------------------------------

// The entries [at, at + n) of a row of X, n <= L: their features' packed rows and values.
template <class T> struct EntryGroup {
  const T *rows[kLanes<T>];
  T *sums[kLanes<T>];
  Vec<T> x;
};

template <class T, class I>
NONNEG_INLINE void load_group(const CsrView<T, I> &X, Index at, Index n, const T *B, int kp, T *sums, EntryGroup<T> &group) {
  constexpr int L = kLanes<T>;
  if (n == L)
    group.x = load<Vec<T>>(X.values + at);
  else
    group.x = load_some(X.values + at, n);
  for (int p = 0; p < L; ++p) {
    const Index j = static_cast<Index>(X.indices[at + (p < n ? p : n - 1)]) * kp;
    group.rows[p] = B + j;
    group.sums[p] = sums + j;
  }
}

// The products of a packed row with the group's rows.
template <class T>
NONNEG_INLINE Vec<T> group_dots(const EntryGroup<T> &group, const T *row, int kp) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  V dots[L];
  unroll<L>([&](auto p) NONNEG_LAMBDA { dots[p] = fill<V>(T(0)); });
  for (int c = 0; c < kp; c += L) {
    const V w = load<V>(row + c);
    unroll<L>([&](auto p) NONNEG_LAMBDA { dots[p] += w * load<V>(group.rows[p] + c); });
  }
  return sums_of<L>(dots);
}

// to (packed) += the group's rows weighted by r.
template <class T>
NONNEG_INLINE void add_group(const EntryGroup<T> &group, Vec<T> r, int kp, T *to) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  alignas(64) T weights[L];
  store(weights, r);
  for_balanced<4>(kp / L, [&](auto count, int at) NONNEG_LAMBDA {
    constexpr int N = decltype(count)::value;
    V sum[N];
    unroll<N>([&](auto v) NONNEG_LAMBDA { sum[v] = load<V>(to + (at + v) * L); });
    unroll<L>([&](auto p) NONNEG_LAMBDA {
      const V weight = fill<V>(weights[p]);
      unroll<N>([&](auto v) NONNEG_LAMBDA {
        sum[v] += weight * load<V>(group.rows[p] + (at + v) * L);
      });
    });
    unroll<N>([&](auto v) NONNEG_LAMBDA { store(to + (at + v) * L, sum[v]); });
  });
}

// The n sums of the group, `shift` numbers on, += the packed row weighted by r.
template <class T>
NONNEG_INLINE void scatter_group(const EntryGroup<T> &group, Index n, Vec<T> r,
                                 const T *row, int kp, Index shift = 0) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  alignas(64) T weights[L];
  store(weights, r);
  for_balanced<4>(kp / L, [&](auto count, int at) NONNEG_LAMBDA {
    constexpr int N = decltype(count)::value;
    V w[N];
    unroll<N>([&](auto v) NONNEG_LAMBDA { w[v] = load<V>(row + (at + v) * L); });
    for (Index p = 0; p < n; ++p) {
      const V weight = fill<V>(weights[p]);
      T *sum = group.sums[p] + shift + at * L;
      unroll<N>([&](auto v) NONNEG_LAMBDA {
        store(sum + v * L, load<V>(sum + v * L) + weight * w[v]);
      });
    }
  });
}

// What the entries [from, to) of a row of X add to the sums, and to the value.
template <class T, class I>
NONNEG_INLINE void scatter_entries(const CsrView<T, I> &X, Index from, Index to,
                                   const BetaBlock<T> &b, const BetaTerms<T> &terms,
                                   const T *row) {
  constexpr int L = kLanes<T>;
  EntryGroup<T> group;
  Vec<T> value = fill<Vec<T>>(T(0));
  const Vec<T> total = fill<Vec<T>>(b.denominator ? packed_sum(row, b.width) : T(0));
  const Index shift = b.denominator ? b.denominator - b.numerator : 0; // of one array
  for (Index at = from; at < to; at += L) {
    const Index n = smaller<Index>(L, to - at);
    load_group(X, at, n, b.after.B, b.width, b.numerator, group);
    const Vec<T> y = group_dots(group, row, b.width);
    if (b.value)
      value += terms.present(group.x, y);
    if (b.numerator)
      scatter_group(group, n, terms.negative(group.x, y), row, b.width);
    if (b.denominator)
      scatter_group(group, n, terms.bend(group.x, y) * total, row, b.width, shift);
  }
  if (b.value)
    *b.value += wide_sum<T>(value);
}

template <class T, class I>
static void csr_kullback(const CsrView<T, I> &X, Index first, Index last,
                         const BetaBlock<T> &b, T *scratch) {
  constexpr int L = kLanes<T>;
  const BetaTerms<T> terms{T(1), fill<Vec<T>>(b.how->floor)};
  T *const row = scratch, *const numerator = scratch + b.width;
  EntryGroup<T> group;
  for (Index i = first; i < last; ++i) {
    const Index from = X.indptr[i], to = X.indptr[i + 1];
    pack_row(b.start.data + i * b.start.stride, b.how->k, b.width, row);
    if (b.solved.data) {
      for (int t = 0; t < b.width; ++t)
        numerator[t] = 0;
      for (Index at = from; at < to; at += L) {
        load_group(X, at, smaller<Index>(L, to - at), b.other.B,
                   b.width, static_cast<T *>(nullptr), group);
        const Vec<T> y = group_dots(group, row, b.width);
        add_group(group, terms.negative(group.x, y), b.width, numerator);
      }
      conclude_row(b, i, row, numerator, b.how->column_sums);
    }
    if (b.numerator || b.value)
      scatter_entries(X, from, to, b, terms, row);
  }
}

// Sums for the features [column, column_end) alone, of all rows; b.start is the factor.
template <class T, class I>
static void csr_kullback_panel(const CsrView<T, I> &X, Index column, Index column_end,
                               const BetaBlock<T> &b, void *scratch) {
  const BetaTerms<T> terms{T(1), fill<Vec<T>>(b.how->floor)};
  T *const row = static_cast<T *>(scratch);
  for (Index i = 0; i < X.rows; ++i) {
    const Index last = X.indptr[i + 1];
    const Index from = lower_bound(X.indices, X.indptr[i], last, column);
    const Index to = lower_bound(X.indices, from, last, column_end);
    if (from == to)
      continue;
    pack_row(b.start.data + i * b.start.stride, b.how->k, b.width, row);
    scatter_entries(X, from, to, b, terms, row);
  }
}

// ---- tiles of W H ----------------------------------------------------------------------

constexpr Index kBetaTile = 1 << 17; // numbers of W H at a time

NONNEG_INLINE Index beta_tile_rows(Index n_columns) {
  const Index fit = kBetaTile / larger<Index>(1, n_columns);
  return fit < 8 ? 8 : fit > 128 ? 128 : fit / 4 * 4;
}

template <class T> struct BetaScratch {
  T *rows, *numerator, *denominator; // packed rows of a tile
  T *ratio, *power;                  // the tile twice, h_width numbers a row
};

template <class T>
NONNEG_INLINE BetaScratch<T> cut_beta(void *scratch, const BetaBlock<T> &b, Index n_columns) {
  const Index n = beta_tile_rows(n_columns);
  T *at = static_cast<T *>(scratch);
  return {at, at + n * b.width, at + 2 * n * b.width, at + 3 * n * b.width,
          at + 3 * n * b.width + n * b.h_width};
}

// y -> its two terms, in place and into `power`; dense rows of x. With rows (packed to kp),
// β = 1 and the second is the second derivative times the sum of the row.
template <class T>
static double dense_terms(MatrixView<const T> X, const BetaTerms<T> &terms, Index width,
                          bool wants_terms, bool wants_value, T *y, T *power,
                          const T *rows = nullptr, int kp = 0) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  const bool flat = terms.beta == T(1);
  double total = 0;
  for (Index i = 0; i < X.rows; ++i) {
    V value = fill<V>(T(0));
    const V weight = fill<V>(rows ? packed_sum(rows + i * kp, kp) : T(0));
    for (Index j = 0; j < X.cols; j += L) {
      const Index n = smaller<Index>(L, X.cols - j);
      const V at = load<V>(y + i * width + j);
      const V x = n == L ? load<V>(X.data + i * X.stride + j)
                         : load_some(X.data + i * X.stride + j, n);
      if (wants_value) {
        V sum = terms.present(x, at) + terms.anywhere(at);
        if (n < L)
          for (int lane = 0; lane < L; ++lane)
            sum[lane] = lane < n ? sum[lane] : T(0);
        value += sum;
      }
      if (wants_terms) {
        store(y + i * width + j, terms.negative(x, at));
        if (rows)
          store(power + i * width + j, terms.bend(x, at) * weight);
        else if (!flat)
          store(power + i * width + j, terms.positive(at));
      }
    }
    total += wide_sum<T>(value);
  }
  return total;
}

template <class T>
static void dense_beta(MatrixView<const T> X, Index first, const BetaBlock<T> &b,
                       const Blas &blas, void *scratch) {
  const Beta<T> &how = *b.how;
  const BetaTerms<T> terms{static_cast<T>(how.beta), fill<Vec<T>>(how.floor)};
  const bool flat = terms.beta == T(1);
  const BetaScratch<T> s = cut_beta(scratch, b, X.cols);
  const Index step = beta_tile_rows(X.cols);
  const int n_columns = static_cast<int>(X.cols), wide = static_cast<int>(b.h_width);
  const bool sums = b.numerator || b.value, bends = flat && b.denominator;
  for (Index at = 0; at < X.rows; at += step) {
    const Index n = smaller<Index>(step, X.rows - at);
    const MatrixView<const T> part{X.data + at * X.stride, n, X.cols, X.stride};
    const MatrixView<const T> rows{s.rows, n, how.k, b.width};
    const MatrixView<const T> ratio{s.ratio, n, X.cols, b.h_width};
    const MatrixView<const T> power{s.power, n, X.cols, b.h_width};
    for (Index i = 0; i < n; ++i)
      pack_row(b.start.data + (first + at + i) * b.start.stride, how.k, b.width,
               s.rows + i * b.width);
    if (b.solved.data) {
      dense_product_packed(rows, b.other.H, n_columns, wide, s.ratio, blas);
      dense_terms(part, terms, b.h_width, true, false, s.ratio, s.power);
      dense_product_packed(ratio, b.other.B, how.k, b.width, s.numerator, blas);
      if (!flat)
        dense_product_packed(power, b.other.B, how.k, b.width, s.denominator, blas);
      for (Index i = 0; i < n; ++i)
        conclude_row(b, first + at + i, s.rows + i * b.width, s.numerator + i * b.width,
                     flat ? how.column_sums : s.denominator + i * b.width);
    }
    if (!sums)
      continue;
    dense_product_packed(rows, b.after.H, n_columns, wide, s.ratio, blas);
    const double value = dense_terms(part, terms, b.h_width, b.numerator != nullptr,
                                     b.value != nullptr, s.ratio, s.power,
                                     bends ? s.rows : nullptr, b.width);
    if (b.value)
      *b.value += value;
    if (!b.numerator)
      continue;
    dense_transposed_packed(ratio, s.rows, how.k, b.width, b.numerator, blas);
    if (b.denominator)
      dense_transposed_packed(power, s.rows, how.k, b.width, b.denominator, blas);
  }
}

// The stored entries of row i: their negative terms to `values`, and the value; y is the
// whole row of W H.
template <class T, class I>
static double sparse_terms(const CsrView<T, I> &X, Index i, const BetaTerms<T> &terms,
                           bool wants_value, const T *y, T *values) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  V value = fill<V>(T(0));
  for (Index e = X.indptr[i]; e < X.indptr[i + 1]; e += L) {
    const Index n = smaller<Index>(L, X.indptr[i + 1] - e);
    alignas(64) T at[L];
    for (Index p = 0; p < L; ++p)
      at[p] = y[X.indices[e + (p < n ? p : 0)]];
    const V x = n == L ? load<V>(X.values + e) : load_some(X.values + e, n);
    const V negative = terms.negative(x, load<V>(at));
    for (Index p = 0; p < n; ++p)
      values[e - X.indptr[i] + p] = negative[static_cast<int>(p)];
    if (wants_value)
      value += terms.present(x, load<V>(at));
  }
  return wide_sum<T>(value);
}

// y^(β-1) in place, and the sum of what of the value depends on y alone.
template <class T>
static double all_terms(const BetaTerms<T> &terms, Index n_columns, bool wants_value, T *y) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  V value = fill<V>(T(0));
  for (Index j = 0; j < n_columns; j += L) {
    const V at = load<V>(y + j);
    if (wants_value) {
      V sum = terms.anywhere(at);
      for (Index lane = n_columns - j; lane < L; ++lane)
        sum[static_cast<int>(lane)] = T(0);
      value += sum;
    }
    store(y + j, terms.positive(at));
  }
  return wide_sum<T>(value);
}

template <class T, class I>
static void csr_beta_tile(const CsrView<T, I> &X, Index first, Index last,
                          const BetaBlock<T> &b, const Blas &blas, void *scratch) {
  const Beta<T> &how = *b.how;
  const BetaTerms<T> terms{static_cast<T>(how.beta), fill<Vec<T>>(how.floor)};
  const BetaScratch<T> s = cut_beta(scratch, b, X.cols);
  const Index n = last - first;
  const int n_columns = static_cast<int>(X.cols), wide = static_cast<int>(b.h_width);
  const MatrixView<const T> rows{s.rows, n, how.k, b.width};
  const MatrixView<const T> ratio{s.ratio, n, X.cols, b.h_width};
  // once for the step, once for the sums
  for (int round = b.solved.data ? 0 : 1; round < 2; ++round) {
    if (round == 1 && !b.numerator && !b.value)
      break;
    const T *const H = round == 0 ? b.other.H : b.after.H;
    dense_product_packed(rows, H, n_columns, wide, s.ratio, blas);
    for (Index i = 0; i < n; ++i) {
      const Index from = X.indptr[first + i], to = X.indptr[first + i + 1];
      T *const y = s.ratio + i * b.h_width;
      const bool wants_value = round == 1 && b.value;
      double value = sparse_terms(X, first + i, terms, wants_value, y, s.power);
      value += all_terms(terms, X.cols, wants_value, y);
      if (wants_value)
        *b.value += value;
      const CsrView<T, I> weighted{s.power - from, X.indices, X.indptr, X.rows, X.cols};
      if (round == 0) {
        T *const sum = s.numerator + i * b.width;
        for (int t = 0; t < b.width; ++t)
          sum[t] = 0;
        csr_gather(weighted, from, to, to, b.other.B, b.width, sum);
      } else if (b.numerator)
        csr_scatter(weighted, from, to, to, s.rows + i * b.width, b.width, b.numerator);
    }
    if (round == 0) {
      dense_product_packed(ratio, b.other.B, how.k, b.width, s.denominator, blas);
      for (Index i = 0; i < n; ++i)
        conclude_row(b, first + i, s.rows + i * b.width, s.numerator + i * b.width,
                     s.denominator + i * b.width);
    } else if (b.numerator)
      dense_transposed_packed(ratio, s.rows, how.k, b.width, b.denominator, blas);
  }
}

template <class T, class I>
static void csr_beta(const CsrView<T, I> &X, Index first, Index last, const BetaBlock<T> &b,
                     const Blas &blas, void *scratch) {
  if (b.how->beta == 1) {
    csr_kullback(X, first, last, b, static_cast<T *>(scratch));
    return;
  }
  const BetaScratch<T> s = cut_beta(scratch, b, X.cols);
  const Index step = beta_tile_rows(X.cols);
  for (Index at = first; at < last; at += step) {
    const Index end = smaller(at + step, last);
    for (Index i = at; i < end; ++i)
      pack_row(b.start.data + i * b.start.stride, b.how->k, b.width,
               s.rows + (i - at) * b.width);
    csr_beta_tile(X, at, end, b, blas, scratch);
  }
}

// Bytes that a block needs; `sparse` and β = 1 need no tile.
template <class T> static size_t beta_scratch(int width, Index n_columns, bool tiles) {
  const Index n = beta_tile_rows(n_columns), wide = padded<T>(static_cast<int>(n_columns));
  const Index numbers = tiles ? n * (3 * width + 2 * wide) : 3 * width;
  return sizeof(T) * static_cast<size_t>(numbers);
}
