#include "drivers/observed.hpp"

#include <algorithm>
#include <vector>

#include "drivers/buffers.hpp"
#include "drivers/grams.hpp"
#include "drivers/packing.hpp"
#include "drivers/products.hpp"
#include "drivers/slots.hpp"
#include "drivers/storage.hpp"

namespace nonneg {
namespace {

constexpr Index kRows = 64; // rows of a block: they may have very many entries

// Runs fn(task, first, last, scratch) over blocks of rows.
template <class T, class F>
bool for_rows(const Kernels<T> &K, Index n_rows, int k, double work, F fn, Run run,
              Index n_tasks) {
  const int n_threads = threads_for(work, run.n_threads);
  const Scratch scratch(K.observed.scratch_bytes(k), n_threads);
  auto task = [&](int64_t i, int worker) {
    fn(i, n_rows * i / n_tasks, n_rows * (i + 1) / n_tasks, scratch(worker));
  };
  return parallel_for(n_tasks, n_threads, task, run.poll);
}

Index tasks_for(Index n_rows) {
  return std::clamp<Index>(ceil_div(n_rows, kRows), 1, kMostTasks);
}

// A factor in rows of whole vectors.
template <class T> struct PackedFactor {
  PackedFactor(const Kernels<T> &K, MatrixView<const T> B, Run run)
      : width(K.products.padded(static_cast<int>(B.cols))),
        rows(static_cast<size_t>(B.rows * width)),
        done(pack_factor(K, B, rows.get(), width, run)) {}
  int width;
  Buffer<T> rows;
  bool done;
};

} // namespace

template <class T, class I>
bool named_product(const Kernels<T> &K, const CsrView<T, I> &named, MatrixView<const T> A,
                   MatrixView<const T> B, MatrixView<const T> C, MatrixView<T> out, Run run) {
  const PackedFactor<T> b(K, B, run);
  const bool same = B.data == C.data && B.cols == C.cols;
  const PackedFactor<T> other(K, same ? MatrixView<const T>{C.data, 0, C.cols, C.stride} : C, run);
  if (!b.done || !other.done)
    return false;
  const T *const c = same ? b.rows.get() : other.rows.get();
  const int k = static_cast<int>(std::max(A.cols, C.cols));
  return for_rows(
      K, A.rows, k, 2 * entries(named) * k,
      [&](Index, Index first, Index last, void *scratch) {
        csr_of(K.observed, named).product(named, first, last, A, b.rows.get(), b.width, c,
                                          other.width, out, scratch);
      },
      run, tasks_for(A.rows));
}

template <class T, class I>
bool named_square(const Kernels<T> &K, const CsrView<T, I> &named, const T *x,
                  MatrixView<const T> A, MatrixView<const T> B, double &sum, Run run) {
  const PackedFactor<T> b(K, B, run);
  const int k = static_cast<int>(A.cols);
  const Index n_tasks = tasks_for(A.rows);
  std::vector<double> parts(static_cast<size_t>(n_tasks));
  const bool done = b.done && for_rows(
      K, A.rows, k, entries(named) * k,
      [&](Index i, Index first, Index last, void *scratch) {
        csr_of(K.observed, named).square(named, x, first, last, A, b.rows.get(), b.width,
                                         parts[static_cast<size_t>(i)], scratch);
      },
      run, n_tasks);
  for (double part : parts)
    sum += part;
  return done;
}

template <class T, class I>
bool solve_apart(const Kernels<T> &K, const CsrView<T, I> &named, const Apart &apart,
                 const RowArrays<T> &rows, MatrixView<const T> Ht, MatrixView<const T> P,
                 ApartSums &sums, Run run) {
  const PackedFactor<T> b(K, Ht, run);
  const Index n_rows = rows.solved.rows, k = apart.k, n_tasks = tasks_for(n_rows);
  std::vector<double> measures(static_cast<size_t>(n_tasks * 2 * k));
  std::vector<ApartSums> parts(static_cast<size_t>(n_tasks));
  for (Index i = 0; i < n_tasks; ++i)
    parts[static_cast<size_t>(i)].measures = measures.data() + i * 2 * k;
  const double work = (entries(named) / 2 + 4.0 * double(n_rows)) * double(k * k);
  const bool done = b.done && for_rows(
      K, n_rows, static_cast<int>(k), work,
      [&](Index i, Index first, Index last, void *scratch) {
        csr_of(K.observed, named).solve(named, first, last, b.rows.get(), b.width, apart, rows,
                                        P, parts[static_cast<size_t>(i)], scratch);
      },
      run, n_tasks);
  std::fill(sums.measures, sums.measures + 2 * k, 0.0);
  for (const ApartSums &part : parts) {
    sums.sums.violation += part.sums.violation;
    sums.sums.cross += part.sums.cross;
    sums.sums.decrease += part.sums.decrease;
    sums.sums.sweeps += part.sums.sweeps;
    sums.square += part.square;
    for (Index t = 0; t < 2 * k; ++t)
      sums.measures[t] += part.measures[t];
  }
  return done;
}

namespace {

// Z = some rows of X, from `row` on, and 0 where `named` has an entry in its rows from `first` on.
template <class T, class I>
void copy_cleaned(MatrixView<const T> X, const CsrView<T, I> &named, Index first, Index row,
                  MatrixView<T> Z) {
  for (Index i = 0; i < Z.rows; ++i) {
    T *const to = Z.data + i * Z.stride;
    std::copy_n(X.data + (row + i) * X.stride, X.cols, to);
    for (Index e = named.indptr[first + i]; e < Index(named.indptr[first + i + 1]); ++e)
      to[named.indices[e]] = T(0);
  }
}

} // namespace

// ---- imputation ------------------------------------------------------------------------

namespace {

// Bytes of the copy of a block of X, and what its rows are a multiple of.
constexpr Index kImputedBytes = 1 << 18, kImputedUnit = 8;

inline Index whole_lines(size_t bytes) { return Index((bytes + 63) / 64 * 64); }

// What the blocks of a task add to for one model.
struct ImputedSums {
  std::vector<double> numbers; // Gram matrix and measures
  SolveSums sums;
  double square = 0;
};

void add(const SolveSums &part, SolveSums &sums) {
  sums.violation += part.violation;
  sums.cross += part.cross;
  sums.decrease += part.decrease;
  sums.sweeps += part.sweeps;
}

// The half-step on blocks of rows, whose copies stay in the cache.
template <class T, class I> class ImputedBlocks {
public:
  ImputedBlocks(const Kernels<T> &K, MatrixView<const T> X, const Gaps<T, I> &gaps,
                FusedModel<T> *models, int n_models, Index block)
      : K_(K), X_(X), gaps_(gaps), models_(models), n_models_(n_models), block_(block) {
    for (int m = 0; m < n_models; ++m) {
      const int k = static_cast<int>(models[m].Ht.cols), width = K.products.padded(k);
      offsets_.push_back(X.cols * (m ? width_ : 0));
      width_ += width;
      copy_ = std::max(copy_, whole_lines(sizeof(T) * size_t(block * X.cols)));
      scaled_ = std::max(scaled_, whole_lines(sizeof(T) * size_t(block * k)));
      work_ = std::max({work_, K.solve.scratch_bytes(block, width, k),
                        K.products.scratch_bytes(block, width, k), K.observed.scratch_bytes(k)});
    }
  }

  Index width() const { return width_; } // of the packed rows of all models
  size_t scratch_bytes() const { return size_t(copy_ + scaled_) + work_; }

  bool pack(T *packed, Run run) {
    packed_ = packed;
    for (int m = 0; m < n_models_; ++m)
      if (!pack_factor(K_, models_[m].Ht, packed + offsets_[size_t(m)], width_of(m), run))
        return false;
    return true;
  }

  // Does the block `number`; rhs: the packed sums of all models, or null.
  void run(Index number, ImputedSums *sums, T *rhs, char *scratch) const {
    const Index first = number * block_, last = std::min(first + block_, X_.rows);
    const MatrixView<T> Z{reinterpret_cast<T *>(scratch), last - first, X_.cols, X_.cols};
    for (int m = 0; m < n_models_; ++m)
      run_model(m, first, Z, sums[m], rhs ? rhs + offsets_[size_t(m)] : nullptr, scratch);
  }

  void add_up(int m, const T *rhs, Index slot_size, int n_slots, Run run) const {
    FusedModel<T> &model = models_[m];
    add_slots(K_, rhs + offsets_[size_t(m)], slot_size, n_slots, width_of(m), model.rhs, run);
  }

private:
  int width_of(int m) const { return K_.products.padded(static_cast<int>(models_[m].Ht.cols)); }

  void run_model(int m, Index first, MatrixView<T> Z, ImputedSums &sums, T *rhs,
                 char *scratch) const {
    Model<T> model = models_[m].model;
    const Index last = first + Z.rows, k = model.rows.solved.cols;
    const int width = width_of(m);
    const T *const B = packed_ + offsets_[size_t(m)];
    char *const work = scratch + copy_ + scaled_;
    model.rows = rows_of(model.rows, first, last);
    model.scale = model.scale ? model.scale + first : nullptr;
    if (model.extra.data)
      model.extra = rows_of(model.extra, first, last);
    model.offset = 0;
    const MatrixView<const T> none{};
    csr_of(K_.observed, gaps_.named)
        .impute(gaps_.named, first, model.rows.start, B, width, gaps_.scales,
                m == 0 ? rows_of(X_, first, last) : none, false, Z, work);
    ModelSums parts{rhs ? sums.numbers.data() + 2 * k : nullptr, sums.numbers.data(), {}};
    K_.solve.dense.update({Z.data, Z.rows, Z.cols, Z.stride}, 0, B, width, &model, &parts, 1,
                          nullptr, blas, work);
    add(parts.sums, sums.sums);
    if (!rhs)
      return;
    MatrixView<const T> A = model.rows.result();
    const Index end = m + 1 == n_models_ ? std::min(last + Z.rows, X_.rows) : last;
    const MatrixView<const T> next = rows_of(X_, last, end);
    if (gaps_.in_sums)
      sums.square += csr_of(K_.observed, gaps_.named)
                         .impute(gaps_.named, first, A, B, width, gaps_.scales, next, true, Z, work);
    else
      clear(first, Z);
    if (model.scale)
      A = scaled(A, model.scale, reinterpret_cast<T *>(scratch + copy_));
    K_.products.dense.transposed({Z.data, Z.rows, Z.cols, Z.stride}, A, rhs, blas, work);
  }

  void clear(Index first, MatrixView<T> Z) const {
    const CsrView<T, I> &named = gaps_.named;
    for (Index i = 0; i < Z.rows; ++i)
      for (Index e = named.indptr[first + i]; e < Index(named.indptr[first + i + 1]); ++e)
        Z.data[i * Z.stride + named.indices[e]] = T(0);
  }

  static MatrixView<const T> scaled(MatrixView<const T> A, const T *scale, T *out) {
    for (Index i = 0; i < A.rows; ++i)
      for (Index t = 0; t < A.cols; ++t)
        out[i * A.cols + t] = scale[i] * A.data[i * A.stride + t];
    return {out, A.rows, A.cols, A.cols};
  }

  const Kernels<T> &K_;
  MatrixView<const T> X_;
  const Gaps<T, I> &gaps_;
  FusedModel<T> *models_;
  int n_models_;
  Index block_, width_ = 0, copy_ = 0, scaled_ = 0;
  size_t work_ = 0;
  std::vector<Index> offsets_; // of the models' packed factors and sums
  const T *packed_ = nullptr;
};

// Blocks and slots; without sums, tasks are slots that are not added up.
template <class T>
Cut cut_imputed(MatrixView<const T> X, Index width, bool with_sums) {
  Cut cut = cut_pass(X, X.cols * width);
  const Index row = std::max<Index>(1, X.cols * Index(sizeof(T)));
  cut.block = std::clamp(kImputedBytes / row / kImputedUnit * kImputedUnit, kImputedUnit,
                         kMostDenseRows);
  cut.n_blocks = std::max<Index>(1, ceil_div(X.rows, cut.block));
  const Index n_slots = with_sums ? std::max<Index>(cut.n_slots, 2) : kMostTasks;
  cut.n_slots = static_cast<int>(std::min(n_slots, cut.n_blocks));
  return cut;
}

} // namespace

template <class T, class I>
bool update_imputed(const Kernels<T> &K, MatrixView<const T> X, const Gaps<T, I> &gaps,
                    FusedModel<T> *out, double *squares, int n_models, Run run) {
  const bool with_sums = out->rhs.data;
  Index width = 0;
  for (int m = 0; m < n_models; ++m)
    width += K.products.padded(static_cast<int>(out[m].Ht.cols));
  const Cut cut = cut_imputed(X, width, with_sums);
  ImputedBlocks<T, I> blocks(K, X, gaps, out, n_models, cut.block);
  const Buffer<T> packed(static_cast<size_t>(X.cols * width));
  if (!blocks.pack(packed.get(), run))
    return false;
  const int n_threads = threads_for(2 * entries(X) * double(width), run.n_threads);
  const Buffer<T> slots(static_cast<size_t>(with_sums ? cut.n_slots * cut.slot_size : 0));
  const Scratch scratch(blocks.scratch_bytes(), n_threads);
  std::vector<ImputedSums> parts(static_cast<size_t>(cut.n_slots * n_models));
  for (size_t i = 0; i < parts.size(); ++i) {
    const Index k = out[i % size_t(n_models)].Ht.cols;
    parts[i].numbers.assign(static_cast<size_t>((with_sums ? k * k : 0) + 2 * k), 0.0);
  }
  auto task = [&](Index slot, const Block<MatrixView<const T>> &rows, int worker) {
    blocks.run(rows.number, parts.data() + slot * n_models,
               with_sums ? cut.opened(slots.get(), slot, rows.number) : nullptr,
               static_cast<char *>(scratch(worker)));
  };
  if (!for_tasks(X, cut.block, cut.n_blocks, cut.n_slots, n_threads, run, task))
    return false;
  for (int m = 0; m < n_models; ++m) {
    const Index k = out[m].Ht.cols;
    std::fill(out[m].measures, out[m].measures + 2 * k, 0.0);
    if (with_sums)
      std::fill(out[m].gram, out[m].gram + k * k, 0.0);
    squares[m] = 0;
    for (int slot = 0; slot < cut.n_slots; ++slot) {
      const ImputedSums &part = parts[static_cast<size_t>(slot * n_models + m)];
      add(part.sums, out[m].sums);
      squares[m] += part.square;
      for (Index t = 0; t < 2 * k; ++t)
        out[m].measures[t] += part.numbers[static_cast<size_t>(t)];
      for (Index t = 0; with_sums && t < k * k; ++t)
        out[m].gram[t] += part.numbers[static_cast<size_t>(2 * k + t)];
    }
    if (!with_sums)
      continue;
    symmetrize(out[m].gram, k);
    blocks.add_up(m, slots.get(), cut.slot_size, cut.n_slots, run);
  }
  return true;
}

template <class T, class I>
bool clean_product(const Kernels<T> &K, MatrixView<const T> X, const CsrView<T, I> &named,
                   MatrixView<const T> B, MatrixView<T> out, Run run) {
  const int k = static_cast<int>(B.cols), width = K.products.padded(k);
  const Buffer<T> packed(static_cast<size_t>(B.rows * width));
  if (!pack_factor(K, B, packed.get(), width, run))
    return false;
  const Cut cut = cut_imputed(X, width, false);
  const int n_threads = threads_for(entries(X) * k, run.n_threads);
  const Index copy = whole_lines(sizeof(T) * size_t(cut.block * X.cols));
  const Scratch scratch(size_t(copy) + K.products.scratch_bytes(cut.block, width, k), n_threads);
  auto task = [&](Index, const Block<MatrixView<const T>> &rows, int worker) {
    char *const memory = static_cast<char *>(scratch(worker));
    const MatrixView<T> Z{reinterpret_cast<T *>(memory), rows.last - rows.first, X.cols, X.cols};
    copy_cleaned(X, named, rows.first, rows.first, Z);
    K.products.dense.product({Z.data, Z.rows, Z.cols, Z.stride}, packed.get(), k,
                             rows_of(out, rows.first, rows.last), blas, memory + copy);
  };
  return for_tasks(X, cut.block, cut.n_blocks, cut.n_slots, n_threads, run, task);
}

template <class T, class I>
bool clean_summary(const Kernels<T> &K, MatrixView<const T> X, const CsrView<T, I> &named,
                   Summary &out, Run run) {
  const Cut cut = cut_imputed(X, 1, false);
  const int n_threads = threads_for(entries(X), run.n_threads);
  const Scratch scratch(sizeof(T) * size_t(cut.block * X.cols), n_threads);
  std::vector<Summary> parts(static_cast<size_t>(cut.n_slots));
  auto task = [&](Index i, const Block<MatrixView<const T>> &rows, int worker) {
    const MatrixView<T> Z{static_cast<T *>(scratch(worker)), rows.last - rows.first, X.cols,
                          X.cols};
    copy_cleaned(X, named, rows.first, rows.first, Z);
    K.products.summary({Z.data, Z.rows, Z.cols, Z.stride}, parts[static_cast<size_t>(i)]);
  };
  if (!for_tasks(X, cut.block, cut.n_blocks, cut.n_slots, n_threads, run, task))
    return false;
  for (const Summary &part : parts)
    add(part, out);
  return true;
}

namespace {

// Runs fn(row) for all rows of X.
template <class T, class F> bool for_each_row(MatrixView<const T> X, double work, Run run, F fn) {
  const Index n_tasks = std::clamp<Index>(X.rows, 1, 64);
  auto task = [&](int64_t i, int) {
    for (Index row = X.rows * i / n_tasks; row < X.rows * (i + 1) / n_tasks; ++row)
      fn(row);
  };
  return parallel_for(n_tasks, threads_for(work * entries(X), run.n_threads), task, run.poll);
}

template <class T> bool is_gap(T x, bool zeros) { return zeros ? x == T(0) : x != x; }

} // namespace

template <class T> bool extremes(MatrixView<const T> X, double &least, double &most, Run run) {
  constexpr Index n_tasks = 64, n_lanes = 16;
  std::vector<double> lows(n_tasks, least), highs(n_tasks, most);
  auto task = [&](int64_t i, int) {
    T low[n_lanes], high[n_lanes]; // side by side, for vectors; NaN is neither less nor more
    std::fill(low, low + n_lanes, static_cast<T>(least));
    std::fill(high, high + n_lanes, static_cast<T>(most));
    for (Index row = X.rows * i / n_tasks; row < X.rows * (i + 1) / n_tasks; ++row) {
      const T *const x = X.data + row * X.stride;
      Index j = 0;
      for (; j + n_lanes <= X.cols; j += n_lanes)
        for (Index l = 0; l < n_lanes; ++l) {
          low[l] = x[j + l] < low[l] ? x[j + l] : low[l];
          high[l] = x[j + l] > high[l] ? x[j + l] : high[l];
        }
      for (; j < X.cols; ++j) {
        low[0] = x[j] < low[0] ? x[j] : low[0];
        high[0] = x[j] > high[0] ? x[j] : high[0];
      }
    }
    lows[size_t(i)] = double(*std::min_element(low, low + n_lanes));
    highs[size_t(i)] = double(*std::max_element(high, high + n_lanes));
  };
  const bool done = parallel_for(n_tasks, threads_for(entries(X), run.n_threads), task, run.poll);
  least = *std::min_element(lows.begin(), lows.end());
  most = *std::max_element(highs.begin(), highs.end());
  return done;
}

template <class T>
bool count_gaps(MatrixView<const T> X, bool zeros, int64_t *counts, Run run) {
  return for_each_row(X, 1, run, [&](Index row) {
    const T *const x = X.data + row * X.stride;
    int64_t n = 0;
    for (Index j = 0; j < X.cols; ++j)
      n += is_gap(x[j], zeros);
    counts[row] = n;
  });
}

template <class T, class I>
bool list_gaps(MatrixView<const T> X, bool zeros, const I *indptr, I *columns, Run run) {
  return for_each_row(X, 2, run, [&](Index row) {
    const T *const x = X.data + row * X.stride;
    // after the last gap of the row there is no room for another column
    for (Index j = 0, e = indptr[row]; j < X.cols && e < Index(indptr[row + 1]); ++j) {
      columns[e] = static_cast<I>(j);
      e += is_gap(x[j], zeros);
    }
  });
}

template <class T, class I>
bool clean_rows(MatrixView<const T> X, const CsrView<T, I> &named, Index first,
                MatrixView<T> out, Run run) {
  return for_each_row(X, 4, run, [&](Index row) {
    copy_cleaned(X, named, first + row, row, {out.data + row * out.stride, 1, X.cols, out.stride});
  });
}

#define NONNEG_CSR(T, I)                                                                   \
  template bool named_product<T, I>(const Kernels<T> &, const CsrView<T, I> &,             \
                                    MatrixView<const T>, MatrixView<const T>,              \
                                    MatrixView<const T>, MatrixView<T>, Run);              \
  template bool named_square<T, I>(const Kernels<T> &, const CsrView<T, I> &, const T *,   \
                                   MatrixView<const T>, MatrixView<const T>, double &,     \
                                   Run);                                                   \
  template bool solve_apart<T, I>(const Kernels<T> &, const CsrView<T, I> &, const Apart &,\
                                  const RowArrays<T> &, MatrixView<const T>,               \
                                  MatrixView<const T>, ApartSums &, Run);                  \
  template bool update_imputed<T, I>(const Kernels<T> &, MatrixView<const T>,              \
                                     const Gaps<T, I> &, FusedModel<T> *, double *, int,   \
                                     Run);                                                 \
  template bool clean_product<T, I>(const Kernels<T> &, MatrixView<const T>,               \
                                    const CsrView<T, I> &, MatrixView<const T>,            \
                                    MatrixView<T>, Run);                                   \
  template bool clean_summary<T, I>(const Kernels<T> &, MatrixView<const T>,               \
                                    const CsrView<T, I> &, Summary &, Run);                \
  template bool list_gaps<T, I>(MatrixView<const T>, bool, const I *, I *, Run);           \
  template bool clean_rows<T, I>(MatrixView<const T>, const CsrView<T, I> &, Index,        \
                                 MatrixView<T>, Run);

template bool extremes<float>(MatrixView<const float>, double &, double &, Run);
template bool extremes<double>(MatrixView<const double>, double &, double &, Run);
template bool count_gaps<float>(MatrixView<const float>, bool, int64_t *, Run);
template bool count_gaps<double>(MatrixView<const double>, bool, int64_t *, Run);
NONNEG_CSR(float, int32_t)
NONNEG_CSR(float, int64_t)
NONNEG_CSR(double, int32_t)
NONNEG_CSR(double, int64_t)

} // namespace nonneg
