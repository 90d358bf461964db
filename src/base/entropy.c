#include "base/entropy.h"

#include "base/mem.h"

void entropy_init(struct entropy *e, void (*fill)(struct entropy *, void *, size_t))
{
    e->fill = fill;
    e->left = 0;
}

void entropy_fini(struct entropy *e)
{
    mem_wipe(e->pool, sizeof e->pool);
    e->left = 0;
}

void entropy_get(struct entropy *e, void *to, size_t n)
{
    if (n > sizeof e->pool / 4) {
        e->fill(e, to, n);
        return;
    }
    if (e->left < n) {
        e->fill(e, e->pool, sizeof e->pool);
        e->left = sizeof e->pool;
    }
    uint8_t *from = e->pool + sizeof e->pool - e->left;
    memcpy(to, from, n);
    mem_wipe(from, n);
    e->left -= n;
}
