// Numbers that say how the drivers cut a pass. They look at shapes and k alone, never at
// the number of threads.
#pragma once

#include "kernels/views.hpp"

namespace nonneg {

inline constexpr Index kFactorBlock = 512;            // rows of a factor per task
inline constexpr Index kCsrBlock = 256;               // rows of a sparse X per block
// Of a dense X per block. X'A goes down the rows by strips of columns, a page a row: more
// pages than the first-level TLB holds (64 to 96) cost a quarter to a half of its speed.
// 784 columns, k = 32, float32, one thread of a Sapphire Rapids Xeon: fused 122, 124, 120,
// 84, 74 Gflop/s for 128, 256, 512, 1,024 and 2,048 KB.
inline constexpr Index kDenseBlockBytes = 1 << 18;
inline constexpr Index kDenseRowsUnit = 32, kMostDenseRows = 512;
// Accumulators for X'A: as many as fit into kSlotBytes, at least two, at most
// kMostSlots, and never more than kMostSlotBytes. Beyond the last-level cache's share they
// cost more than they bring: X'A of a 60,000 x 20,000 CSR (30 a row), k = 30, float64, on
// an Ice Lake Xeon with one thread took 31, 31, 35, 50 and 73 ms for 1, 2, 4, 8, 16 slots
// (5 MB each); 60,000 features (15 MB each) 54 ms for 1 and 2 slots, 84 ms for 3.
inline constexpr Index kSlotBytes = Index(16) << 20;
inline constexpr Index kMostSlotBytes = Index(48) << 20;
inline constexpr Index kMostSlots = 16;
inline constexpr Index kMostTasks = 256;              // each keeps sums of its own
inline constexpr int kPanels = 16;                    // of features, where slots are too large
inline constexpr Index kSummaryBlock = 1 << 16;        // entries per task
// Multiply-adds worth waking a worker for. An iteration of "hals" with one and two threads
// of a Sapphire Rapids Xeon, by 2·n_samples·n_features·k: 7e5 0.19, 0.28 ms; 2e6 0.34,
// 0.36; 5e6 0.51, 0.52; 1e7 0.84, 0.72; 2e7 1.35, 0.99.
inline double thread_work = 4e6; // the tests set it to 0

inline int threads_for(double work, int n_threads) {
  return work < thread_work ? 1 : n_threads;
}

inline Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }

} // namespace nonneg
