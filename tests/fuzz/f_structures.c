/* The containers of base from a list of operations, each against a plain model: slots, hmap,
 * timerq, list, buf and the arena. The first byte chooses which. */
#include "fuzz.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/hmap.h"
#include "base/list.h"
#include "base/slots.h"
#include "base/timerq.h"

/* ---- slots: handles, also of the dead and forged ---- */

#define SLOTS_MAX 200u
#define REFS      400u

static void slots(struct span *in)
{
    struct slots s;
    struct ref ref[REFS];
    bool live[REFS] = {false};
    uint32_t n = 0, count = 0;
    slots_init(&s, sizeof(uint32_t), SLOTS_MAX);
    while (in->n && n < REFS) {
        uint8_t what = fuzz_byte(in);
        uint32_t i = n ? (uint32_t)fuzz_below(in, n) : 0, *x;
        for (uint32_t k = 1 + what / 4 % 8; k > 0 && what & 1 && n < REFS; k--) {
            x = slots_add(&s, &ref[n]);
            MUST((x != NULL) == (count < SLOTS_MAX));
            if (!x)
                break;
            MUST(*x == 0 && ref[n].slot < SLOTS_MAX);
            *x = n;
            live[n++] = true;
            count++;
        }
        x = n ? slots_get(&s, ref[i]) : NULL;
        MUST(!n || (x != NULL) == live[i]);
        MUST(!x || *x == i);
        if (x && what & 2) {
            slots_del(&s, ref[i]);
            live[i] = false;
            count--;
        }
        struct ref forged = {(uint32_t)fuzz_number(in, 1), what & 128 ? 0 : UINT32_MAX};
        MUST(!slots_get(&s, forged) && s.live == count);
    }
    struct ref at_ref;
    uint32_t met = 0, at = 0, *x;
    while ((x = slots_next(&s, &at, &at_ref))) {
        MUST(live[*x] && ref_eq(ref[*x], at_ref));
        met++;
    }
    MUST(met == count);
    slots_fini(&s);
}

/* ---- hmap: keys in the order of their insertion ---- */

#define KEYS 64u
#define LIVE 40u

struct pair {
    uint8_t key;
    uint64_t value;
};

static size_t pair_find(const struct pair *v, size_t n, uint8_t key)
{
    size_t i = 0;
    while (i < n && v[i].key != key)
        i++;
    return i;
}

static void hmap_walk(const struct hmap *m, const struct pair *v, size_t n)
{
    const void *key;
    uint64_t value;
    size_t i = 0;
    for (uint32_t at = 0; hmap_next(m, &at, &key, &value); i++)
        MUST(i < n && *(const uint8_t *)key == v[i].key && value == v[i].value);
    MUST(i == n && m->live == n);
}

static void hmap(struct span *in)
{
    struct hmap m;
    struct pair v[KEYS];
    size_t n = 0;
    uint64_t seed[2] = {fuzz_byte(in), 7}, value;
    bool reserved = fuzz_chance(in, 64);
    uint8_t key[7] = {0, 1, 2, 3, 4, 5, 6};
    hmap_init(&m, sizeof key, seed, LIVE);
    MUST(!reserved || hmap_reserve(&m, LIVE) == 0);
    while (in->n) {
        uint8_t what = fuzz_byte(in);
        key[0] = what % KEYS;
        size_t i = pair_find(v, n, key[0]);
        if (what & 64) {
            value = fuzz_byte(in);
            int rc = hmap_put(&m, key, value);
            MUST(rc == (i == n && n == LIVE ? E_FULL : 0));
            if (rc == 0) {
                v[i] = (struct pair){key[0], value};
                n += i == n;
            }
        } else if (what & 128) {
            MUST(hmap_del(&m, key) == (i < n));
            if (i < n)
                memmove(v + i, v + i + 1, (--n - i) * sizeof *v);
        } else {
            MUST(hmap_get(&m, key, &value) == (i < n) && (i == n || value == v[i].value));
        }
        if (in->n % 8 == 0)
            hmap_walk(&m, v, n);
    }
    hmap_walk(&m, v, n);
    hmap_fini(&m);
}

/* ---- timerq: by deadline, then in the order they were set ---- */

#define TIMERS 24u

static void timers(struct span *in)
{
    struct timerq q;
    struct timer t[TIMERS] = {{0}};
    nsec deadline[TIMERS] = {0};
    uint64_t order[TIMERS] = {0}, orders = 0;
    timerq_init(&q);
    for (nsec now = 0; in->n;) {
        uint8_t what = fuzz_byte(in);
        size_t i = what % TIMERS, first = TIMERS;
        if (what >= 192) {
            now += fuzz_below(in, 8);
        } else if (what >= 168) {
            timerq_cancel(&q, &t[i]);
            order[i] = 0;
        } else {
            nsec when = what >= 144 ? NSEC_NEVER : now + fuzz_below(in, 16);
            timerq_set(&q, &t[i], when);
            deadline[i] = when;
            order[i] = when == NSEC_NEVER ? 0 : ++orders;
        }
        for (size_t k = 0; k < TIMERS; k++)
            if (order[k] && (first == TIMERS || deadline[k] < deadline[first] ||
                             (deadline[k] == deadline[first] && order[k] < order[first])))
                first = k;
        MUST(timerq_deadline(&q) == (first == TIMERS ? NSEC_NEVER : deadline[first]));
        struct timer *due = timerq_pop(&q, now);
        MUST(due == (first < TIMERS && deadline[first] <= now ? &t[first] : NULL));
        if (due)
            order[first] = 0;
        for (size_t k = 0; k < TIMERS; k++)
            MUST(t[k].set == (order[k] != 0));
    }
}

/* ---- list ---- */

#define NODES 16u

static void lists(struct span *in)
{
    struct list head, node[NODES];
    uint8_t want[NODES];
    size_t n = 0;
    memset(node, 0, sizeof node);
    list_init(&head);
    while (in->n) {
        uint8_t what = fuzz_byte(in), i = what % NODES;
        bool linked = list_linked(&node[i]);
        if (what & 16) {
            list_remove(&node[i]);
            for (size_t k = 0; linked && k < n; k++)
                if (want[k] == i)
                    memmove(want + k, want + k + 1, --n - k);
        } else if (!linked && what & 32) {
            list_push_front(&head, &node[i]);
            memmove(want + 1, want, n++);
            want[0] = i;
        } else if (!linked) {
            list_push_back(&head, &node[i]);
            want[n++] = i;
        }
        size_t k = 0;
        LIST_EACH (at, &head)
            MUST(k < n && at == &node[want[k++]]);
        MUST(k == n && list_empty(&head) == (n == 0) &&
             list_first(&head) == (n ? &node[want[0]] : NULL));
    }
}

/* ---- buf and arena ---- */

static void bufs(struct span *in)
{
    size_t max = fuzz_below(in, 300), n = 0;
    uint8_t want[300];
    bool failed = false;
    struct buf b;
    buf_init(&b, max);
    while (in->n) {
        uint8_t what = fuzz_byte(in), *to;
        struct span s = fuzz_take(in, what / 8);
        int rc = 0;
        bool put = true;
        switch (what & 7) {
        case 0:
            s.n = s.n < n ? s.n : n;
            buf_consume(&b, s.n);
            n -= s.n;
            memmove(want, want + s.n, n);
            put = false;
            break;
        case 1:
            buf_clear(&b);
            n = 0;
            failed = put = false;
            break;
        case 2:
            s.n = s.n ? strnlen((const char *)s.p, s.n) : 0;
            rc = buf_printf(&b, "%.*s", (int)s.n, s.n ? (const char *)s.p : "");
            break;
        case 3:
            to = failed ? NULL : buf_reserve(&b, s.n);
            if (to && s.n)
                memcpy(to, s.p, s.n);
            if (to)
                buf_commit(&b, s.n);
            rc = to ? 0 : E_LIMIT;
            break;
        case 4:
            s = span_of(&what, 1);
            rc = buf_append_byte(&b, what);
            break;
        default: rc = buf_append_span(&b, s); break;
        }
        if (put) {
            MUST((rc == 0) == (!failed && s.n <= max - n));
            failed |= rc != 0;
            if (rc == 0 && s.n)
                memcpy(want + n, s.p, s.n);
            n += rc == 0 ? s.n : 0;
        }
        MUST(b.failed == failed && span_eq(buf_span(&b), span_of(want, n)));
    }
    buf_fini(&b);
}

static void arenas(struct span *in)
{
    struct arena a;
    size_t cap = 1 + fuzz_byte(in), used = 0, last = 0;
    MUST(arena_init(&a, cap));
    while (in->n) {
        uint8_t what = fuzz_byte(in);
        if (what == 255) {
            arena_reset(&a);
            used = last = 0;
        } else if (what >= 192) {
            size_t back = last ? what % (last + 1) : 0;
            arena_give(&a, back);
            used -= back;
            last -= back;
        } else {
            uint8_t *p = arena_take(&a, what);
            MUST((p != NULL) == (what <= cap - used));
            if (!p)
                continue;
            memset(p, what, what);
            MUST(p == a.p + used);
            used += what;
            last = what;
        }
        MUST(a.n == used && a.peak >= used && a.peak <= cap);
    }
    arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const machines[])(struct span *) = {slots, hmap, timers, lists, bufs, arenas};
    struct span in = span_of(data, size);
    machines[fuzz_byte(&in) % ARRAY_LEN(machines)](&in);
    return 0;
}
