#include "core/config_near.h"

#include "base/check.h"

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Three rows of the table of optimal string alignment: the one being filled and the two before. */
size_t near_distance(struct span a, struct span b)
{
    size_t rows[3][NEAR_WORD_MAX + 1];
    CHECK(a.n <= NEAR_WORD_MAX && b.n <= NEAR_WORD_MAX);
    for (size_t j = 0; j <= b.n; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t *now = rows[i % 3];
        const size_t *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            bool same = a.p[i - 1] == b.p[j - 1];
            now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + !same);
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
    }
    return rows[a.n % 3][b.n];
}

void near_init(struct near *near, struct span word)
{
    size_t allowed = word.n / 3 > 2 ? word.n / 3 : 2;
    *near = (struct near){.word = word, .distance = allowed + 1};
}

void near_offer(struct near *near, const char *key)
{
    struct span word = near->word;
    if (word.n == 0 || word.n > NEAR_WORD_MAX)
        return;
    const char *dot = strchr(key, '.');
    const char *with = dot && !memchr(word.p, '.', word.n) ? dot + 1 : key;
    size_t distance = near_distance(word, span_str(with));
    if (distance < near->distance) {
        near->distance = distance;
        near->best = key;
    }
}
