/* Hash map from fixed-size keys to 64-bit values. The hash is keyed (SipHash-1-3), so a peer who
 * picks keys cannot pick collisions; iteration is in insertion order, so it never depends on the
 * seed. Memory follows the number of live entries up and, with the next insert, down again. Keys
 * are wiped when their entry goes: they may be secret. */
#ifndef SLIPGATE_BASE_HMAP_H
#define SLIPGATE_BASE_HMAP_H

#include "base/types.h"

struct hmap {
    size_t key_size, stride;
    uint64_t seed[2];
    uint32_t max, live;
    uint32_t used, entries_cap; /* entries in insertion order, dead ones included */
    uint32_t entries_min;       /* entries_cap never falls below; 0: nothing was reserved */
    uint32_t table_cap;         /* power of two, or 0 before the first insert */
    uint8_t *entries;
    uint32_t *table; /* 1 + entry number, 0 for empty; dead entries keep their place */
};

/* key_size: 1 to 64 bytes; max: ceiling of live entries. */
void hmap_init(struct hmap *m, size_t key_size, const uint64_t seed[2], uint32_t max);
void hmap_fini(struct hmap *m);
/* Takes the memory for n live entries now: inserts up to that many neither allocate nor fail.
 * E_NOMEM. */
MUST_USE int hmap_reserve(struct hmap *m, uint32_t n);
/* Inserts or replaces. E_FULL, E_NOMEM (nothing changed then). */
MUST_USE int hmap_put(struct hmap *m, const void *key, uint64_t value);
bool hmap_get(const struct hmap *m, const void *key, uint64_t *ret);
bool hmap_del(struct hmap *m, const void *key);
/* Walks in insertion order: start with *at = 0; false at the end. Deleting while walking is fine
 * (the key pointed to goes with its entry), inserting is not. */
bool hmap_next(const struct hmap *m, uint32_t *at, const void **key, uint64_t *value);

uint64_t siphash13(const uint64_t seed[2], const void *p, size_t n);

#endif
