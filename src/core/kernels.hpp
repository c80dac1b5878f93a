// The kernels' interface: plain views, and one table of function pointers per dtype.
//
// Kernels work on one block of rows, know nothing of threads or Python, allocate
// nothing, and keep every reported sum in float64. Drivers (passes.cpp) cut the work
// into blocks, own the scratch memory and add sums up in a fixed order.
//
// "Packed" means rows of k numbers padded with zeros to padded(k), so that a row is a
// whole number of vectors.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nonneg {

using Index = std::ptrdiff_t;

// Row-major, unit inner stride.
template <class T> struct MatrixView {
  T *data;
  Index rows, cols, stride;
};

template <class T, class I> struct CsrView {
  const T *values;
  const I *indices, *indptr;
  Index rows, cols;
};

// One cyclic coordinate sweep on 1/2 a G a' - (p - l1) a' over a >= 0, row by row.
template <class T> struct Sweep {
  const T *gram;        // k x k
  const T *inverse;     // 1 / G[t,t], 0 where the coordinate has no curvature
  const T *l1;          // k
  const int64_t *order; // k coordinates, in the order of their visits
  int k;
};

// Exact minimisation of 1/2 a G a' - (p - l1) a' over 0 <= a <= upper, row by row; always
// in float64.
struct Exact {
  const double *gram;  // k x k, positive semi-definite, L2 on its diagonal
  const double *l1;    // k
  const double *upper; // k, not negative, or null for none
  int k;
  bool fixed = false; // solve on the given passive sets, whatever the signs
};

struct ExactSums {
  double cross = 0;            // <p, a> after the solve
  int64_t fallbacks = 0;       // rows that pivoting did not finish
  int64_t factorizations = 0;  // one per row and passive set tried
  double *gradient = nullptr;  // k, or null: += squared projected gradient after the solve
};

// How the rows of a factor are solved for, given their right-hand sides.
// Multiplicative: a p / (a G + l1), entry by entry.
enum class Method { sweep, adaptive, multiplicative, exact };

template <class T> struct Solve {
  Sweep<T> sweep; // exact: k alone
  Exact exact;
  Method method = Method::sweep;
  int most = 1;             // adaptive: sweeps at most; exact: such sweeps beforehand
  T settled = 0;            // a row stops at this share of its first squared step
  T momentum = 0;
  bool wants_cross = true;
};

// start is read and solved written; moved, if any, becomes
// max(0, solved + momentum (solved - previous)). start and solved may be one array, and
// moved may be start or previous.
template <class T> struct RowArrays {
  MatrixView<const T> start, previous;
  MatrixView<T> solved, moved;

  // The rows that the other half-step sees.
  MatrixView<const T> result() const {
    const MatrixView<T> &A = moved.data ? moved : solved;
    return {A.data, A.rows, A.cols, A.stride};
  }
};

struct SolveSums {
  double violation = 0; // sum of |projected gradient|, each just before its update
  double cross = 0;     // <p, a> after the solve
  double decrease = 0;  // adaptive, exact: decrease of the objective
  double sweeps = 0;    // sweeps, or passive sets tried, summed over the rows
};

// One of the models that share a pass: packed side by side, `at` numbers from the left.
template <class T> struct Model {
  Solve<T> solve;
  RowArrays<T> rows;
  int at;
};

// What a block adds to for a model: the Gram matrix of its result (k x k, or null) and
// 2 k sums of squares (projected gradient, right-hand side), but for the
// methods sweep and multiplicative.
struct ModelSums {
  double *gram, *measures;
  SolveSums sums;
};

// One multiplicative step for the β-divergence, and the terms of its gradient.
template <class T> struct Beta {
  double beta;
  T floor;              // least y in a negative power
  T least;              // smaller entries of the result become 0
  const T *column_sums; // packed, of the other factor: the positive terms at β = 1
  const T *l1, *l2;     // packed
  int k;
  bool has_l2;
  bool move; // else solved receives the sums of the negative terms
};

// A factor in the forms that a pass needs: B has packed rows of `width` numbers, and H is
// its transpose, k rows of `h_width`; null where no tiles are made.
template <class T> struct Packed {
  const T *B, *H;
};

// A block of rows for it. The step is taken beside `other`; the sums for the other factor,
// and the value, are those beside `after`, mostly the same. What is null in the rest is not
// wanted; sums are packed as B and added to.
template <class T> struct BetaBlock {
  const Beta<T> *how;
  MatrixView<const T> start; // by the rows of X, as are solved and below
  MatrixView<T> solved, below;
  Packed<T> other, after;
  int width;
  Index h_width;
  // At β = 1 the denominators are the second derivative's sums x/y^2 (sum of the row) w.
  T *numerator, *denominator;
  double *value; // at β = 1 on CSR without the sum over W H
};

// Some rows of a factor that is an array times a scale, see scaled.inl.
template <class T> struct ScaledMove {
  const T *kept, *inverse, *over_scale; // k
  T least;
};

// Scalar Newton steps for the Kullback-Leibler divergence.
template <class T> struct Newton {
  T floor;              // least y
  T unit;               // a power of two, about 1 over the mean of X
  T momentum;
  double tolerance;     // a row ends when its slack is this share of its sum of x
  const T *column_sums; // k, of the other factor
  const T *l1, *l2;     // k
  int k;
  int sweeps;           // at most
  bool rescale;         // bring each row to its best scale first
  bool wants_value;
};

struct NewtonSums {
  double value = 0;    // x log(x/y) - x after the solve, without the sum over W H
  double residual = 0; // |gradient| times the entry, each just before its first step
  double sweeps = 0;   // summed over the rows
  double unfinished = 0; // rows that went on until the sweeps ended

  void add(const NewtonSums &other) {
    value += other.value;
    residual += other.residual;
    sweeps += other.sweeps;
    unfinished += other.unfinished;
  }
};

template <class T> struct StridedView {
  const T *data;
  Index rows, cols, row_stride, stride;
};

// Sum, sum of squares and smallest of some entries.
struct Summary {
  double sum = 0, square = 0, least = __builtin_inf();
};

// gemm of the BLAS that SciPy carries, with 32- or 64-bit integers; null where absent.
struct Blas {
  void *sgemm = nullptr, *dgemm = nullptr;
  bool wide = false;
};

template <class T, class I> struct CsrKernels {
  // out rows [first, last) = X B, B packed.
  void (*product)(const CsrView<T, I> &, Index first, Index last, const T *B, int k,
                  MatrixView<T> out, void *scratch);
  // sum (packed) += X' A over rows [first, last).
  void (*transposed)(const CsrView<T, I> &, Index first, Index last, MatrixView<const T> A,
                     T *sum, void *scratch);
  // The same for features [column, column_end) only; rows must be sorted.
  void (*transposed_panel)(const CsrView<T, I> &, Index column, Index column_end,
                           MatrixView<const T> A, T *sum, void *scratch);
  // Product, solve and sums of every model: each row of X is read once. B and rhs
  // (X' times the results, or null) are packed to `width`.
  void (*update)(const CsrView<T, I> &, Index first, Index last, const T *B, int width,
                 const Model<T> *, ModelSums *, int n_models, T *rhs, void *scratch);
  void (*beta)(const CsrView<T, I> &, Index first, Index last, const BetaBlock<T> &,
               const Blas &, void *scratch);
  // Scalar Newton for the rows [first, last), B packed rows of kp numbers.
  void (*newton)(const CsrView<T, I> &, Index first, Index last, const T *B, int kp,
                 const Newton<T> &, const RowArrays<T> &, NewtonSums &, void *scratch);
  // β = 1: the sums for the features [column, column_end) only; rows must be sorted.
  void (*kullback_panel)(const CsrView<T, I> &, Index column, Index column_end,
                         const BetaBlock<T> &, void *scratch);
};

template <class T> struct DenseKernels {
  void (*product)(MatrixView<const T> X, const T *B, int k, MatrixView<T> out,
                  const Blas &, void *scratch);
  void (*transposed)(MatrixView<const T> X, MatrixView<const T> A, T *sum, const Blas &,
                     void *scratch);
  // The block is X, whose first row is the factors' row `first`.
  void (*update)(MatrixView<const T> X, Index first, const T *B, int width,
                 const Model<T> *, ModelSums *, int n_models, T *rhs, const Blas &,
                 void *scratch);
  void (*beta)(MatrixView<const T> X, Index first, const BetaBlock<T> &, const Blas &,
               void *scratch);
  // H: k rows of h_width numbers, zeros behind the columns of X.
  void (*newton)(const StridedView<T> &, Index first, Index last, const T *H, Index h_width,
                 const Newton<T> &, const RowArrays<T> &, NewtonSums &, void *scratch);
};

template <class T> struct Kernels {
  int (*padded)(int k);
  // Bytes of scratch, 64-byte aligned, that any kernel needs for a block of n_rows and
  // packed rows of `width` numbers, for at most k components a model.
  size_t (*scratch_bytes)(Index n_rows, int width, int k);
  void (*solve)(const Solve<T> &, const RowArrays<T> &, MatrixView<const T> P, SolveSums &,
                double *measures, void *scratch);
  // Bytes of scratch, 64-byte aligned, for `exact` on any number of rows.
  size_t (*exact_scratch)(int k);
  // Positive entries of A are the passive sets to start from.
  void (*exact)(const Exact &, MatrixView<T> A, MatrixView<const T> P, ExactSums &,
                void *scratch);
  // Bytes of scratch, 64-byte aligned, for `beta` on any number of rows; with tiles
  // unless X is sparse and β = 1.
  size_t (*beta_scratch)(int width, Index n_columns, bool tiles);
  // Bytes of scratch, 64-byte aligned, for `newton` on a block of n_rows rows whose
  // longest has that many entries; `turned` for a sparse X.
  size_t (*newton_scratch)(Index n_rows, Index longest, int k, bool turned);
  // The step of rows by sums at hand; needs the scratch of `beta` without tiles.
  void (*multiply)(const Beta<T> &, MatrixView<const T> start,
                   MatrixView<const T> numerator, MatrixView<const T> denominator,
                   MatrixView<T> solved, void *scratch);
  // Rows `features` of a factor base times scale, see scaled.inl.
  void (*gather_scaled)(MatrixView<const T> base, const int64_t *features, const T *scale,
                        MatrixView<T> out, double *sums);
  void (*move_scaled)(const ScaledMove<T> &, MatrixView<const T> before,
                      MatrixView<const T> numerator, const int64_t *features,
                      MatrixView<T> base, double *sums);
  // sums (k) += the sum of the rows.
  void (*column_sums)(MatrixView<const T> A, double *sums);
  // G (k x k, float64) += A'A; only on and above the diagonal blocks, see symmetrize.
  void (*gram)(MatrixView<const T> A, double *G, void *scratch);
  // Adds X to what is known of the blocks before it.
  void (*summary)(MatrixView<const T> X, Summary &);
  // Rows of B to packed rows, `stride` apart.
  void (*pack)(MatrixView<const T> B, T *packed, Index stride);
  // out = sum over the n_slots packed arrays, `slot_size` apart, rows [first, last) of
  // `width` numbers.
  void (*reduce)(const T *slots, Index slot_size, int n_slots, int width, Index first,
                 Index last, MatrixView<T> out);
  DenseKernels<T> dense;
  CsrKernels<T, int32_t> csr32;
  CsrKernels<T, int64_t> csr64;
};

struct KernelTable {
  const char *name;
  Kernels<float> f32;
  Kernels<double> f64;
};

} // namespace nonneg
