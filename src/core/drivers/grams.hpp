// Gram matrices from the parts that tasks made.
#pragma once

#include <algorithm>

#include "kernels/views.hpp"

namespace nonneg {

inline void symmetrize(double *G, Index k) {
  for (Index i = 0; i < k; ++i)
    for (Index j = 0; j < i; ++j)
      G[i * k + j] = G[j * k + i];
}

// G = sum of the n parts, in order.
inline void add_grams(const double *parts, Index n, Index k, double *G) {
  std::fill(G, G + k * k, 0.0);
  for (Index s = 0; s < n; ++s)
    for (Index i = 0; i < k * k; ++i)
      G[i] += parts[s * k * k + i];
  symmetrize(G, k);
}

} // namespace nonneg
