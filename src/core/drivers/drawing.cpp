#include "drivers/drawing.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "drivers/tuning.hpp"

namespace nonneg {

namespace {

void require_room(Index entries, Index room) {
  if (entries > room)
    throw std::length_error("the arrays have no room for the entries that are drawn");
}

// Calls line(i) for each of n lines in order, and looks at times whether to stop.
template <class F> bool for_lines(Index n, Run run, F line) {
  auto task = [&](int64_t, int) {
    for (Index i = 0; i < n && (i % kPanelRows != 0 || !asked_to_stop()); ++i)
      line(i);
  };
  return parallel_for(1, 1, task, run.poll);
}

} // namespace

template <class T, class I>
bool draw_rows(const CsrView<T, I> &x, const I *rows, Index n_rows, const T *scale,
               const DrawnEntries<T, I> &out, Run run) {
  Index n = 0;
  for (Index i = 0; i < n_rows; ++i) { // a row may be there more than once
    out.pointers[i] = static_cast<I>(n);
    n += x.indptr[rows[i] + 1] - x.indptr[rows[i]];
    require_room(n, std::min<Index>(out.room, std::numeric_limits<I>::max()));
  }
  out.pointers[n_rows] = static_cast<I>(n);
  return for_lines(n_rows, run, [&](Index i) {
    const Index first = x.indptr[rows[i]], count = x.indptr[rows[i] + 1] - first;
    T *const values = out.values + out.pointers[i];
    const T by = scale[i];
    for (Index e = 0; e < count; ++e)
      values[e] = x.values[first + e] * by;
    std::copy_n(x.indices + first, count, out.indices + out.pointers[i]);
  });
}

template <class T, class I>
bool draw_columns(const CsrView<T, I> &x, const I *place, const T *scale,
                  const DrawnEntries<T, I> &out, Run run) {
  Index n = 0;
  out.pointers[0] = 0;
  return for_lines(x.rows, run, [&](Index i) {
    const Index first = x.indptr[i], last = x.indptr[i + 1], room = out.room;
    I *const indices = out.indices;
    T *const values = out.values;
    if (n + (last - first) > room) { // perhaps not all of them are drawn
      Index kept = n;
      for (Index e = first; e < last; ++e)
        kept += place[x.indices[e]] >= 0;
      require_room(kept, room);
    }
    // each entry is written, and the next one over it unless it is drawn: a branch would be
    // mispredicted every third time; once there is no more room, the others aren't drawn
    Index to = n;
    for (Index e = first; e < last && to < room; ++e) {
      const I column = x.indices[e], at = place[column];
      indices[to] = at;
      values[to] = x.values[e] * scale[column];
      to += at >= 0;
    }
    n = to;
    out.pointers[i + 1] = static_cast<I>(n);
  });
}

// ---- instances -------------------------------------------------------------------------

#define NONNEG_INDEX(T, I)                                                                 \
  template bool draw_rows<T, I>(const CsrView<T, I> &, const I *, Index, const T *,        \
                                const DrawnEntries<T, I> &, Run);                          \
  template bool draw_columns<T, I>(const CsrView<T, I> &, const I *, const T *,            \
                                   const DrawnEntries<T, I> &, Run);

NONNEG_INDEX(float, int32_t)
NONNEG_INDEX(float, int64_t)
NONNEG_INDEX(double, int32_t)
NONNEG_INDEX(double, int64_t)

} // namespace nonneg
