/* Sessions from a list of operations, at two processes over one store: made, found, bound, touched
 * and ended, with answers in any order, refused, failed or lost, under changing policies, while
 * time passes and processes die. After every step each directory's own check runs. Beside it a
 * model says: nobody gets a session with a token that was never given out, or into another's
 * account; what was ended here is not found here again; a token that was given out is found again
 * after a crash as long as its row is there and good. */
#include "fuzz.h"

#define FX_ROWS 160u /* more than slots and tokens there can be */
#define FX_ASKS 100u
#include "../unit/core/fixture_session.h"

#define TOKENS 64u
#define MAX    24u

struct known {
    uint8_t token[TOKEN_BYTES];
    int64_t account;
    bool ended[2]; /* at which process; a crash forgets it when the store does not know */
    bool given;
};

struct world {
    struct fx_store store;
    struct fx p[2];
    struct known known[TOKENS];
    size_t known_n;
    size_t taken[2], told[2]; /* results and ends looked at */
    struct session_policy policy;
};

static const char *const ips[] = {"192.0.2.1", "192.0.2.2", "2001:db8::1"};

static struct addr peer_of(struct span *in)
{
    return fx_addr(ips[fuzz_below(in, 3)], (uint16_t)fuzz_below(in, 3));
}

static void policy_of(struct world *w, struct span *in)
{
    uint8_t b = fuzz_byte(in);
    w->policy = (struct session_policy){
        .pending_ms = b & 1 ? 3000 : 0,
        .idle_ms = b & 2 ? 2000 : 0,
        .life_ms = b & 4 ? 9000 : 0,
        .single = (enum session_single)(b >> 3 & 3) % 3,
        .rebind = b & 32,
        .survive = b & 64,
    };
    if (b & 128)
        w->policy.unknown = rate_per(NSEC_PER_S, 3);
    for (unsigned i = 0; i < 2; i++)
        if (w->p[i].ss)
            sessions_set_policy(w->p[i].ss, &w->policy);
}

static void start(struct world *w, unsigned i, struct now now)
{
    MUST(fx_start(&w->p[i], &w->store, &w->policy, NULL, i ? "b" : "a", MAX, now) == 0);
    w->p[i].hold = true;
    w->taken[i] = w->told[i] = 0;
}

static void remember(struct world *w, const struct session_result *r)
{
    if (w->known_n == TOKENS)
        return;
    struct known *k = &w->known[w->known_n++];
    *k = (struct known){.account = r->account, .given = true};
    memcpy(k->token, r->token, TOKEN_BYTES);
}

static struct known *known_of(struct world *w, unsigned i, struct session_ref ref)
{
    struct session_ref found;
    struct addr peer = fx_addr("192.0.2.77", 1);
    for (size_t n = 0; n < w->known_n; n++)
        if (session_find(w->p[i].ss, w->p[i].now, span_of(w->known[n].token, TOKEN_BYTES), &peer, n,
                         &found) == 0 &&
            ref_eq(found.r, ref.r))
            return &w->known[n];
    return NULL;
}

/* What came of it since. */
static void look(struct world *w, unsigned i)
{
    struct fx *p = &w->p[i];
    struct session_view v;
    fx_checked(p);
    for (; w->taken[i] < p->results_n; w->taken[i]++) {
        const struct session_result *r = &p->results[w->taken[i] % 64];
        if (r->made && r->rc == 0)
            remember(w, r);
        if (!r->made && r->rc == 0) {
            MUST(r->owner < w->known_n); /* others were never given out */
            MUST(r->account == w->known[r->owner].account);
            MUST(!w->known[r->owner].ended[i]);
            MUST(!session_get(p->ss, p->now, r->session, &v) || v.account == r->account);
        }
    }
    for (; w->told[i] < p->ended_n; w->told[i]++)
        MUST(!session_get(p->ss, p->now, p->ended[w->told[i] % 64].session, &v));
}

static void create(struct world *w, unsigned i, struct span *in)
{
    struct session_result r;
    int64_t account = 1 + (int64_t)fuzz_below(in, 4);
    if (session_create(w->p[i].ss, w->p[i].now, account, 0, &r) == 0)
        remember(w, &r);
}

static void find(struct world *w, unsigned i, struct span *in)
{
    struct fx *p = &w->p[i];
    struct session_ref ref;
    struct session_view v;
    uint8_t token[TOKEN_BYTES] = {0};
    size_t n = fuzz_below(in, TOKENS);
    struct addr peer = peer_of(in);
    if (n < w->known_n)
        memcpy(token, w->known[n].token, TOKEN_BYTES);
    else
        token[0] = (uint8_t)n;
    int rc = session_find(p->ss, p->now, span_of(token, TOKEN_BYTES), &peer,
                          n < w->known_n ? n : UINT64_MAX, &ref);
    if (rc)
        return;
    MUST(n < w->known_n && !w->known[n].ended[i]);
    MUST(session_get(p->ss, p->now, ref, &v) && v.account == w->known[n].account);
}

/* Any session that is there. */
static bool choose(struct world *w, unsigned i, struct span *in, struct session_ref *ret)
{
    uint32_t at = 0;
    size_t n = fuzz_below(in, MAX);
    bool any = false;
    for (struct session_ref ref; sessions_next(w->p[i].ss, w->p[i].now, &at, &ref); any = true) {
        *ret = ref;
        if (n-- == 0)
            return true;
    }
    return any;
}

static void act(struct world *w, unsigned i, struct span *in)
{
    struct fx *p = &w->p[i];
    struct session_ref ref, found;
    struct addr peer = peer_of(in);
    unsigned what = fuzz_byte(in) % 8;
    if (!choose(w, i, in, &ref))
        return;
    if (what < 3) {
        if (session_bind(p->ss, p->now, ref, &peer) == 0) {
            MUST(session_by_endpoint(p->ss, p->now, &peer, &found) == 0);
            MUST(ref_eq(found.r, ref.r));
        }
    } else if (what == 3) {
        MUST(session_activate(p->ss, p->now, ref) == 0);
    } else if (what < 6) {
        session_touch(p->ss, p->now, ref);
    } else {
        struct known *k = known_of(w, i, ref);
        session_end(p->ss, p->now, ref);
        session_touch(p->ss, p->now, ref);
        MUST(session_bind(p->ss, p->now, ref, &peer) == E_STALE);
        if (k)
            k->ended[i] = true;
    }
}

static void notice(struct world *w, unsigned i, struct span *in)
{
    struct fx *p = &w->p[i];
    struct notice n = {.kind = NOTICE_ACCOUNT};
    struct session_ref except = {REF_NONE};
    n.u.account.change = (enum account_change)(fuzz_byte(in) % 4);
    n.u.account.id = 1 + (int64_t)fuzz_below(in, 4);
    if (fuzz_chance(in, 100))
        (void)choose(w, i, in, &except);
    if (n.u.account.change == ACCOUNT_SIGNED_OUT) { /* as the desk does it */
        struct buf none;
        struct value v[] = {VALUE_OF_INT(n.u.account.id), VALUE_NOTHING};
        buf_init(&none, 65536);
        (void)fx_query(&w->store, QUERY_SESSION_END_ACCOUNT, v, &none);
        buf_fini(&none);
    }
    sessions_notice(p->ss, p->now, &n, except);
}

static void crash(struct world *w, unsigned i)
{
    struct now now = w->p[i].now;
    fx_stop(&w->p[i]);
    start(w, i, now);
    for (size_t n = 0; n < w->known_n; n++)
        w->known[n].ended[i] = false;
}

static void step(struct world *w, unsigned i, struct span *in, uint8_t what)
{
    struct fx *p = &w->p[i];
    switch (what % 10) {
    case 0:
    case 1: create(w, i, in); break;
    case 2: find(w, i, in); break;
    case 3:
    case 4: act(w, i, in); break;
    case 5: {
        size_t n = p->asks_n ? fuzz_below(in, p->asks_n) : 0;
        p->fault = (enum fx_fault)(fuzz_byte(in) % 8 > 4 ? fuzz_byte(in) % 4 : FX_FINE);
        p->faults = p->fault == FX_FINE ? 0 : 1;
        if (p->asks_n)
            fx_answer(p, n);
        break;
    }
    case 6: /* both keep the same time */
        for (uint64_t ms = fuzz_byte(in) * 16u, k = 0; k < 2; k++)
            fx_pass(&w->p[k], ms);
        break;
    case 7: notice(w, i, in); break;
    case 8:
        if (fuzz_chance(in, 64))
            policy_of(w, in);
        else if (fuzz_chance(in, 64))
            crash(w, i);
        break;
    default:
        while (p->asks_n)
            fx_answer(p, 0);
        fx_settle(p);
        break;
    }
    look(w, 0);
    look(w, 1);
}

/* In the end the store is well again, and everything comes to rest: what is in memory has its row,
 * and what is ended has none. */
static void finish(struct world *w)
{
    for (unsigned i = 0; i < 2; i++) {
        w->p[i].faults = 0;
        w->p[i].hold = false;
    }
    for (unsigned k = 0; k < 6; k++)
        for (unsigned i = 0; i < 2; i++) {
            fx_pass(&w->p[i], 40000);
            fx_settle(&w->p[i]);
            look(w, i);
        }
    for (unsigned i = 0; i < 2; i++) {
        MUST(w->p[i].asks_n == 0);
        uint32_t at = 0, n = 0;
        struct session_ref ref;
        while (sessions_next(w->p[i].ss, w->p[i].now, &at, &ref))
            n++;
        MUST(n == sessions_live(w->p[i].ss));
        fx_stop(&w->p[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {data, size < 2048 ? size : 2048};
    static struct world world; /* too large to clear each time */
    struct world *w = &world;
    struct now now = {1000 * NSEC_PER_S, INT64_C(1700000000000)};
    w->known_n = 0;
    w->p[0].ss = w->p[1].ss = NULL;
    fx_store_init(&w->store);
    policy_of(w, &in);
    start(w, 0, now);
    start(w, 1, now);
    while (in.n) {
        uint8_t what = fuzz_byte(&in);
        step(w, what >> 7, &in, what & 127);
    }
    finish(w);
    return 0;
}
