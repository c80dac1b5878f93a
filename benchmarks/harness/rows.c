/* Gathering and scattering rows of k numbers, nothing else: the floor of a sparse pass. */

#define AHEAD 8 /* rows asked for in advance */

#define FETCH(row)                                                              \
    for (int b = 0; b < k * (int)sizeof(*(row)); b += 64)                       \
        __builtin_prefetch((const char *)(row) + b)

#define DEFINE(T, suffix)                                                       \
    /* out[t] += the sum of column t over the rows named */                     \
    void gather_##suffix(const T *table, const int *rows, long n, int k, T *out) \
    {                                                                           \
        for (long i = 0; i + 4 + AHEAD <= n; i += 4) {                          \
            const T *a = table + (long)rows[i] * k;                             \
            const T *b = table + (long)rows[i + 1] * k;                         \
            const T *c = table + (long)rows[i + 2] * k;                         \
            const T *d = table + (long)rows[i + 3] * k;                         \
            for (int j = 0; j < 4; j++)                                         \
                FETCH(table + (long)rows[i + AHEAD + j] * k);                   \
            for (int t = 0; t < k; t++)                                         \
                out[t] += (a[t] + b[t]) + (c[t] + d[t]);                        \
        }                                                                       \
    }                                                                           \
    /* every row named += add */                                                \
    void scatter_##suffix(T *restrict table, const int *rows, long n, int k,    \
                          const T *restrict add)                                \
    {                                                                           \
        for (long i = 0; i + AHEAD <= n; i++) {                                 \
            T *row = table + (long)rows[i] * k;                                 \
            FETCH(table + (long)rows[i + AHEAD - 1] * k);                       \
            for (int t = 0; t < k; t++)                                         \
                row[t] += add[t];                                               \
        }                                                                       \
    }

DEFINE(float, float32)
DEFINE(double, float64)
