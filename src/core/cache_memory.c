#include "core/cache_memory.h"

#include "base/check.h"
#include "base/err.h"
#include "base/hmap.h"
#include "base/mem.h"
#include "base/timerq.h"

#include <stdio.h>

#define ENTRIES_MAX 65536u
#define BYTES_MAX   ((size_t)16 << 20)
#define ANSWERS_MAX 4096u
#define SWEEP       NSEC_PER_S /* how late memory of what expired is given back */

struct entry {
    struct timer expiry;
    size_t key_n, value_n;
    uint8_t bytes[]; /* key, value */
};

/* An answer, or a message, on its way. */
struct due {
    struct due *next;
    struct cache_owner owner;
    struct cache_answer answer;
    size_t key_n, value_n;
    uint8_t bytes[]; /* value; of a message the channel before it */
};

struct ear {
    struct cache_listener listener;
    size_t channel_n;
    uint8_t channel[CACHE_KEY_MAX];
};

struct cache_memory {
    struct cache port;
    struct loop *loop;
    struct loop_timer *timer;
    uint64_t seed[4];
    struct hmap by_key; /* struct entry * */
    struct timerq expiries;
    uint32_t dues, dues_max;
    size_t bytes, bytes_max;
    struct due *first, **last;
    struct ear ears[CACHE_LISTENERS_MAX];
    uint32_t ears_n;
    bool closed;
};

/* Two keyed hashes of 64 bits stand for a key; that two keys share both does not happen by chance,
 * and nobody outside knows the seeds. Should it, the second key finds no room. */
struct hashed {
    uint64_t h[2];
};

static struct hashed hash_of(const struct cache_memory *m, struct span key)
{
    return (struct hashed){
        {siphash13(m->seed, key.p, key.n), siphash13(m->seed + 2, key.p, key.n)}};
}

static struct span entry_key(const struct entry *e)
{
    return span_of(e->bytes, e->key_n);
}

static struct span entry_value(const struct entry *e)
{
    return span_of(e->bytes + e->key_n, e->value_n);
}

static void drop(struct cache_memory *m, struct entry *e)
{
    struct hashed h = hash_of(m, entry_key(e));
    timerq_cancel(&m->expiries, &e->expiry);
    hmap_del(&m->by_key, &h);
    m->bytes -= e->key_n + e->value_n;
    mem_free(e);
}

static void expire(struct cache_memory *m, nsec now)
{
    for (struct timer *t; (t = timerq_pop(&m->expiries, now));)
        drop(m, CONTAINER_OF(t, struct entry, expiry));
}

static struct entry *find(const struct cache_memory *m, struct span key)
{
    struct hashed h = hash_of(m, key);
    uint64_t v;
    if (!hmap_get(&m->by_key, &h, &v))
        return NULL;
    struct entry *e = (struct entry *)(uintptr_t)v;
    return span_eq(entry_key(e), key) ? e : NULL;
}

/* In place of was, which may be NULL and stays when there is no room. The spans may lie in was. */
static int put(struct cache_memory *m, struct entry *was, struct span key, struct span value,
               nsec deadline)
{
    struct hashed h = hash_of(m, key);
    uint64_t other;
    size_t held = was ? was->key_n + was->value_n : 0;
    if (key.n + value.n > m->bytes_max - (m->bytes - held))
        return E_FULL;
    if (!was && hmap_get(&m->by_key, &h, &other))
        return E_FULL;
    struct entry *e = mem_zalloc(1, sizeof *e + key.n + value.n);
    if (!e)
        return E_NOMEM;
    e->key_n = key.n;
    e->value_n = value.n;
    memcpy(e->bytes, key.p, key.n);
    if (value.n)
        memcpy(e->bytes + key.n, value.p, value.n);
    int rc = hmap_put(&m->by_key, &h, (uint64_t)(uintptr_t)e);
    if (rc) {
        mem_free(e);
        return rc;
    }
    m->bytes += key.n + value.n - held;
    if (was) {
        timerq_cancel(&m->expiries, &was->expiry);
        mem_free(was);
    }
    timerq_set(&m->expiries, &e->expiry, deadline);
    return 0;
}

static bool number_of(struct span text, int64_t *ret)
{
    size_t i = text.n && text.p[0] == '-';
    uint64_t v = 0, max = (uint64_t)INT64_MAX + (i ? 1 : 0);
    if (i == text.n || text.n - i > 19)
        return false;
    for (size_t at = i; at < text.n; at++) {
        if (text.p[at] < '0' || text.p[at] > '9')
            return false;
        v = v * 10 + (text.p[at] - '0');
    }
    if (v > max)
        return false;
    *ret = i ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

static int add(struct cache_memory *m, struct entry *e, const struct cache_ask *ask, nsec deadline,
               int64_t *sum)
{
    char text[24];
    int64_t have = 0;
    if (e && !number_of(entry_value(e), &have))
        return E_RANGE;
    if (__builtin_add_overflow(have, ask->add, sum))
        return E_RANGE;
    int n = snprintf(text, sizeof text, "%lld", (long long)*sum);
    return put(m, e, ask->key, span_of(text, (size_t)n), e ? e->expiry.deadline : deadline);
}

/* Copies what an answer says of the present value. */
static void say(struct due *d, const struct entry *e)
{
    d->value_n = e->value_n;
    if (e->value_n)
        memcpy(d->bytes, e->bytes + e->key_n, e->value_n);
}

static int run(struct cache_memory *m, const struct cache_ask *ask, struct due *d, struct now now)
{
    struct entry *e = find(m, ask->key);
    nsec deadline = now.mono + ask->ttl_ms * NSEC_PER_MS;
    bool equal = e && span_eq(entry_value(e), ask->old);
    switch (ask->op) {
    case CACHE_PUT: return put(m, e, ask->key, ask->value, deadline);
    case CACHE_ADD: return add(m, e, ask, deadline, &d->answer.number);
    case CACHE_PUT_ABSENT:
        if (!e)
            return put(m, NULL, ask->key, ask->value, deadline);
        say(d, e);
        return E_EXISTS;
    case CACHE_GET:
    case CACHE_PUT_EQUAL:
    case CACHE_DEL_EQUAL: break;
    case CACHE_PUBLISH:
    case CACHE_OPS_N: UNREACHABLE();
    }
    if (!e)
        return E_NOENT;
    if (ask->op == CACHE_GET || !equal) {
        say(d, e);
        return ask->op == CACHE_GET ? 0 : E_STALE;
    }
    if (ask->op == CACHE_PUT_EQUAL)
        return put(m, e, ask->key, ask->value, deadline);
    drop(m, e);
    return 0;
}

static void enqueue(struct cache_memory *m, struct due *d, struct now now)
{
    *m->last = d;
    m->last = &d->next;
    m->dues++;
    m->loop->ops->timer_set(m->timer, now.mono);
}

static int submit(struct cache *port, const struct cache_ask *ask, struct cache_owner owner)
{
    struct cache_memory *m = CONTAINER_OF(port, struct cache_memory, port);
    struct now now = m->loop->ops->now(m->loop);
    bool message = ask->op == CACHE_PUBLISH;
    if (m->closed)
        return E_IO;
    if (m->dues >= m->dues_max)
        return E_BUSY;
    struct due *d =
        mem_zalloc(1, sizeof *d + (message ? ask->key.n + ask->value.n : CACHE_VALUE_MAX));
    if (!d)
        return E_NOMEM;
    d->owner = owner;
    d->answer = (struct cache_answer){.req = owner.req, .op = ask->op};
    if (message) {
        d->key_n = ask->key.n;
        d->value_n = ask->value.n;
        memcpy(d->bytes, ask->key.p, d->key_n);
        if (d->value_n)
            memcpy(d->bytes + d->key_n, ask->value.p, d->value_n);
    } else {
        expire(m, now.mono);
        d->answer.rc = run(m, ask, d, now);
    }
    enqueue(m, d, now);
    return 0;
}

static void hand_out(struct cache_memory *m, struct due *d, struct now now)
{
    struct span value = span_of(d->bytes + d->key_n, d->value_n);
    if (d->answer.op == CACHE_PUBLISH) {
        for (uint32_t i = 0; i < m->ears_n; i++) {
            const struct ear *e = &m->ears[i];
            if (!e->listener.message ||
                !span_eq(span_of(e->channel, e->channel_n), span_of(d->bytes, d->key_n)))
                continue;
            d->answer.number++;
            e->listener.message(e->listener.ctx, now, value);
        }
    } else {
        d->answer.value = value;
    }
    if (d->owner.answer)
        d->owner.answer(d->owner.ctx, now, &d->answer);
}

/* Only what is there now: what answers lead to waits for the next turn of the loop. */
static void hand_out_all(struct cache_memory *m, struct now now)
{
    struct due *d = m->first;
    m->first = NULL;
    m->last = &m->first;
    while (d) {
        struct due *next = d->next;
        m->dues--;
        hand_out(m, d, now);
        mem_free(d);
        d = next;
    }
}

static void on_timer(void *ctx, struct now now)
{
    struct cache_memory *m = ctx;
    expire(m, now.mono);
    hand_out_all(m, now);
    if (m->closed)
        return;
    nsec next = timerq_deadline(&m->expiries);
    if (next != NSEC_NEVER)
        next += SWEEP;
    m->loop->ops->timer_set(m->timer, m->first ? now.mono : next);
}

static int listen(struct cache *port, struct span channel, const struct cache_listener *l)
{
    struct cache_memory *m = CONTAINER_OF(port, struct cache_memory, port);
    if (m->ears_n == CACHE_LISTENERS_MAX)
        return E_FULL;
    struct ear *e = &m->ears[m->ears_n++];
    e->listener = *l;
    e->channel_n = channel.n;
    if (channel.n)
        memcpy(e->channel, channel.p, channel.n);
    else
        e->listener.message = NULL;
    return 0;
}

static bool up(const struct cache *port)
{
    return !((const struct cache_memory *)(const void *)port)->closed; /* its first member */
}

static const struct cache_ops memory_ops = {submit, listen, up};

int cache_memory_create(struct cache_memory **ret, const struct cache_memory_cfg *cfg)
{
    struct cache_memory *m = mem_zalloc(1, sizeof *m);
    if (!m)
        return E_NOMEM;
    m->port.ops = &memory_ops;
    m->loop = cfg->loop;
    m->last = &m->first;
    m->dues_max = cfg->answers_max ? cfg->answers_max : ANSWERS_MAX;
    m->bytes_max = cfg->bytes_max ? cfg->bytes_max : BYTES_MAX;
    entropy_get(cfg->entropy, m->seed, sizeof m->seed);
    uint64_t seed[2];
    entropy_get(cfg->entropy, seed, sizeof seed);
    hmap_init(&m->by_key, sizeof(struct hashed), seed,
              cfg->entries_max ? cfg->entries_max : ENTRIES_MAX);
    timerq_init(&m->expiries);
    int rc = m->loop->ops->timer_open(m->loop, on_timer, m, &m->timer);
    if (rc) {
        mem_free(m);
        return rc;
    }
    *ret = m;
    return 0;
}

struct cache *cache_memory_port(struct cache_memory *m)
{
    return &m->port;
}

void cache_memory_close(struct cache_memory *m)
{
    if (!m || m->closed)
        return;
    m->closed = true;
    while (m->first)
        hand_out_all(m, m->loop->ops->now(m->loop));
    m->loop->ops->timer_close(m->timer);
}

void cache_memory_destroy(struct cache_memory *m)
{
    if (!m)
        return;
    cache_memory_close(m);
    expire(m, NSEC_NEVER);
    hmap_fini(&m->by_key);
    mem_free(m);
}

uint32_t cache_memory_entries(const struct cache_memory *m)
{
    return m->by_key.live;
}

size_t cache_memory_bytes(const struct cache_memory *m)
{
    return m->bytes;
}
