#include "base/slots.h"

#include "base/check.h"
#include "base/mem.h"

#define CHUNK 64u

struct slots_meta {
    uint32_t gen;
    uint32_t next_free; /* as free_head */
    bool live;
};

void slots_init(struct slots *s, size_t size, uint32_t max)
{
    /* Rounded up so that every object of a chunk is aligned for anything. */
    size_t align = _Alignof(max_align_t);
    *s = (struct slots){.size = (size + align - 1) / align * align, .max = max};
}

void slots_fini(struct slots *s)
{
    for (uint32_t i = 0; i * CHUNK < s->cap; i++)
        mem_free(s->chunks[i]);
    mem_free(s->chunks);
    mem_free(s->meta);
    slots_init(s, s->size, s->max);
}

static void *object(const struct slots *s, uint32_t slot)
{
    return s->chunks[slot / CHUNK] + (size_t)(slot % CHUNK) * s->size;
}

/* One chunk more; its slots join the free list in rising order. */
static bool grow(struct slots *s)
{
    if (s->cap >= s->max)
        return false;
    struct slots_meta *meta = mem_resize(s->meta, s->cap + CHUNK, sizeof *meta);
    if (!meta)
        return false;
    s->meta = meta;
    uint8_t **chunks = mem_resize(s->chunks, s->cap / CHUNK + 1, sizeof *chunks);
    if (!chunks)
        return false;
    s->chunks = chunks;
    chunks[s->cap / CHUNK] = mem_zalloc(CHUNK, s->size);
    if (!chunks[s->cap / CHUNK])
        return false;
    for (uint32_t i = CHUNK; i-- > 0;) {
        meta[s->cap + i] = (struct slots_meta){.gen = 1, .next_free = s->free_head};
        s->free_head = s->cap + i + 1;
    }
    s->cap += CHUNK;
    return true;
}

void *slots_add(struct slots *s, struct ref *ret)
{
    if (s->live >= s->max || (!s->free_head && !grow(s)))
        return NULL;
    uint32_t slot = s->free_head - 1;
    s->free_head = s->meta[slot].next_free;
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

void slots_del(struct slots *s, struct ref r)
{
    void *o = slots_get(s, r);
    CHECK(o);
    mem_wipe(o, s->size);
    struct slots_meta *m = &s->meta[r.slot];
    m->live = false;
    if (++m->gen == 0)
        m->gen = 1;
    m->next_free = s->free_head;
    s->free_head = r.slot + 1;
    s->live--;
}

void *slots_next(const struct slots *s, uint32_t *at, struct ref *ret)
{
    for (; *at < s->cap; (*at)++)
        if (s->meta[*at].live) {
            uint32_t slot = (*at)++;
            if (ret)
                *ret = (struct ref){slot, s->meta[slot].gen};
            return object(s, slot);
        }
    return NULL;
}
