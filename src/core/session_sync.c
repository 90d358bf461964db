/* What the store has to be told, in the order in which it came up: of a session one thing at a
 * time, and of several that are wanted the one that says most. What fails is tried again, later and
 * later, up to half a minute. */
#include "base/check.h"
#include "base/err.h"
#include "core/session_priv.h"

#define SAVE_EVERY_MAX (60 * NSEC_PER_S)
#define SAVE_EVERY_MIN (250 * NSEC_PER_MS)
#define BACK_OFF_MAX   (30 * NSEC_PER_S)

int session_ask(struct sessions *ss, unsigned kind, struct ref r, enum query q,
                const struct value *v, size_t n)
{
    struct ask ask = query_ask(q, v, n);
    r.slot |= 1u << 31 | kind << 28;
    return host_ask(ss->host, &ask, session_pack(r));
}

nsec session_save_every(const struct sessions *ss)
{
    nsec every = ss->policy.idle_ms * NSEC_PER_MS / 4;
    if (every == 0)
        return SESSION_LOOK_S * NSEC_PER_S;
    return every < SAVE_EVERY_MIN   ? SAVE_EVERY_MIN
           : every > SAVE_EVERY_MAX ? SAVE_EVERY_MAX
                                    : every;
}

void session_want(struct sessions *ss, struct now now, struct session *s, unsigned what)
{
    if (!s->stored)
        return;
    s->want = s->state == S_GONE ? WANT_END : (uint8_t)(s->want | what);
    if (s->asked != ASKED_NOTHING || list_linked(&s->unwritten))
        return;
    list_push_back(&ss->unwritten, &s->unwritten);
    session_wake(ss, ss->retry_at > now.mono ? ss->retry_at : now.mono);
}

void session_unwant(struct session *s)
{
    s->want = 0;
    list_remove(&s->unwritten);
}

static int ask_hash(struct sessions *ss, struct session *s, enum query q, bool alive)
{
    char hex[TOKEN_HASH + 1];
    session_hex(s, hex);
    struct value v[] = {VALUE_OF_TEXT(span_of(hex, TOKEN_HASH)), VALUE_OF_INT(0)};
    return session_ask(ss, REQ_SESSION, s->self, q, v, alive ? 2 : 1);
}

/* A row that ran out while the store was down is there yet, and saved: hence "alive at" 0. */
static int write(struct sessions *ss, struct now now, struct session *s)
{
    uint8_t want = s->want, done;
    int rc;
    if (want & WANT_END) {
        rc = ask_hash(ss, s, QUERY_SESSION_END, false);
        s->asked = ASKED_END;
        done = UINT8_MAX;
    } else if (want & WANT_REMAKE) {
        rc = session_ask_create(ss, now, s);
        s->asked = ASKED_REMAKE;
        done = UINT8_MAX;
    } else if (want & WANT_SAVE) {
        rc = session_ask_save(ss, now, s);
        s->asked = ASKED_SAVE;
        done = WANT_SAVE | WANT_LOOK;
    } else {
        rc = ask_hash(ss, s, QUERY_SESSION_BY_TOKEN, true);
        s->asked = ASKED_LOOK;
        done = WANT_LOOK;
    }
    if (rc) {
        s->asked = ASKED_NOTHING;
        return rc;
    }
    s->want = (uint8_t)(want & ~done);
    if (s->state == S_LIVE) {
        s->saved_until = session_deadline(s);
        s->look_at = now.mono + SESSION_LOOK_S * NSEC_PER_S;
    }
    return 0;
}

static void back_off(struct sessions *ss, struct now now)
{
    nsec wait = NSEC_PER_S << (ss->failures < 5 ? ss->failures : 5);
    ss->failures++;
    ss->retry_at = now.mono + (wait < BACK_OFF_MAX ? wait : BACK_OFF_MAX);
    session_wake(ss, ss->retry_at);
}

void session_pump(struct sessions *ss, struct now now)
{
    struct list *n;
    while (ss->writing < SESSION_WRITES_MAX && now.mono >= ss->retry_at &&
           (n = list_first(&ss->unwritten))) {
        struct session *s = CONTAINER_OF(n, struct session, unwritten);
        if (write(ss, now, s)) {
            back_off(ss, now);
            return;
        }
        list_remove(n);
        ss->writing++;
    }
}

static unsigned want_again(unsigned asked)
{
    switch (asked) {
    case ASKED_SAVE: return WANT_SAVE;
    case ASKED_LOOK: return WANT_LOOK;
    case ASKED_REMAKE: return WANT_REMAKE;
    default: return WANT_END;
    }
}

static bool is_answer(unsigned asked, int rc)
{
    return rc == 0 || (asked == ASKED_REMAKE ? rc == E_EXISTS : rc == E_NOENT);
}

static void tell_others(struct sessions *ss, struct now now, const struct session *s)
{
    struct cluster_message m = {
        .kind = CLUSTER_SESSION_ENDED, .id = s->account, .game = session_game(ss)};
    if (s->account > 0)
        cluster_tell(ss->cluster, now, &m);
}

/* Gone at the store: another process ended it; but not where it is about to be made again. */
static void answered(struct sessions *ss, struct now now, struct session *s, unsigned asked, int rc)
{
    if (s->state == S_GONE) {
        if (asked == ASKED_END && (rc == 0 || s->unsure))
            tell_others(ss, now, s);
    } else if (rc == E_NOENT && !(s->want & WANT_REMAKE)) {
        session_finish(ss, now, s, SESSION_ELSEWHERE, false, true);
    } else if (rc == E_EXISTS) {
        s->want |= WANT_LOOK; /* by itself, or for want of the account */
    }
}

void session_sync_answer(struct sessions *ss, struct now now, struct session *s,
                         const struct answer *a)
{
    unsigned asked = s->asked;
    CHECK(asked >= ASKED_SAVE && ss->writing > 0);
    ss->writing--;
    if (!is_answer(asked, a->rc)) {
        unsigned again = want_again(asked);
        if (s->state != S_GONE || again == WANT_END)
            s->want |= (uint8_t)again;
        s->unsure = true;
        back_off(ss, now);
    } else {
        ss->failures = 0;
        ss->retry_at = 0;
        answered(ss, now, s, asked, a->rc);
    }
    s->asked = ASKED_NOTHING; /* not before: it keeps the slot */
    if (s->want)
        session_want(ss, now, s, 0);
    session_settle(ss, s);
    session_pump(ss, now);
}

/* ---- purging ---- */

void session_purge(struct sessions *ss, struct now now)
{
    if (!ss->policy.survive || ss->purging || now.mono < ss->purge_at)
        return;
    struct value v = VALUE_OF_INT(now.unix_ms - (int64_t)SESSION_GRACE_S * 1000);
    ss->purging = session_ask(ss, REQ_PURGE, REF_NONE, QUERY_SESSION_PURGE, &v, 1) == 0;
    ss->purge_at = now.mono + SESSION_PURGE_S * NSEC_PER_S;
}

void session_purge_answer(struct sessions *ss, struct now now, const struct answer *a)
{
    struct value v[QUERY_VALUES];
    size_t n = 0;
    if (!ss->purging)
        return;
    ss->purging = false;
    if (a->rc == 0)
        for (size_t at = 0; query_next(a->u.rows, &at, v) >= 0;)
            n++;
    if (n >= QUERY_ROWS_MAX) {
        ss->purge_at = now.mono;
        session_purge(ss, now);
    } else {
        session_wake(ss, ss->purge_at);
    }
}
