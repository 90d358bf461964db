/* Rate limits from a list of events: buckets against a count of what the rate allows, a table of
 * addresses at its ceiling against a list. Time goes forward, by nothing, a little or a lot. */
#include "fuzz.h"

#include "core/limit.h"

#define ADDRS 12u
#define MAX   5u /* of the table */

struct model { /* of one address: the same number, kept apart */
    uint8_t key[16];
    nsec full_at;
    bool live;
};

struct world {
    struct rate rate;
    struct bucket bucket;
    struct addr_limit table;
    struct model model[ADDRS];
    nsec now, swept, since; /* since: the bucket was last known full */
    uint64_t taken;
    uint32_t per_s, burst;
};

static struct addr addr_of(uint8_t i)
{
    uint8_t ip[16] = {0x20, 1, 0x0d, 0xb8, [7] = (uint8_t)(i / 2 % 4), [15] = i};
    return i & 1 ? addr_v6(ip, 0, 0) : addr_v4(ip + 12, 0);
}

/* Whether one more may be taken, by the words: sustained rate plus a burst. */
static bool model_take(nsec *full_at, const struct world *w)
{
    if (w->per_s == 0)
        return true;
    nsec from = *full_at > w->now ? *full_at : w->now;
    if (from + w->rate.interval > w->now + w->rate.burst)
        return false;
    *full_at = from + w->rate.interval;
    return true;
}

static void take_bucket(struct world *w)
{
    nsec wait = bucket_wait(&w->bucket, &w->rate, w->now);
    bool took = bucket_take(&w->bucket, &w->rate, w->now);
    MUST(took == (wait == 0));
    if (!took) { /* the wait is exact */
        struct bucket b = w->bucket;
        MUST(!bucket_take(&b, &w->rate, w->now + wait - 1) &&
             bucket_take(&b, &w->rate, w->now + wait));
        return;
    }
    w->taken++;
    /* Never more than the rate and the burst allow since it was full. */
    if (w->per_s)
        MUST(w->taken <= (w->now - w->since) / w->rate.interval + (w->burst ? w->burst : 1));
}

static struct model *find(struct world *w, const uint8_t key[16])
{
    for (size_t i = 0; i < ADDRS; i++)
        if (w->model[i].live && memcmp(w->model[i].key, key, 16) == 0)
            return &w->model[i];
    return NULL;
}

static void sweep(struct world *w)
{
    for (size_t i = 0; i < ADDRS; i++)
        w->model[i].live &= w->model[i].full_at > w->now;
    w->swept = w->now;
}

static uint32_t live(const struct world *w)
{
    uint32_t n = 0;
    for (size_t i = 0; i < ADDRS; i++)
        n += w->model[i].live;
    return n;
}

static void take_addr(struct world *w, uint8_t which)
{
    struct addr a = addr_of(which);
    uint8_t key[16];
    addr_limit_key(&a, key);
    struct model *m = find(w, key);
    nsec full_at = m ? m->full_at : 0;
    bool want = model_take(&full_at, w);
    if (want && live(w) >= MAX && w->now - w->swept >= NSEC_PER_S)
        sweep(w);
    m = find(w, key);
    want = want && (m || live(w) < MAX);
    MUST(addr_limit_take(&w->table, &a, &w->rate, w->now) == want);
    for (size_t i = 0; i < ADDRS && want && !m; i++)
        if (!w->model[i].live) {
            m = &w->model[i];
            memcpy(m->key, key, sizeof key);
        }
    if (want) {
        MUST(m);
        m->live = true;
        m->full_at = full_at;
    }
    MUST(w->table.full_at.live == live(w));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t seed[2] = {1, 2};
    struct span in = span_of(data, size);
    struct world w = {.now = NSEC_PER_S, .since = NSEC_PER_S};
    w.per_s = (uint32_t)fuzz_below(&in, 1200);
    w.burst = fuzz_byte(&in);
    w.rate = rate_of(w.per_s, w.burst);
    addr_limit_init(&w.table, seed, MAX);
    while (in.n) {
        uint8_t what = fuzz_byte(&in);
        switch (what & 7) {
        case 0:
        case 1: take_bucket(&w); break;
        case 2: w.now += fuzz_number(&in, 1 + what / 8 % 4); break;
        case 3: w.now += (nsec)fuzz_byte(&in) * (NSEC_PER_S / 16); break;
        case 4:
            addr_limit_sweep(&w.table, w.now);
            sweep(&w);
            break;
        default: take_addr(&w, what / 8); break;
        }
    }
    addr_limit_fini(&w.table);
    return 0;
}
