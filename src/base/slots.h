/* A slab of equal objects named by generation handles. Objects never move, slot numbers are small
 * and dense (always below max; low ones are used first), and the handle of a freed object finds
 * nothing. Memory is taken in chunks and given back when a chunk is empty; one empty chunk is kept.
 */
#ifndef SLIPGATE_BASE_SLOTS_H
#define SLIPGATE_BASE_SLOTS_H

#include "base/types.h"

struct slots {
    size_t size;        /* bytes of one object */
    uint32_t max, live; /* ceiling; objects in use */
    uint32_t cap;       /* slots numbered so far; their generations are kept for good */
    uint32_t room_from; /* no chunk before this one has a free slot */
    uint32_t spare;     /* 1 + the empty chunk that keeps its memory, 0 for none */
    struct slots_meta *meta;
    struct slots_chunk *chunks;
};

void slots_init(struct slots *s, size_t size, uint32_t max);
void slots_fini(struct slots *s); /* frees everything; contents are the caller's business */
/* A zeroed object and its handle; NULL at the ceiling or when memory is short. */
MUST_USE void *slots_add(struct slots *s, struct ref *ret);
/* The object, or NULL for a stale, forged or empty handle. */
void *slots_get(const struct slots *s, struct ref r);
/* The handle must be live. Wipes the object. */
void slots_del(struct slots *s, struct ref r);
/* Walks live objects in slot order: start with *at = 0; NULL at the end. Adding and deleting while
 * walking is fine; what was added may or may not be met. */
void *slots_next(const struct slots *s, uint32_t *at, struct ref *ret);

#endif
