// A tile of rows side by side for block principal pivoting: its arrays and their places.
#pragma once

#include <type_traits>
#include "kernels/simd.hpp"
#include "kernels/solve_interface.hpp"

namespace nonneg::NONNEG_ISA {

constexpr int kExactLanes = kLanes<double>;
using ExactVec = Vec<double>;
using ExactInt = decltype(ExactVec{} < ExactVec{});

constexpr double kExactLargest = 1e120; // of a scaled right-hand side
constexpr int kExactPad = 4;           // rows below a factor, for rows of zeros

// Columns that one pass over the rows below them reduces, kPanelRows rows at a time: as many
// sums as the registers hold (D-CORE-PANEL-COLUMNS).
constexpr int kPanelColumns = NONNEG_VECTOR_BYTES == 64 ? 4 : 2;
constexpr int kPanelRows = 4;

// Where a coordinate is.
constexpr int64_t kAtZero = 0, kFree = 1, kAtUpper = 2;

struct ExactLane {
  Index row; // -1: idle
  int size;  // of the passive set
  int loops, chances, fewest;
};

// Arrays over coordinates have k + 1 entries, the last one a null coordinate of zeros;
// entries are vectors except for the first three. Coordinates are scaled by powers of
// two to a diagonal in [1, 4): exact, and one tolerance serves them all.
struct ExactTile {
  int k, n;           // n: the largest passive set
  Index stride;       // of `factor`, in vectors
  Index whole_stride; // of `whole`: rows end with room for a vector
  bool changed;       // the factor is not that of the sets
  bool has_whole;     // `whole` is filled
  double *gram;       // (k + 1) x (k + 1)
  double *unit;       // k: a coordinate is its scaled one times this; 0: no curvature
  double *upper;      // k
  double *whole;      // k rows: the factor of all coordinates, once a row asks for it
  double *factor;     // L by rows, and below it what is solved for
  double *inverse;    // of D, 0 where dependent
  double *rhs, *part; // q = (p - l1) scaled; the solution on the passive sets
  double *x, *y;      // solution and gradient
  double *out;        // solution, unscaled and within the bounds
  double *squares;    // sums of squared projected gradients
  double *row;        // k numbers
  int64_t *side;      // kAtZero, kFree or kAtUpper
  int64_t *violated;  // -1 or 0
  int64_t *index;     // coordinates of the passive sets in order, then k
  ExactLane lanes[kExactLanes];
  alignas(64) double size[kExactLanes]; // the largest |q|
};

NONNEG_INLINE ExactTile cut_exact(void *scratch, int k, size_t *bytes) {
  ExactTile tile{};
  tile.k = k;
  tile.stride = (k + 1) | 1; // odd: rows fall into different sets of the cache
  const size_t c = static_cast<size_t>(k) + 1, padded_k = c + kExactPad;
  const size_t L = kExactLanes, s = static_cast<size_t>(tile.stride);
  size_t total = 0;
  auto take = [&](auto *&array, size_t count) {
    if (scratch)
      array = reinterpret_cast<std::remove_reference_t<decltype(array)>>(
          static_cast<char *>(scratch) + total);
    total += (count * sizeof *array + 63) / 64 * 64;
  };
  take(tile.gram, c * c);
  take(tile.unit, c);
  take(tile.upper, c);
  tile.whole_stride = (k / kExactLanes + 2) * kExactLanes;
  take(tile.whole, c * static_cast<size_t>(tile.whole_stride));
  take(tile.row, c + kExactLanes);
  take(tile.factor, padded_k * s * L);
  for (double **array : {&tile.inverse, &tile.part})
    take(*array, padded_k * L);
  for (double **array : {&tile.rhs, &tile.x, &tile.y, &tile.out, &tile.squares})
    take(*array, c * L);
  take(tile.side, c * L);
  take(tile.violated, c * L);
  take(tile.index, padded_k * L);
  if (bytes)
    *bytes = total;
  return tile;
}

static size_t exact_scratch(int k) {
  size_t bytes = 0;
  cut_exact(nullptr, k, &bytes); // counts alone
  return bytes;
}

// The power of two nearest below 1 / sqrt(d).
NONNEG_INLINE double exact_unit(double d) {
  if (!(d > 1e-300 && d < 1e300))
    return 0;
  double unit = 1;
  for (; d >= 4; d *= 0.25)
    unit *= 0.5;
  for (; d < 1; d *= 4)
    unit *= 2;
  return unit;
}

static void prepare_exact(const Exact &e, ExactTile &tile) {
  const int k = e.k, c = k + 1;
  for (int t = 0; t < k; ++t) {
    tile.unit[t] = exact_unit(e.gram[static_cast<Index>(t) * (k + 1)]);
    tile.upper[t] = __builtin_inf();
    if (e.upper && tile.unit[t] > 0)
      tile.upper[t] = e.upper[t] / tile.unit[t];
  }
  for (int t = 0; t < c; ++t)
    for (int s = 0; s < c; ++s) {
      const bool null = t == k || s == k;
      tile.gram[static_cast<Index>(t) * c + s] =
          null ? 0 : e.gram[static_cast<Index>(t) * k + s] * tile.unit[t] * tile.unit[s];
    }
  const Index L = kExactLanes;
  for (Index i = 0; i < c * L; ++i)
    tile.rhs[i] = tile.x[i] = tile.y[i] = tile.squares[i] = 0, tile.side[i] = kAtZero;
  for (Index i = 0; i < (c + kExactPad) * L; ++i)
    tile.index[i] = k;
  for (ExactLane &lane : tile.lanes)
    lane = {-1, 0, 0, 0, 0};
  for (double &size : tile.size)
    size = 0;
  tile.n = 0;
  tile.changed = true;
}

} // namespace nonneg::NONNEG_ISA
