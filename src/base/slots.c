/* Each chunk has a free list of its own, threaded through the slots' records, and the lowest chunk
 * with room is used first: so a crowd that has gone leaves its chunks empty, not each with somebody
 * in it. */
#include "base/slots.h"

#include "base/check.h"
#include "base/mem.h"

#define CHUNK 64u

struct slots_meta {
    uint32_t gen;
    uint32_t next_free; /* as free_head */
    bool live;
};

struct slots_chunk {
    uint8_t *objects; /* NULL while empty and not the spare one */
    uint32_t live;
    uint32_t free_head; /* 1 + first free slot, 0 for none */
};

void slots_init(struct slots *s, size_t size, uint32_t max)
{
    /* Rounded up so that every object of a chunk is aligned for anything. */
    size_t align = _Alignof(max_align_t);
    *s = (struct slots){.size = (size + align - 1) / align * align, .max = max};
}

void slots_fini(struct slots *s)
{
    for (uint32_t c = 0; c < s->cap / CHUNK; c++)
        mem_free_secret(s->chunks[c].objects, CHUNK * s->size);
    mem_free(s->chunks);
    mem_free(s->meta);
    slots_init(s, s->size, s->max);
}

static void *object(const struct slots *s, uint32_t slot)
{
    return s->chunks[slot / CHUNK].objects + (size_t)(slot % CHUNK) * s->size;
}

/* One chunk more, as yet without memory; its free list is in rising order. */
static bool grow(struct slots *s)
{
    if (s->cap >= s->max)
        return false;
    struct slots_meta *meta = mem_resize(s->meta, s->cap + CHUNK, sizeof *meta);
    if (!meta)
        return false;
    s->meta = meta;
    struct slots_chunk *chunks = mem_resize(s->chunks, s->cap / CHUNK + 1, sizeof *chunks);
    if (!chunks)
        return false;
    s->chunks = chunks;
    chunks[s->cap / CHUNK] = (struct slots_chunk){.free_head = s->cap + 1};
    for (uint32_t i = 0; i < CHUNK; i++)
        meta[s->cap + i] =
            (struct slots_meta){.gen = 1, .next_free = i + 1 < CHUNK ? s->cap + i + 2 : 0};
    s->cap += CHUNK;
    return true;
}

/* The lowest chunk with a free slot, with memory; NULL when there is none to be had. */
static struct slots_chunk *chunk_with_room(struct slots *s)
{
    while (s->room_from < s->cap / CHUNK && !s->chunks[s->room_from].free_head)
        s->room_from++;
    if (s->room_from == s->cap / CHUNK && !grow(s))
        return NULL;
    struct slots_chunk *c = &s->chunks[s->room_from];
    if (!c->objects && !(c->objects = mem_zalloc(CHUNK, s->size)))
        return NULL;
    if (s->spare == s->room_from + 1)
        s->spare = 0;
    return c;
}

void *slots_add(struct slots *s, struct ref *ret)
{
    struct slots_chunk *c = s->live < s->max ? chunk_with_room(s) : NULL;
    if (!c)
        return NULL;
    uint32_t slot = c->free_head - 1;
    c->free_head = s->meta[slot].next_free;
    c->live++;
    s->meta[slot].live = true;
    s->live++;
    *ret = (struct ref){slot, s->meta[slot].gen};
    return object(s, slot);
}

void *slots_get(const struct slots *s, struct ref r)
{
    if (r.slot >= s->cap || s->meta[r.slot].gen != r.gen || !s->meta[r.slot].live)
        return NULL;
    return object(s, r.slot);
}

/* Of two empty chunks the lower one keeps its memory: it is used again first. */
static void keep_one_spare(struct slots *s, uint32_t empty)
{
    uint32_t other = s->spare ? s->spare - 1 : empty;
    uint32_t keep = other < empty ? other : empty, give = other < empty ? empty : other;
    s->spare = keep + 1;
    if (give != keep) {
        mem_free(s->chunks[give].objects);
        s->chunks[give].objects = NULL;
    }
}

void slots_del(struct slots *s, struct ref r)
{
    void *o = slots_get(s, r);
    CHECK(o);
    mem_wipe(o, s->size);
    struct slots_meta *m = &s->meta[r.slot];
    uint32_t number = r.slot / CHUNK;
    struct slots_chunk *c = &s->chunks[number];
    m->live = false;
    if (++m->gen == 0)
        m->gen = 1;
    m->next_free = c->free_head;
    c->free_head = r.slot + 1;
    s->live--;
    if (number < s->room_from)
        s->room_from = number;
    if (--c->live == 0)
        keep_one_spare(s, number);
}

void *slots_next(const struct slots *s, uint32_t *at, struct ref *ret)
{
    while (*at < s->cap) {
        if (s->chunks[*at / CHUNK].live == 0) {
            *at = (*at / CHUNK + 1) * CHUNK;
            continue;
        }
        uint32_t slot = (*at)++;
        if (!s->meta[slot].live)
            continue;
        if (ret)
            *ret = (struct ref){slot, s->meta[slot].gen};
        return object(s, slot);
    }
    return NULL;
}
