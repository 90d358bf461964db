/* What both egress tests share: an egress over a socket that is an array, with room for as many
 * datagrams as a test says. egress.c is part of this header, so that its flush counter can be set
 * and its sealing made to fail. */
#ifndef SLIPGATE_TESTS_FIXTURE_EGRESS_H
#define SLIPGATE_TESTS_FIXTURE_EGRESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "sim/alloc_fault.h"
#include "wire/seal.h"

#include <stdio.h>
#include <stdlib.h>

static inline int seal_or_fail(struct sealer *s, const struct span *parts, size_t n, uint8_t *to,
                               size_t cap);
#define sealer_seal seal_or_fail
#include "core/egress.c"
#undef sealer_seal

static unsigned seals_to_fail;

static inline int seal_or_fail(struct sealer *s, const struct span *parts, size_t n, uint8_t *to,
                               size_t cap)
{
    if (seals_to_fail > 0) {
        seals_to_fail--;
        return E_CRYPTO;
    }
    return sealer_seal(s, parts, n, to, cap);
}

#define SENT_MAX 9000u

struct sent {
    struct path path;
    size_t n;
    uint8_t *bytes;
};

struct fixture {
    struct dgram_sink sink;
    struct entropy entropy;
    struct rng rng;
    struct egress *e;
    size_t room; /* datagrams the socket still takes */
    unsigned calls;
    struct sent sent[SENT_MAX];
    size_t sent_n;
};

static inline size_t sink_send(struct dgram_sink *sink, const struct dgram_out *v, size_t n)
{
    struct fixture *x = CONTAINER_OF(sink, struct fixture, sink);
    size_t i = 0;
    assert_in_range(n, 1, VEC_MAX);
    x->calls++;
    for (; i < n && x->room > 0; i++, x->room--) {
        assert_true(x->sent_n < SENT_MAX);
        struct sent *s = &x->sent[x->sent_n++];
        *s = (struct sent){.path = *v[i].path, .n = v[i].bytes.n};
        s->bytes = alloc_own(s->n ? s->n : 1);
        memcpy(s->bytes, v[i].bytes.p, s->n);
    }
    return i;
}

static inline void fill(struct entropy *e, void *to, size_t n)
{
    struct fixture *x = CONTAINER_OF(e, struct fixture, entropy);
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)to)[i] = (uint8_t)rng_next(&x->rng);
}

static inline void forget(struct fixture *x)
{
    for (size_t i = 0; i < x->sent_n; i++)
        alloc_own_free(x->sent[i].bytes);
    x->sent_n = 0;
    x->calls = 0;
}

static inline void reopen(struct fixture *x, size_t queue, size_t backlog_cells, size_t pack)
{
    struct egress_cfg cfg = {queue, backlog_cells * CELL_BYTES, pack};
    egress_destroy(x->e);
    x->e = NULL;
    if (egress_create(&x->e, &cfg, &x->sink, &x->entropy) != 0) {
        fail_msg("no egress");
        abort(); /* not reached; analyzers do not know that */
    }
}

static inline int setup(void **state)
{
    struct fixture *x = alloc_own(sizeof *x);
    x->sink.send = sink_send;
    x->rng.state = 3;
    x->room = SIZE_MAX;
    entropy_init(&x->entropy, fill);
    reopen(x, 4096, 8, 1200);
    *state = x;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *x = *state;
    forget(x);
    egress_destroy(x->e);
    alloc_own_free(x);
    assert_int_equal(alloc_live_blocks(), 0);
    return 0;
}

static inline struct path path_to(unsigned host, uint16_t port)
{
    uint8_t ip[4] = {10, (uint8_t)(host >> 16), (uint8_t)(host >> 8), (uint8_t)host};
    struct path p = {.sock = 1, .peer = addr_v4(ip, port)};
    return p;
}

static inline int queue_to(struct fixture *x, const struct path *p, const char *text,
                           struct seal_ref seal)
{
    return egress_queue(x->e, p, span_str(text), seal, DGRAM_EVENT, 0);
}

static inline void queue(struct fixture *x, unsigned host, const char *text)
{
    struct path p = path_to(host, 7);
    assert_int_equal(queue_to(x, &p, text, SEAL_REF_NONE), 0);
}

static inline void queue_latest(struct fixture *x, unsigned host, const char *text, uint64_t key)
{
    struct path p = path_to(host, 7);
    assert_int_equal(egress_queue(x->e, &p, span_str(text), SEAL_REF_NONE, DGRAM_LATEST, key), 0);
}

/* "host:text host:text ..." of everything that was sent in the clear; then forgets it. */
static inline void assert_sent(struct fixture *x, const char *want)
{
    static char got[65536];
    size_t n = 0;
    got[0] = '\0';
    for (size_t i = 0; i < x->sent_n; i++) {
        const struct sent *s = &x->sent[i];
        n += (size_t)snprintf(got + n, sizeof got - n, "%s%u:%.*s", i ? " " : "",
                              (unsigned)s->path.peer.ip[14] << 8 | s->path.peer.ip[15], (int)s->n,
                              (const char *)s->bytes);
    }
    assert_string_equal(got, want);
    forget(x);
}

/* ---- sealing ---- */

static const uint8_t key_bytes[SEAL_CBC_HMAC_KEY] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

static inline struct seal_cfg seal_cfg(enum seal_kind kind, uint8_t id)
{
    static const size_t sizes[] = {
        [SEAL_CBC] = SEAL_CBC_KEY, [SEAL_GCM] = SEAL_GCM_KEY, [SEAL_CBC_HMAC] = SEAL_CBC_HMAC_KEY};
    struct seal_cfg c = {.kind = kind};
    if (kind != SEAL_PLAIN_LF && kind != SEAL_PLAIN)
        c.key = span_of(key_bytes, sizes[kind]);
    memset(c.conn_id, id, sizeof c.conn_id);
    return c;
}

static inline struct seal_ref seal(struct fixture *x, enum seal_kind kind, uint8_t id, bool pack)
{
    struct seal_cfg c = seal_cfg(kind, id);
    struct seal_ref ref;
    assert_int_equal(egress_seal_open(x->e, &c, pack, &ref), 0);
    return ref;
}

static inline void assert_opens(struct opener *o, const struct sent *s, struct span want)
{
    uint8_t *to = alloc_own(s->n);
    int n = opener_open(o, span_of(s->bytes, s->n), to, s->n);
    assert_int_equal(n, want.n);
    assert_memory_equal(to, want.p, want.n);
    alloc_own_free(to);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
