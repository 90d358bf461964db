#include "client/hold.h"

#include "base/check.h"
#include "base/mem.h"

#define CAP_START 32u

struct sgc_held {
    enum sgc_direction direction;
    enum sgc_arrival how;
    size_t n;
    uint8_t bytes[SGC_DATAGRAM_MAX];
};

struct sgc_due {
    nsec at;
    uint64_t number; /* equal times: in the order in which they came */
    uint32_t slot;
};

void sgc_hold_init(struct sgc_hold *h, const struct sgc_profile *p, uint64_t seed, bool keep_lost)
{
    struct rng seeds = {seed};
    *h = (struct sgc_hold){.keep_lost = keep_lost};
    impair_init(&h->way[SGC_UP], &p->up, rng_next(&seeds));
    impair_init(&h->way[SGC_DOWN], &p->down, rng_next(&seeds));
}

void sgc_hold_fini(struct sgc_hold *h)
{
    mem_free(h->slots);
    mem_free(h->queue);
    h->slots = NULL;
    h->queue = NULL;
    h->n = h->cap = 0;
}

void sgc_hold_clear(struct sgc_hold *h)
{
    h->n = 0; /* whatever its order, the queue names each slot once */
}

static bool grow(struct sgc_hold *h)
{
    uint32_t cap = h->cap ? 2 * h->cap : CAP_START;
    if (cap > SLIPGATE_LINK_HELD_MAX)
        return false;
    struct sgc_due *queue = mem_resize(h->queue, cap, sizeof *queue);
    if (!queue)
        return false;
    h->queue = queue;
    struct sgc_held *slots = mem_resize(h->slots, cap, sizeof *slots);
    if (!slots)
        return false;
    h->slots = slots;
    for (uint32_t i = h->cap; i < cap; i++)
        h->queue[i].slot = i;
    h->cap = cap;
    return true;
}

/* ---- the heap ---- */

static bool before(const struct sgc_due *a, const struct sgc_due *b)
{
    return a->at != b->at ? a->at < b->at : a->number < b->number;
}

static void swap(struct sgc_due *a, struct sgc_due *b)
{
    struct sgc_due t = *a;
    *a = *b;
    *b = t;
}

static void push(struct sgc_hold *h, nsec at)
{
    struct sgc_due *q = h->queue;
    uint32_t i = h->n++;
    q[i].at = at;
    q[i].number = h->count++;
    for (; i > 0 && before(&q[i], &q[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&q[i], &q[(i - 1) / 2]);
}

/* The first one becomes the first behind the heap: its slot is free. */
static void pop(struct sgc_hold *h)
{
    struct sgc_due *q = h->queue;
    uint32_t n = --h->n, i = 0;
    swap(&q[0], &q[n]);
    for (;;) {
        uint32_t least = i, left = 2 * i + 1, right = left + 1;
        if (left < n && before(&q[left], &q[least]))
            least = left;
        if (right < n && before(&q[right], &q[least]))
            least = right;
        if (least == i)
            return;
        swap(&q[i], &q[least]);
        i = least;
    }
}

/* ---- in and out ---- */

static bool place(struct sgc_hold *h, enum sgc_direction d, enum sgc_arrival how, nsec at,
                  struct span datagram)
{
    if (h->n == h->cap && !grow(h))
        return false;
    struct sgc_held *slot = &h->slots[h->queue[h->n].slot];
    slot->direction = d;
    slot->how = how;
    slot->n = datagram.n;
    if (datagram.n)
        memcpy(slot->bytes, datagram.p, datagram.n);
    push(h, at);
    return true;
}

/* Where a lost one would have been: behind those that arrive before it, so that opening it does not
 * move a replay window too early. */
static void keep_lost(struct sgc_hold *h, nsec now, struct span datagram)
{
    const struct impair *way = &h->way[SGC_DOWN];
    nsec at = now + (nsec)way->profile.delay_us * 1000;
    (void)place(h, SGC_DOWN, SGC_LOST, at > way->last_at ? at : way->last_at, datagram);
}

bool sgc_hold_put(struct sgc_hold *h, enum sgc_direction d, uint64_t now_us, struct span datagram)
{
    nsec at[IMPAIR_COPIES_MAX], now = now_us * 1000;
    CHECK(datagram.n <= SGC_DATAGRAM_MAX);
    unsigned copies = impair_decide(&h->way[d], now, datagram.n + SGC_HOLD_HEADERS, at);
    bool placed = false;
    h->taken[d]++;
    for (unsigned i = 0; i < copies; i++)
        placed |= place(h, d, copies > 1 ? SGC_TWIN : SGC_ARRIVED, at[i], datagram);
    h->unplaced[d] += copies > 0 && !placed;
    if (!placed && h->keep_lost && d == SGC_DOWN)
        keep_lost(h, now, datagram);
    return placed;
}

uint64_t sgc_hold_due_us(const struct sgc_hold *h)
{
    return h->n ? h->queue[0].at / 1000 + (h->queue[0].at % 1000 > 0) : UINT64_MAX;
}

bool sgc_hold_take(struct sgc_hold *h, uint64_t now_us, struct sgc_arriving *ret)
{
    if (now_us < sgc_hold_due_us(h) || h->n == 0)
        return false;
    /* A copy: what the receiver does may hand in more, and the slots may move. */
    const struct sgc_held *slot = &h->slots[h->queue[0].slot];
    if (slot->n)
        memcpy(h->out, slot->bytes, slot->n);
    *ret = (struct sgc_arriving){slot->direction, slot->how, span_of(h->out, slot->n)};
    pop(h);
    return true;
}

void sgc_hold_stats(const struct sgc_hold *h, struct slipgate_stats *s)
{
    const struct impair *up = &h->way[SGC_UP], *down = &h->way[SGC_DOWN];
    s->link_up = h->taken[SGC_UP];
    s->link_up_lost = up->lost + up->queue_full + h->unplaced[SGC_UP];
    s->link_up_doubled = up->duplicated;
    s->link_down = h->taken[SGC_DOWN];
    s->link_down_lost = down->lost + down->queue_full + h->unplaced[SGC_DOWN];
    s->link_down_doubled = down->duplicated;
}
