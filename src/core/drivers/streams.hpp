// An X that is larger than memory, to the drivers like any other: it comes window by window,
// and its tasks are those of a pass over the whole, so that the sums are the same bits.
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "drivers/run.hpp"

namespace nonneg {

// The blocks [first, last) of a task: rows of X from `row` on.
template <class View> struct Piece {
  Index task, first, last, row;
  View x;
};

// A window has pieces of some tasks, one of each; those of a task come in order.
template <class View> struct Stream {
  Index rows, cols;
  double count;  // stored entries
  Index longest; // of its rows, in stored entries
  // Fetches the next window of a pass of n_tasks tasks over blocks of `block` rows; false at
  // its end. What the last one pointed to is gone then.
  std::function<bool(Index n_tasks, Index block, std::vector<Piece<View>> &)> next;
};

template <class X> struct Whole {
  using View = X;
};
template <class V> struct Whole<Stream<V>> {
  using View = V;
};
// The type of what a kernel sees of X.
template <class X> using ViewOf = typename Whole<X>::View;

// A block of rows of X, and where it lies.
template <class View> struct Block {
  const View &x;     // all of X, or a piece of it
  Index number;      // of the block
  Index first, last; // its rows in x
  Index origin;      // the row of X that is x's first: where a factor's rows for x begin
};

// Does the blocks [begin, end) of a task, of which x has the rows of X from `origin` on, out
// of n_rows; between two of them it may be asked to stop.
template <class View, class F>
void for_blocks_of(Index task, const View &x, Index origin, Index begin, Index end,
                   Index block, Index n_rows, int worker, F &fn) {
  for (Index b = begin; b < end && !asked_to_stop(); ++b) {
    const Index last = std::min((b + 1) * block, n_rows);
    fn(task, Block<View>{x, b, b * block - origin, last - origin, origin}, worker);
  }
}

// Runs fn(task, block, worker) until each of the tasks has had all of its blocks of `block`
// rows, in order; task i owns [n_blocks i / n_tasks, n_blocks (i + 1) / n_tasks).
template <class View, class F>
bool for_tasks(const View &x, Index block, Index n_blocks, Index n_tasks, int n_threads, Run run,
               F fn) {
  auto task = [&](int64_t i, int worker) {
    for_blocks_of(Index(i), x, 0, n_blocks * i / n_tasks, n_blocks * (i + 1) / n_tasks, block,
                  x.rows, worker, fn);
  };
  return parallel_for(n_tasks, n_threads, task, run.poll);
}

template <class View, class F>
bool for_tasks(const Stream<View> &x, Index block, Index, Index n_tasks, int n_threads,
               Run run, F fn) {
  std::vector<Piece<View>> window;
  while (x.next(n_tasks, block, window)) {
    auto task = [&](int64_t i, int worker) {
      const Piece<View> &piece = window[static_cast<size_t>(i)];
      for_blocks_of(piece.task, piece.x, piece.row, piece.first, piece.last, block, x.rows,
                    worker, fn);
    };
    if (!parallel_for(static_cast<int64_t>(window.size()), n_threads, task, run.poll))
      return false;
  }
  return true;
}

// Runs fn(x, row) on all rows, part by part; `row` is the part's first row in X.
template <class View, class F> bool for_parts(const View &x, Index, F fn) { return fn(x, Index(0)); }

template <class View, class F> bool for_parts(const Stream<View> &x, Index block, F fn) {
  std::vector<Piece<View>> window;
  while (x.next(1, block, window))
    for (const Piece<View> &piece : window)
      if (!fn(piece.x, piece.row))
        return false;
  return true;
}

} // namespace nonneg
