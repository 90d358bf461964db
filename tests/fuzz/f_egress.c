/* Datagram egress from a list of events against a plain model: messages for a few destinations
 * under seals of each kind, seals that go, a socket that takes so many datagrams and no more,
 * flushes. What the socket gets is opened and must be, message for message and in order, what the
 * model sends; the backlog, its replacing and its ceiling show in what comes later and in the
 * counters. */
#include "fuzz.h"

#include "base/err.h"
#include "core/egress.h"

#define QUEUE_MAX  24u
#define CELLS_MAX  4u
#define CELL_BYTES 1536u /* as core/egress.c */
#define PACK_BYTES 400u
#define PACKED_MAX 32u /* messages in a datagram */
#define SEALS      5u
#define PEERS      3u

struct message {
    unsigned number;
    size_t n;
    uint8_t peer, key;
    int seal; /* which opening of a seal; -1: none */
    bool latest, live, done;
};

struct opening {
    struct seal_ref ref;
    struct opener *opener;
    enum seal_kind kind;
    bool pack, live;
};

struct world {
    struct dgram_sink sink;
    struct entropy entropy;
    struct egress *e;
    struct opening open[64];
    int open_n, current[SEALS];
    struct message queue[QUEUE_MAX + CELLS_MAX], cell[CELLS_MAX];
    uint8_t *text[QUEUE_MAX]; /* lent to the egress until the flush */
    size_t queue_n, cell_n, room, expect_n, sent_n;
    struct { /* what the model wants sent, a datagram an element */
        struct message m[PACKED_MAX];
        size_t n;
    } expect[QUEUE_MAX + CELLS_MAX];
    struct egress_stats stats;
    unsigned numbers;
};

static void fill(struct entropy *e, void *to, size_t n)
{
    (void)e;
    memset(to, 0x42, n);
}

static struct path path_of(uint8_t peer)
{
    uint8_t ip[4] = {192, 0, 2, (uint8_t)(peer / 2)};
    return (struct path){.sock = 1, .peer = addr_v4(ip, (uint16_t)(1000 + peer))};
}

static uint8_t *text_of(const struct message *m)
{
    uint8_t *p = fuzz_alloc(m->n);
    for (size_t i = 0; i < m->n; i++)
        p[i] = (uint8_t)('a' + (m->number >> (i % 4 * 4) & 15));
    return p;
}

/* ---- the socket ---- */

static void compare(struct world *w, const struct dgram_out *d, size_t at)
{
    uint8_t *opened = fuzz_alloc(d->bytes.n);
    struct span text = d->bytes;
    const struct message *first = &w->expect[at].m[0];
    struct path path = path_of(first->peer);
    MUST(at < w->expect_n && addr_eq(&d->path->peer, &path.peer));
    if (first->seal >= 0 && w->open[first->seal].opener) {
        int n = opener_open(w->open[first->seal].opener, text, opened, text.n);
        MUST(n >= 0);
        text = span_of(opened, (size_t)n);
    } else if (first->seal >= 0) {
        MUST(text.n && text.p[--text.n] == '\n');
    }
    for (size_t i = 0; i < w->expect[at].n; i++) {
        const struct message *m = &w->expect[at].m[i];
        uint8_t *want = text_of(m);
        if (i) {
            MUST(text.n && text.p[0] == '\n');
            text = span_skip(text, 1);
        }
        MUST(text.n >= m->n && (m->n == 0 || memcmp(text.p, want, m->n) == 0));
        text = span_skip(text, m->n);
        free(want);
    }
    MUST(text.n == 0);
    free(opened);
}

static size_t sink_send(struct dgram_sink *sink, const struct dgram_out *v, size_t n)
{
    struct world *w = CONTAINER_OF(sink, struct world, sink);
    size_t take = n < w->room ? n : w->room;
    MUST(n == w->expect_n);
    for (size_t i = 0; i < take; i++)
        compare(w, &v[i], i);
    w->room -= take;
    w->sent_n = take;
    return take;
}

/* ---- the model's flush ---- */

static size_t sealed_size(const struct world *w, const struct message *m, size_t n)
{
    enum seal_kind kind = w->open[m->seal].kind;
    return kind == SEAL_GCM ? n + 36 : n + SEAL_OVERHEAD_MAX; /* only GCM packs here */
}

static bool same_destination(const struct message *a, const struct message *b)
{
    return a->seal == b->seal && a->peer == b->peer;
}

/* Chain by chain in the order of first appearance, each in order. */
static void plan(struct world *w, size_t n)
{
    bool planned[QUEUE_MAX + CELLS_MAX] = {false};
    w->expect_n = 0;
    for (size_t i = 0; i < n; i++) {
        if (w->queue[i].done)
            continue;
        for (size_t k = i, open = SIZE_MAX, total = 0; k < n; k++) {
            struct message *m = &w->queue[k];
            if (planned[k] || m->done || !same_destination(m, &w->queue[i]))
                continue;
            planned[k] = true;
            if (m->seal >= 0 && !w->open[m->seal].live) {
                m->done = true; /* its recipient has gone */
                continue;
            }
            bool joins = open != SIZE_MAX && w->open[m->seal].pack &&
                         w->expect[open].n < PACKED_MAX &&
                         sealed_size(w, m, total + 1 + m->n) <= PACK_BYTES;
            if (!joins) {
                open = w->expect_n++;
                w->expect[open].n = total = 0;
            }
            total += m->n + joins;
            w->expect[open].m[w->expect[open].n++] = *m;
            if (m->seal < 0 || !w->open[m->seal].pack)
                open = SIZE_MAX;
        }
    }
}

static bool same_latest(const struct message *a, const struct message *b)
{
    return a->latest && b->latest && a->key == b->key && same_destination(a, b);
}

static void keep(struct world *w, const struct message *m)
{
    if (m->n > CELL_BYTES) {
        w->stats.dropped++;
        return;
    }
    for (size_t i = 0; i < w->cell_n; i++)
        if (w->cell[i].live && same_latest(&w->cell[i], m)) {
            w->cell[i] = *m;
            w->cell[i].live = true;
            w->stats.replaced++;
            return;
        }
    if (w->cell_n == CELLS_MAX) {
        w->stats.dropped += w->cell[0].live;
        memmove(w->cell, w->cell + 1, --w->cell_n * sizeof *w->cell);
    }
    w->cell[w->cell_n] = *m;
    w->cell[w->cell_n++].live = true;
    w->stats.delayed++;
}

static void count_sent(struct world *w, size_t cells)
{
    for (size_t i = 0; i < w->sent_n; i++) {
        w->stats.datagrams++;
        w->stats.messages += w->expect[i].n;
        w->stats.packed += w->expect[i].n > 1 ? w->expect[i].n : 0;
        for (size_t k = 0; k < w->expect[i].n; k++)
            for (size_t q = 0; q < cells + w->queue_n; q++)
                w->queue[q].done |= w->queue[q].number == w->expect[i].m[k].number;
    }
}

static void flush(struct world *w)
{
    size_t cells = w->cell_n, n = w->queue_n;
    memmove(w->queue + cells, w->queue, n * sizeof *w->queue);
    memcpy(w->queue, w->cell, cells * sizeof *w->queue);
    for (size_t i = 0; i < cells; i++)
        w->queue[i].done = !w->cell[i].live;
    plan(w, cells + n);
    w->sent_n = 0;
    bool waiting = egress_flush(w->e);
    count_sent(w, cells);
    for (size_t i = 0; i < cells; i++)
        w->cell[i].live &= !w->queue[i].done;
    while (w->cell_n && !w->cell[0].live)
        memmove(w->cell, w->cell + 1, --w->cell_n * sizeof *w->cell);
    for (size_t i = cells; i < cells + n; i++)
        if (!w->queue[i].done)
            keep(w, &w->queue[i]);
    for (size_t i = 0; i < n; i++)
        free(w->text[i]);
    w->queue_n = 0;
    MUST(waiting == (w->cell_n > 0));
}

/* ---- events ---- */

static void queue(struct world *w, struct span *in)
{
    static const size_t sizes[] = {0, 1, 20, 60, 181, 363, 364, 365, CELL_BYTES, CELL_BYTES + 1};
    uint8_t what = fuzz_byte(in), more = fuzz_byte(in);
    struct message m = {.number = ++w->numbers, .peer = what % PEERS, .key = what / 64};
    m.n = more & 1 ? sizes[more / 2 % ARRAY_LEN(sizes)] : more / 2;
    m.latest = what & 32;
    m.seal = what / 4 % 8 < SEALS ? w->current[what / 4 % 8] : -1;
    struct path path = path_of(m.peer);
    uint8_t *text = text_of(&m);
    int rc = egress_queue(w->e, &path, span_of(text, m.n),
                          m.seal >= 0 ? w->open[m.seal].ref : SEAL_REF_NONE,
                          m.latest ? DGRAM_LATEST : DGRAM_EVENT, m.key);
    MUST(rc == (w->queue_n == QUEUE_MAX ? E_FULL : 0));
    w->stats.dropped += rc != 0;
    if (rc) {
        free(text);
        return;
    }
    w->text[w->queue_n] = text;
    w->queue[w->queue_n++] = m;
}

static void close_seal(struct world *w, int at)
{
    egress_seal_close(w->e, w->open[at].ref);
    egress_seal_close(w->e, w->open[at].ref); /* stale: fine */
    w->open[at].live = false;
}

static void open_seal(struct world *w, unsigned which)
{
    static const struct {
        enum seal_kind kind;
        size_t key;
        bool pack;
    } rows[SEALS] = {{SEAL_PLAIN_LF, 0, false},
                     {SEAL_GCM, SEAL_GCM_KEY, true},
                     {SEAL_GCM, SEAL_GCM_KEY, false},
                     {SEAL_CBC, SEAL_CBC_KEY, false},
                     {SEAL_CBC_HMAC, SEAL_CBC_HMAC_KEY, false}};
    static const uint8_t key[SEAL_CBC_HMAC_KEY] = {5};
    if (w->open_n == (int)ARRAY_LEN(w->open))
        return;
    struct seal_cfg cfg = {.kind = rows[which].kind, .key = span_of(key, rows[which].key)};
    struct opening *o = &w->open[w->open_n];
    *o = (struct opening){.kind = cfg.kind, .pack = rows[which].pack, .live = true};
    MUST(egress_seal_open(w->e, &cfg, o->pack, &o->ref) == 0);
    MUST(which == 0 || opener_create(&o->opener, &cfg) == 0);
    w->current[which] = w->open_n++;
}

static void check(const struct world *w)
{
    const struct egress_stats *s = egress_stats(w->e);
    MUST(s->messages == w->stats.messages && s->datagrams == w->stats.datagrams);
    MUST(s->packed == w->stats.packed && s->delayed == w->stats.delayed);
    MUST(s->replaced == w->stats.replaced && s->dropped == w->stats.dropped && s->seal_failed == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    struct span in = span_of(data, size);
    const struct egress_cfg cfg = {QUEUE_MAX, CELLS_MAX * CELL_BYTES, PACK_BYTES};
    w = (struct world){.sink.send = sink_send, .room = SIZE_MAX};
    entropy_init(&w.entropy, fill);
    MUST(egress_create(&w.e, &cfg, &w.sink, &w.entropy) == 0);
    for (unsigned i = 0; i < SEALS; i++)
        open_seal(&w, i);
    while (in.n) {
        uint8_t what = fuzz_byte(&in);
        if (what < 160) {
            queue(&w, &in);
        } else if (what < 200) {
            flush(&w);
        } else if (what < 232) {
            w.room = what % 4 == 3 ? SIZE_MAX : what % 4;
        } else {
            close_seal(&w, w.current[what % SEALS]);
            if (what & 1)
                open_seal(&w, what % SEALS);
        }
        check(&w);
    }
    w.room = SIZE_MAX;
    flush(&w);
    flush(&w);
    check(&w);
    MUST(w.cell_n == 0);
    egress_destroy(w.e);
    for (int i = 0; i < w.open_n; i++)
        opener_destroy(w.open[i].opener);
    return 0;
}
