#include "drivers/half_step.hpp"

#include <vector>

#include "drivers/buffers.hpp"
#include "drivers/grams.hpp"
#include "drivers/packing.hpp"
#include "drivers/products.hpp"
#include "drivers/slots.hpp"
#include "drivers/storage.hpp"

namespace nonneg {

namespace {

void add(const SolveSums &part, SolveSums &sums) {
  sums.violation += part.violation;
  sums.cross += part.cross;
  sums.decrease += part.decrease;
  sums.sweeps += part.sweeps;
}

// Sums of the tasks of a run for each model: measures, and Gram matrices if wanted. Tasks and
// classes of rows both rise along the rows, so that the number of a task and that of a class, added
// up, belong to no other pair of those that meet.
template <class T> class Parts {
public:
  Parts(Index n_tasks, const Model<T> *models, int n_models, bool grams, Index n_classes = 1)
      : n_models_(n_models), class_of_(size_t(n_tasks + n_classes - 1), -1),
        sums_(class_of_.size() * size_t(n_models)) {
    offsets_.push_back(0);
    for (int m = 0; m < n_models; ++m) {
      const Index k = models[m].solve.sweep.k;
      k_.push_back(k);
      offsets_.push_back(offsets_.back() + (grams ? k * k : 0) + 2 * k);
    }
    const size_t size = size_t(offsets_.back());
    numbers_.assign(class_of_.size() * size, 0.0);
    for (size_t i = 0; i < class_of_.size(); ++i)
      for (size_t m = 0; m < k_.size(); ++m) {
        double *const offset = numbers_.data() + i * size + offsets_[m];
        sums_[i * k_.size() + m] = {grams ? offset + 2 * k_[m] : nullptr, offset, {}};
      }
  }

  ModelSums *of(Index task, Index row_class = 0) {
    class_of_[size_t(task + row_class)] = row_class;
    return sums_.data() + (task + row_class) * n_models_;
  }

  // Adds the tasks' parts up, in their order; the Gram matrices for each class.
  void add_up(int m, double *gram, double *measures, SolveSums &sums, Index n_classes = 1) const {
    const Index k = k_[size_t(m)];
    if (gram)
      std::fill(gram, gram + n_classes * k * k, 0.0);
    if (measures)
      std::fill(measures, measures + 2 * k, 0.0);
    for (size_t i = 0; i < class_of_.size(); ++i) {
      const ModelSums &part = sums_[i * k_.size() + size_t(m)];
      if (class_of_[i] < 0)
        continue;
      add(part.sums, sums);
      for (Index j = 0; gram && j < k * k; ++j)
        gram[class_of_[i] * k * k + j] += part.gram[j];
      for (Index j = 0; measures && j < 2 * k; ++j)
        measures[j] += part.measures[j];
    }
    for (Index a = 0; gram && a < n_classes; ++a)
      symmetrize(gram + a * k * k, k);
  }

private:
  int n_models_;
  std::vector<Index> class_of_; // -1: no rows met there
  std::vector<Index> k_, offsets_;
  std::vector<double> numbers_;
  std::vector<ModelSums> sums_;
};

// The models of a pass with the solves of each class of rows.
template <class T> struct ModelsOfClasses {
  const RowClasses &classes;
  std::vector<std::vector<Model<T>>> models;

  ModelsOfClasses(const RowClasses &rows, const FusedModel<T> *fused, int n_models)
      : classes(rows), models(static_cast<size_t>(rows.n)) {
    for (size_t a = 0; a < models.size(); ++a) {
      int width = 0;
      for (int m = 0; m < n_models; ++m) {
        models[a].push_back(fused[m].model);
        if (!fused[m].of_class.empty())
          models[a].back().solve = fused[m].of_class[a];
        models[a].back().offset = width;
        width += fused[m].model.packed();
      }
    }
  }

  const std::vector<Model<T>> &any() const { return models.front(); }
  int n_models() const { return static_cast<int>(any().size()); }
};

template <class T>
void update_rows_of(const Kernels<T> &K, const MatrixView<const T> &X, Index first,
                    Index last, const T *B, int width, const Model<T> *models,
                    ModelSums *sums, int n_models, T *rhs, void *scratch) {
  K.solve.dense.update(rows_of(X, first, last), first, B, width, models, sums, n_models, rhs,
                 blas, scratch);
}

template <class T, class I>
void update_rows_of(const Kernels<T> &K, const CsrView<T, I> &X, Index first, Index last,
                    const T *B, int width, const Model<T> *models, ModelSums *sums,
                    int n_models, T *rhs, void *scratch) {
  csr_of(K.solve, X).update(X, first, last, B, width, models, sums, n_models, rhs, scratch);
}

template <class T, class View>
void update_part(const Kernels<T> &K, const Block<View> &block, const T *B, int width,
                 const std::vector<Model<T>> &models, ModelSums *sums, T *rhs,
                 void *scratch) {
  const int n_models = static_cast<int>(models.size());
  const View &x = block.x;
  if (block.origin == 0)
    return update_rows_of(K, x, block.first, block.last, B, width, models.data(), sums,
                          n_models, rhs, scratch);
  std::vector<Model<T>> beside(models);
  for (Model<T> &model : beside) {
    model.rows = rows_of(model.rows, block.origin, block.origin + x.rows);
    if (model.scale)
      model.scale += block.origin;
    if (model.extra.data)
      model.extra = rows_of(model.extra, block.origin, block.origin + x.rows);
  }
  update_rows_of(K, x, block.first, block.last, B, width, beside.data(), sums, n_models, rhs,
                 scratch);
}

// Updates the rows of a block class by class.
template <class T, class View>
void update_block(const Kernels<T> &K, const Block<View> &block, const T *B, int width,
                  const ModelsOfClasses<T> &of, Parts<T> &parts, Index task, T *rhs,
                  void *scratch) {
  Index first = block.first;
  for (Index a = 0; a < of.classes.n && first < block.last; ++a) {
    const Index end = of.classes.end(a, block.origin + block.last) - block.origin;
    const Index last = std::min(block.last, end);
    if (last <= first)
      continue;
    const Block<View> part{block.x, block.number, first, last, block.origin};
    update_part(K, part, B, width, of.models[size_t(a)], parts.of(task, a), rhs, scratch);
    first = last;
  }
}

// The result of a model as X' is multiplied by it: the components that move, scaled.
template <class T> void copy_result(const Model<T> &model, T *out) {
  const MatrixView<const T> A = model.rows.result();
  const Index n = model.packed();
  for (Index i = 0; i < A.rows; ++i)
    for (Index j = 0; j < n; ++j) {
      const T value = A.data[i * A.stride + (model.moving ? model.moving[j] : j)];
      out[i * n + j] = model.scale ? model.scale[i] * value : value;
    }
}

// Numbers of a row of a block beside the packed ones, for the right-hand sides of a model of
// which some components move.
template <class T>
int spread_width(const Kernels<T> &K, const FusedModel<T> *models, int n_models) {
  int spread = 0;
  for (int m = 0; m < n_models; ++m)
    if (models[m].model.moving)
      spread = std::max(spread, K.products.padded(models[m].model.solve.sweep.k));
  return spread;
}

// Adds the sums of the entries of a block; returns whether it has none that is negative or not
// finite.
template <class T>
bool is_sound(const Kernels<T> &K, const MatrixView<const T> &x, Summary &sums) {
  Summary part;
  K.products.summary(x, part);
  add(part, sums);
  return part.sum - part.sum == 0 && part.least >= 0;
}

template <class T, class I>
bool is_sound(const Kernels<T> &, const CsrView<T, I> &, Summary &) {
  return true;
}

// The half-step without sums over X, or where they would take too much memory.
template <class T, class X>
bool update_rows(const Kernels<T> &K, const X &x, const T *packed, int width,
                 const ModelsOfClasses<T> &of, int k, FusedModel<T> *out, Run run,
                 Summary *look) {
  const int n_models = of.n_models();
  const Index block = block_rows(x);
  // tasks of many blocks for a tall X: each keeps its own sums
  const Index n_blocks = ceil_div(x.rows, block);
  const Index n_tasks = std::min(n_blocks, kMostTasks);
  const int n_threads = threads_for(entries(x) * width, run.n_threads);
  const int spread = spread_width(K, out, n_models);
  const Scratch scratch(K.solve.scratch_bytes(block, width + spread, k), n_threads);
  Parts<T> parts(n_tasks, of.any().data(), n_models, false, of.classes.n);
  std::vector<Summary> summaries(look ? static_cast<size_t>(n_tasks) : 0);
  auto task = [&](Index i, const Block<ViewOf<X>> &rows, int worker) {
    // the block stays in the cache for its product
    if (look && !is_sound(K, rows_of(rows.x, rows.first, rows.last), summaries[static_cast<size_t>(i)]))
      return;
    update_block(K, rows, packed, width, of, parts, i, static_cast<T *>(nullptr),
                 scratch(worker));
  };
  const bool done = for_tasks(x, block, n_blocks, n_tasks, n_threads, run, task);
  for (int m = 0; m < n_models; ++m)
    parts.add_up(m, nullptr, out[m].measures, out[m].sums);
  for (const Summary &summary : summaries)
    add(summary, *look);
  return done;
}

} // namespace

template <class T>
bool solve(const Kernels<T> &K, const Solve<T> &s, const RowArrays<T> &rows,
           MatrixView<const T> P, double *gram_solved, double *gram_result,
           double *measures, SolveSums &sums, Run run) {
  const int k = s.sweep.k;
  const Index n_rows = rows.solved.rows, n_blocks = ceil_div(n_rows, kFactorBlock);
  // few parts for a large k, so that they stay small beside the factor itself
  const Index n_tasks = std::min(n_blocks, std::clamp<Index>((1 << 18) / (Index(k) * k), 8, 64));
  const double work = double(n_rows) * k * k * std::min(s.most + 1, 4);
  const int n_threads = threads_for(work, run.n_threads);
  // the second model only carries the other Gram matrix
  const Model<T> models[2] = {{s, rows, 0}, {s, rows, 0}};
  const bool grams = gram_solved || gram_result;
  const bool both = gram_solved && gram_result && rows.moved.data;
  Parts<T> parts(n_tasks, models, both ? 2 : 1, grams);
  const Scratch scratch(K.solve.scratch_bytes(0, 0, k), n_threads);
  auto task = [&](int64_t i, int worker) {
    ModelSums *const part = parts.of(i);
    const Index end = n_blocks * (i + 1) / n_tasks;
    for (Index b = n_blocks * i / n_tasks; b < end && !asked_to_stop(); ++b) {
      const Index first = b * kFactorBlock, last = std::min(first + kFactorBlock, n_rows);
      const RowArrays<T> block = rows_of(rows, first, last);
      K.solve.rows(s, block, rows_of(P, first, last), part->sums, part->measures,
              scratch(worker));
      const MatrixView<T> &solved = block.solved;
      if (grams)
        K.products.gram(gram_solved ? MatrixView<const T>{solved.data, solved.rows, solved.cols,
                                                 solved.stride}
                           : block.result(),
               part->gram, scratch(worker));
      if (both)
        K.products.gram(block.result(), part[1].gram, scratch(worker));
    }
  };
  const bool done = parallel_for(n_tasks, n_threads, task, run.poll);
  SolveSums none;
  parts.add_up(0, gram_solved ? gram_solved : gram_result, measures, sums);
  if (both)
    parts.add_up(1, gram_result, nullptr, none);
  else if (gram_solved && gram_result)
    std::copy(gram_solved, gram_solved + Index(k) * k, gram_result);
  return done;
}

// The sums of a pass that made none, of which all rows have been solved for.
template <class T, class X>
bool sums_of_result(const Kernels<T> &K, const X &x, const RowClasses &classes,
                    const FusedModel<T> &out, Run run) {
  const Model<T> &model = out.model;
  const MatrixView<const T> result = model.rows.result();
  const Index n = model.packed(), k = model.solve.sweep.k;
  const bool differs = model.scale || model.moving;
  const Buffer<T> copy(differs ? static_cast<size_t>(result.rows * n) : 0);
  if (differs)
    copy_result(model, copy.get());
  const MatrixView<const T> multiplied =
      differs ? MatrixView<const T>{copy.get(), result.rows, n, n} : result;
  bool done = true;
  for (Index a = 0, first = 0; done && a < classes.n; ++a) {
    const Index last = classes.end(a, result.rows);
    done = gram(K, rows_of(result, first, last), out.gram + a * k * k, run);
    first = last;
  }
  return done && rmatmul(K, x, multiplied, out.rhs, run);
}

template <class T, class X>
bool update(const Kernels<T> &K, const X &x, FusedModel<T> *out, int n_models, Run run,
            const RowClasses &classes, Summary *look) {
  const ModelsOfClasses<T> of(classes, out, n_models);
  const std::vector<Model<T>> &models = of.any();
  int k = 0;
  for (const Model<T> &model : models)
    k = std::max(k, model.solve.sweep.k);
  const int width = K.products.padded(models.back().offset + models.back().packed());
  const Cut cut = cut_pass(x, x.cols * width);
  // together they are too large, or leave room for one accumulator, which one thread fills
  const Index wanted = std::min<Index>(cut.n_blocks, 2);
  if (out->rhs.data && cut.n_slots < wanted && n_models > 1)
    return update(K, x, out, n_models / 2, run, classes) &&
           update(K, x, out + n_models / 2, n_models - n_models / 2, run, classes);
  const Buffer<T> packed(static_cast<size_t>(x.cols * width));
  for (int m = 0; m < n_models; ++m) {
    const int end = m + 1 < n_models ? models[size_t(m) + 1].offset : width;
    const int offset = models[size_t(m)].offset;
    if (!pack_factor(K, out[m].Ht, packed.get() + offset, width, end - offset, run))
      return false;
  }
  if (!out->rhs.data || cut.n_slots == 0) {
    bool done = update_rows(K, x, packed.get(), width, of, k, out, run,
                            out->rhs.data ? nullptr : look);
    for (int m = 0; done && out->rhs.data && m < n_models; ++m)
      done = sums_of_result(K, x, classes, out[m], run);
    return done;
  }
  const int n_threads = threads_for(2 * entries(x) * width, run.n_threads);
  const Buffer<T> slots(static_cast<size_t>(cut.n_slots * cut.slot_size));
  const int spread = spread_width(K, out, n_models);
  const Scratch scratch(K.solve.scratch_bytes(cut.block, width + spread, k), n_threads);
  Parts<T> parts(cut.n_slots, models.data(), n_models, true, classes.n);
  auto task = [&](Index slot, const Block<ViewOf<X>> &rows, int worker) {
    update_block(K, rows, packed.get(), width, of, parts, slot,
                 cut.opened(slots.get(), slot, rows.number), scratch(worker));
  };
  if (!for_tasks(x, cut.block, cut.n_blocks, cut.n_slots, n_threads, run, task))
    return false;
  for (int m = 0; m < n_models; ++m) {
    parts.add_up(m, out[m].gram, out[m].measures, out[m].sums, classes.n);
    if (!add_slots(K, slots.get() + models[size_t(m)].offset, cut.slot_size, cut.n_slots, width,
                   out[m].rhs, run))
      return false;
  }
  return true;
}

// ---- instances -------------------------------------------------------------------------

#define NONNEG_STORAGE(name, T, ...)                                                            \
  template bool update<T, __VA_ARGS__>(const Kernels<T> &, const __VA_ARGS__ &,            \
                                       FusedModel<T> *, int, Run, const RowClasses &,      \
                                       Summary *);

#define NONNEG_DTYPE(T)                                                                    \
  template bool solve<T>(const Kernels<T> &, const Solve<T> &, const RowArrays<T> &,       \
                         MatrixView<const T>, double *, double *, double *, SolveSums &,   \
                         Run);                                                             \
  NONNEG_STORAGES(NONNEG_STORAGE, T, MatrixView<const T>)

NONNEG_DTYPE(float)
NONNEG_DTYPE(double)

} // namespace nonneg
