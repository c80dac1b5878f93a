// Numbers that say how the drivers cut a pass. They look at shapes and k alone, never at
// the number of threads.
#pragma once

#include "kernels/views.hpp"

namespace nonneg {

// Rows of a factor per task.
inline constexpr Index kFactorBlock = 512;
// Rows of a sparse X per block.
inline constexpr Index kCsrBlock = 256;
// Bytes of a dense X per block, and what its rows are a multiple of. X'A goes down the rows
// by strips of columns, and each row is on a page of its own: a block has no more pages than
// the first-level TLB holds, 64 to 96 (D-CORE-BLOCK-BYTES).
inline constexpr Index kDenseBlockBytes = 1 << 18;
inline constexpr Index kDenseRowsUnit = 32, kMostDenseRows = 512;
// Accumulators for X'A: as many as fit into kSlotBytes, at least two, at most kMostSlots,
// and never more than kMostSlotBytes. Where they exceed their share of the last-level cache
// they cost more than they bring (D-CORE-SLOTS).
inline constexpr Index kSlotBytes = Index(16) << 20;
inline constexpr Index kMostSlotBytes = Index(48) << 20;
inline constexpr Index kMostSlots = 16;
// Tasks of a pass without accumulators at most: each keeps a few sums of its own.
inline constexpr Index kMostTasks = 256;
// Ranges of features that X'A is computed by where the accumulators would be too large.
inline constexpr int kPanels = 16;
// Rows between two looks at whether to stop, in tasks that go through all rows. The kernels
// go through them by fewer rows, of which these are multiples, so that sums are the same bits.
inline constexpr Index kPanelRows = 1 << 12;
inline constexpr Index kGramRows = 1 << 12;
// Entries of W H' at a time where errors are summed.
inline constexpr Index kErrorEntries = 1 << 16;
// Entries whose sums a task takes.
inline constexpr Index kSummaryBlock = 1 << 16;
// Iterations for which copies of a dense X are made that keep rows and columns in the lanes: a
// single one takes as long without them (D-CORE-LANES).
inline constexpr Index kLeastInLanes = 2;
// Multiply-adds that are worth waking a worker for (D-CORE-THREAD-WORK). Tests set it to 0.
inline double thread_work = 4e6;

inline int threads_for(double work, int n_threads) {
  return work < thread_work ? 1 : n_threads;
}

inline Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }

} // namespace nonneg
