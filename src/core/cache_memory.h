/* The cache (core/cache.h) in the memory of one process. What it holds is bounded in number and
 * bytes; past that a put answers E_FULL, and nothing that lives is thrown out for it: a claim or a
 * count that vanished early would be worse than one that is refused. Never down. */
#ifndef SLIPGATE_CORE_CACHE_MEMORY_H
#define SLIPGATE_CORE_CACHE_MEMORY_H

#include "base/entropy.h"
#include "core/cache.h"
#include "core/loop.h"

struct cache_memory;

struct cache_memory_cfg {
    struct loop *loop;
    struct entropy *entropy;           /* keys come from players: they are hashed with a seed */
    uint32_t entries_max, answers_max; /* 0: 65536 held; 4096 not yet answered */
    size_t bytes_max;                  /* 0: 16 MiB of keys and values */
};

/* loop outlives it. E_NOMEM, E_IO. */
MUST_USE int cache_memory_create(struct cache_memory **ret, const struct cache_memory_cfg *);
struct cache *cache_memory_port(struct cache_memory *);
/* Answers what is due and refuses from then on with E_IO. NULL and a second call are fine. */
void cache_memory_close(struct cache_memory *);
void cache_memory_destroy(struct cache_memory *); /* NULL is fine */

/* What it holds; expired entries go with the first call behind their end. */
uint32_t cache_memory_entries(const struct cache_memory *);
size_t cache_memory_bytes(const struct cache_memory *);

#endif
