/* A bump arena of fixed size: memory for one batch or tick, freed all at once by a reset. */
#ifndef SLIPGATE_BASE_ARENA_H
#define SLIPGATE_BASE_ARENA_H

#include "base/mem.h"

struct arena {
    uint8_t *p;
    size_t cap, n;
    size_t peak; /* most of it that was ever in use: what has to be wiped */
};

/* E_NOMEM is told by a NULL p: returns false. */
MUST_USE static inline bool arena_init(struct arena *a, size_t cap)
{
    *a = (struct arena){.p = mem_zalloc(cap, 1), .cap = cap};
    return a->p != NULL;
}

static inline void arena_fini(struct arena *a)
{
    mem_free_secret(a->p, a->peak);
    *a = (struct arena){0};
}

static inline void arena_reset(struct arena *a)
{
    a->n = 0;
}

/* n bytes, not aligned, or NULL when the arena is used up. */
static inline uint8_t *arena_take(struct arena *a, size_t n)
{
    if (n > a->cap - a->n)
        return NULL;
    a->n += n;
    a->peak = a->n > a->peak ? a->n : a->peak;
    return a->p + a->n - n;
}

/* Gives back the end of the last piece taken. */
static inline void arena_give(struct arena *a, size_t n)
{
    a->n -= n;
}

#endif
