/* Entries lie in one array in the order they were queued. A flush threads them into one chain per
 * destination (an open-addressing table maps a destination to its chain; a stamp instead of a clear
 * makes it empty), seals chain by chain into a slab of output bytes, and gives the slab to the sink
 * whenever it or the vector is full.
 *
 * When the socket is full, entries that were not sent move to the backlog: cells of fixed size in a
 * ring, oldest first, with a map from (destination, key) to the cell of a DGRAM_LATEST message. At
 * the next flush the backlog goes first, through the same chains. */
#include "core/egress.h"

#include "base/check.h"
#include "base/err.h"
#include "base/hmap.h"
#include "base/mem.h"
#include "base/plant.h"
#include "base/slots.h"

#define VEC_MAX    256u              /* datagrams handed to the sink at once */
#define SLAB_BYTES (VEC_MAX * 1024u) /* their bytes */
#define PARTS_MAX  64u               /* spans of one packed datagram: messages and separators */
#define CELL_BYTES 1536u             /* largest message the backlog keeps */
#define SEALS_MAX  65536u
#define NONE       UINT32_MAX
_Static_assert(EGRESS_TEXT_MAX + SEAL_OVERHEAD_MAX <= SLAB_BYTES, "one datagram fits the slab");

struct entry {
    struct path path;
    struct span text;
    struct seal_ref seal;
    enum dgram_class class;
    uint64_t key;
    uint32_t next; /* of the same destination */
    bool done;
};

struct chain {
    uint32_t first, last;
    uint32_t next; /* chain, in order of first appearance */
};

struct seal {
    struct sealer *sealer;
    bool pack;
};

struct out {
    struct dgram_out v[VEC_MAX];
    uint32_t first[VEC_MAX], count[VEC_MAX]; /* entries that went into it */
    size_t n, used;
};

struct latest_key { /* hashed as bytes: no padding, zeroed tail */
    struct ref seal;
    uint64_t key;
    uint8_t ip[16];
    uint32_t sock_port;
    uint32_t scope;
};

struct cell {
    struct entry e;
    bool live;
    uint8_t bytes[CELL_BYTES];
};

struct egress {
    struct egress_cfg cfg;
    struct dgram_sink *sink;
    struct entropy *entropy;
    struct egress_stats stats;
    struct slots seals;
    struct entry *entries; /* queue_max, then room for the backlog's */
    struct chain *chains;
    uint32_t n;
    uint32_t *table, *stamps, stamp, mask;
    struct cell *cells; /* ring */
    uint32_t cells_max, cells_head, cells_n;
    struct hmap latest;
    struct out out;
    uint8_t *slab;
    size_t slab_peak; /* most of it that was ever in use: what has to be wiped */
};

int egress_create(struct egress **ret, const struct egress_cfg *cfg, struct dgram_sink *sink,
                  struct entropy *entropy)
{
    struct egress *e = mem_zalloc(1, sizeof *e);
    if (!e)
        return E_NOMEM;
    uint64_t seed[2];
    entropy_get(entropy, seed, sizeof seed);
    e->cfg = *cfg;
    e->sink = sink;
    e->entropy = entropy;
    e->cells_max = (uint32_t)(cfg->backlog_bytes_max / CELL_BYTES);
    size_t all = cfg->queue_max + e->cells_max;
    uint32_t table = 64;
    while (table < 2 * all)
        table *= 2;
    e->mask = table - 1;
    slots_init(&e->seals, sizeof(struct seal), SEALS_MAX);
    hmap_init(&e->latest, sizeof(struct latest_key), seed, e->cells_max);
    e->entries = mem_zalloc(all, sizeof *e->entries);
    e->chains = mem_zalloc(all, sizeof *e->chains);
    e->table = mem_zalloc(table, sizeof *e->table);
    e->stamps = mem_zalloc(table, sizeof *e->stamps);
    e->cells = mem_zalloc(e->cells_max, sizeof *e->cells);
    e->slab = mem_zalloc(SLAB_BYTES, 1);
    if (!e->entries || !e->chains || !e->table || !e->stamps || !e->cells || !e->slab ||
        hmap_reserve(&e->latest, e->cells_max)) {
        egress_destroy(e);
        return E_NOMEM;
    }
    *ret = e;
    return 0;
}

void egress_destroy(struct egress *e)
{
    if (!e)
        return;
    struct seal *s;
    for (uint32_t at = 0; (s = slots_next(&e->seals, &at, NULL));)
        sealer_destroy(s->sealer);
    slots_fini(&e->seals);
    hmap_fini(&e->latest);
    mem_free(e->entries);
    mem_free(e->chains);
    mem_free(e->table);
    mem_free(e->stamps);
    mem_free_secret(e->cells, e->cells ? e->cells_max * sizeof *e->cells : 0);
    mem_free_secret(e->slab, e->slab_peak);
    mem_free(e);
}

int egress_seal_open(struct egress *e, const struct seal_cfg *cfg, bool pack, struct seal_ref *ret)
{
    struct ref r;
    struct seal *s = slots_add(&e->seals, &r);
    if (!s)
        return E_NOMEM;
    int rc = sealer_create(&s->sealer, cfg, e->entropy);
    if (rc) {
        slots_del(&e->seals, r);
        return rc;
    }
    s->pack = pack;
    ret->r = r;
    e->stats.seals = e->seals.live;
    return 0;
}

void egress_seal_close(struct egress *e, struct seal_ref ref)
{
    struct seal *s = slots_get(&e->seals, ref.r);
    if (!s)
        return;
    sealer_destroy(s->sealer);
    slots_del(&e->seals, ref.r);
    e->stats.seals = e->seals.live;
}

int egress_queue(struct egress *e, const struct path *path, struct span text, struct seal_ref seal,
                 enum dgram_class class, uint64_t key)
{
    if (e->n >= e->cfg.queue_max || text.n > EGRESS_TEXT_MAX) {
        e->stats.dropped++;
        return E_FULL;
    }
    e->entries[e->n++] =
        (struct entry){.path = *path, .text = text, .seal = seal, .class = class, .key = key};
    return 0;
}

const struct egress_stats *egress_stats(const struct egress *e)
{
    return &e->stats;
}

/* ---- grouping ---- */

static bool same_destination(const struct entry *a, const struct entry *b)
{
    return a->path.sock == b->path.sock && ref_eq(a->seal.r, b->seal.r) &&
           addr_eq(&a->path.peer, &b->path.peer);
}

static uint32_t destination_hash(const struct entry *a)
{
    uint64_t tail;
    memcpy(&tail, a->path.peer.ip + 8, sizeof tail);
    uint64_t h = tail ^ (uint64_t)a->path.peer.port << 17 ^ (uint64_t)a->seal.r.slot << 40;
    h *= UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> 32);
}

/* Threads n entries into chains; returns the number of chains. Destinations are hosts that logged
 * in, so the cheap hash here needs no key: nobody gains by colliding with himself. */
static uint32_t group(struct egress *e, uint32_t n)
{
    uint32_t chains = 0;
    if (++e->stamp == 0) {
        memset(e->stamps, 0, (e->mask + 1u) * sizeof *e->stamps);
        e->stamp = 1;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct entry *a = &e->entries[i];
        a->next = NONE;
        if (a->done) /* a backlog cell that was replaced or sent */
            continue;
        uint32_t at = destination_hash(a) & e->mask;
        while (e->stamps[at] == e->stamp &&
               !same_destination(&e->entries[e->chains[e->table[at]].first], a))
            at = (at + 1) & e->mask;
        if (e->stamps[at] != e->stamp) {
            e->stamps[at] = e->stamp;
            e->table[at] = chains;
            e->chains[chains++] = (struct chain){.first = i, .last = i};
        } else {
            struct chain *c = &e->chains[e->table[at]];
            e->entries[c->last].next = i;
            c->last = i;
        }
    }
    return chains;
}

/* ---- sealing and sending ---- */

static void mark_done(struct egress *e, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; count--; i = e->entries[i].next)
        e->entries[i].done = true;
}

/* Hands over what is sealed; false when the socket is full. Sealed but unsent datagrams are given
 * up: their messages stay undone and are sealed again later (a receiver's replay window has room).
 */
static bool give(struct egress *e)
{
    struct out *o = &e->out;
    size_t sent = o->n ? e->sink->send(e->sink, o->v, o->n) : 0;
    for (size_t i = 0; i < sent; i++) {
        if (!(PLANTED(SENT_TWICE_WHEN_FULL) && i + 1 == sent && sent < o->n))
            mark_done(e, o->first[i], o->count[i]);
        e->stats.datagrams++;
        e->stats.bytes += o->v[i].bytes.n;
        e->stats.messages += o->count[i];
        e->stats.packed += o->count[i] > 1 ? o->count[i] : 0;
    }
    bool all = sent == o->n;
    o->n = o->used = 0;
    return all;
}

/* Room for a datagram of n bytes in vector and slab; false when the socket is full. */
static bool make_room(struct egress *e, size_t n)
{
    return (e->out.n < VEC_MAX && n <= SLAB_BYTES - e->out.used) || give(e);
}

static void emit(struct egress *e, uint32_t first, uint32_t count, size_t size)
{
    struct out *o = &e->out;
    o->v[o->n] = (struct dgram_out){&e->entries[first].path, span_of(e->slab + o->used, size)};
    o->first[o->n] = first;
    o->count[o->n++] = count;
    o->used += size;
    if (o->used > e->slab_peak)
        e->slab_peak = o->used;
}

/* Collects the messages from i on that share one datagram; returns how many. */
static uint32_t collect(const struct egress *e, const struct seal *s, uint32_t i,
                        struct span parts[PARTS_MAX], size_t *parts_n, size_t *total)
{
    uint32_t count = 1;
    parts[0] = e->entries[i].text;
    *parts_n = 1;
    *total = parts[0].n;
    if (!s->pack)
        return 1;
    while ((i = e->entries[i].next) != NONE && *parts_n + 2 <= PARTS_MAX) {
        size_t with = *total + 1 + e->entries[i].text.n;
        if (sealer_size(s->sealer, with) > e->cfg.pack_bytes_max)
            break;
        parts[(*parts_n)++] = SPAN_LIT("\n");
        parts[(*parts_n)++] = e->entries[i].text;
        *total = with;
        count++;
    }
    return count;
}

/* One datagram from entry i on. Returns the number of entries it holds (dropped ones included), or
 * 0 when the socket is full. */
static uint32_t seal_one(struct egress *e, uint32_t i)
{
    const struct entry *a = &e->entries[i];
    if (ref_is_none(a->seal.r)) {
        if (!make_room(e, a->text.n))
            return 0;
        if (a->text.n)
            memcpy(e->slab + e->out.used, a->text.p, a->text.n);
        emit(e, i, 1, a->text.n);
        return 1;
    }
    const struct seal *s = slots_get(&e->seals, a->seal.r);
    if (!s) { /* its recipient has gone */
        mark_done(e, i, 1);
        return 1;
    }
    struct span parts[PARTS_MAX];
    size_t parts_n, total;
    uint32_t count = collect(e, s, i, parts, &parts_n, &total);
    size_t size = sealer_size(s->sealer, total);
    if (!make_room(e, size))
        return 0;
    int n = sealer_seal(s->sealer, parts, parts_n, e->slab + e->out.used, SLAB_BYTES - e->out.used);
    if (n < 0) {
        e->stats.seal_failed += count;
        mark_done(e, i, count);
    } else {
        emit(e, i, count, (size_t)n);
    }
    return count;
}

/* Seals and sends chain by chain; false when the socket is full. */
static bool send_chains(struct egress *e, uint32_t chains)
{
    for (uint32_t c = 0; c < chains; c++)
        for (uint32_t i = e->chains[c].first; i != NONE;) {
            uint32_t took = seal_one(e, i);
            if (took == 0)
                return false;
            while (took--)
                i = e->entries[i].next;
        }
    return give(e);
}

/* ---- backlog ---- */

static struct latest_key latest_key_of(const struct entry *a)
{
    struct latest_key k = {.seal = a->seal.r, .key = a->key, .scope = a->path.peer.scope};
    memcpy(k.ip, a->path.peer.ip, sizeof k.ip);
    k.sock_port = (uint32_t)a->path.sock << 16 | a->path.peer.port;
    return k;
}

static struct cell *cell_at(struct egress *e, uint32_t i)
{
    return &e->cells[(e->cells_head + i) % e->cells_max];
}

static void cell_forget(struct egress *e, struct cell *c)
{
    if (c->live && c->e.class == DGRAM_LATEST) {
        struct latest_key k = latest_key_of(&c->e);
        (void)hmap_del(&e->latest, &k);
    }
    c->live = false;
}

static void cell_fill(struct cell *c, const struct entry *a)
{
    if (a->text.n)
        memcpy(c->bytes, a->text.p, a->text.n);
    c->e = *a;
    c->e.text = span_of(c->bytes, a->text.n);
    c->live = true;
}

/* Keeps a copy of a message that could not be sent. */
static void keep(struct egress *e, const struct entry *a)
{
    if (a->text.n > CELL_BYTES || e->cells_max == 0) {
        e->stats.dropped++;
        return;
    }
    struct latest_key k = latest_key_of(a);
    uint64_t at;
    if (a->class == DGRAM_LATEST && hmap_get(&e->latest, &k, &at)) {
        cell_fill(&e->cells[at], a); /* keeps the older one's turn */
        e->stats.replaced++;
        return;
    }
    if (e->cells_n == e->cells_max) {
        e->stats.dropped += cell_at(e, 0)->live;
        cell_forget(e, cell_at(e, 0));
        e->cells_head = (e->cells_head + 1) % e->cells_max;
        e->cells_n--;
    }
    struct cell *c = cell_at(e, e->cells_n++);
    cell_fill(c, a);
    e->stats.delayed++;
    if (a->class == DGRAM_LATEST)
        CHECK(hmap_put(&e->latest, &k, (uint64_t)(c - e->cells)) == 0); /* reserved */
}

/* After a flush: cells that went are forgotten, new entries that did not go are kept. from: where
 * the backlog's entries begin in the array. */
static void settle(struct egress *e, uint32_t cells, uint32_t n)
{
    for (uint32_t i = 0; i < cells; i++)
        if (e->entries[i].done)
            cell_forget(e, cell_at(e, i));
    while (e->cells_n && !cell_at(e, 0)->live) {
        e->cells_head = (e->cells_head + 1) % e->cells_max;
        e->cells_n--;
    }
    for (uint32_t i = cells; i < n; i++)
        if (!e->entries[i].done)
            keep(e, &e->entries[i]);
}

bool egress_flush(struct egress *e)
{
    uint32_t cells = e->cells_n, n = e->n + cells;
    if (n == 0)
        return false;
    if (cells) { /* the backlog goes first */
        memmove(e->entries + cells, e->entries, e->n * sizeof *e->entries);
        for (uint32_t i = 0; i < cells; i++) {
            e->entries[i] = cell_at(e, i)->e;
            e->entries[i].done = !cell_at(e, i)->live;
        }
    }
    e->n = 0;
    (void)send_chains(e, group(e, n)); /* false: settle keeps what is left */
    e->out.n = e->out.used = 0;
    settle(e, cells, n);
    return e->cells_n > 0;
}
