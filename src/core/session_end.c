#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "core/session_priv.h"

void session_settle(struct sessions *ss, struct session *s)
{
    if (s->state != S_GONE || s->tell || s->want || s->asked != ASKED_NOTHING)
        return;
    CHECK(hmap_del(&ss->by_token, s->hash));
    mem_wipe(s->token, sizeof s->token);
    slots_del(&ss->all, s->self);
}

static void unchain(struct sessions *ss, struct session *s)
{
    if (s->older)
        s->older->younger = s->younger;
    else if (s->younger) /* replaces: takes no memory */
        CHECK(hmap_put(&ss->by_account, &s->account, session_pack(s->younger->self)) == 0);
    else
        CHECK(hmap_del(&ss->by_account, &s->account));
    if (s->younger)
        s->younger->older = s->older;
    s->older = s->younger = NULL;
}

/* Nobody finds it any more but by its token. */
static void leave(struct sessions *ss, struct session *s)
{
    uint8_t key[SESSION_ENDPOINT];
    unchain(ss, s);
    timerq_cancel(&ss->timers, &s->timer);
    if (s->bound) {
        session_endpoint_key(&s->endpoint, key);
        CHECK(hmap_del(&ss->by_endpoint, key));
        s->bound = false;
    }
    if (s->state == S_MAKING)
        ss->making--;
    else
        ss->live--;
    s->state = S_GONE;
    mem_wipe(s->token, sizeof s->token);
}

void session_finish(struct sessions *ss, struct now now, struct session *s, enum session_why why,
                    bool erase, bool tell)
{
    if (s->state == S_GONE)
        return;
    if (s->state == S_MAKING) {
        s->doomed = true; /* its answer comes yet */
        return;
    }
    leave(ss, s);
    session_unwant(s);
    s->why = (uint8_t)why;
    s->tell = tell;
    if (tell)
        list_push_back(&ss->ended, &s->node);
    s->erased = erase || s->asked == ASKED_REMAKE;
    if (s->stored && s->erased)
        session_want(ss, now, s, WANT_END);
    session_settle(ss, s);
}

void session_scrap(struct sessions *ss, struct now now, struct session *s)
{
    leave(ss, s);
    s->erased = true;
    if (s->stored)
        session_want(ss, now, s, WANT_END);
    session_settle(ss, s);
}

void session_replace(struct sessions *ss, struct now now, struct session *by)
{
    struct session *next;
    session_note_end(ss, by->account);
    for (struct session *s = session_oldest(ss, by->account); s && s != by; s = next) {
        next = s->younger;
        session_finish(ss, now, s, SESSION_REPLACED, true, true);
    }
}

void session_note_end(struct sessions *ss, int64_t account)
{
    ss->ends[ss->ends_n++ % SESSION_ENDS] = account;
}

bool session_noted(const struct sessions *ss, int64_t account, uint64_t since)
{
    if (ss->ends_n - since > SESSION_ENDS)
        return true; /* may be */
    for (uint64_t i = since; i < ss->ends_n; i++)
        if (ss->ends[i % SESSION_ENDS] == account)
            return true;
    return false;
}

void session_end(struct sessions *ss, struct now now, struct session_ref ref)
{
    struct session *s = session_at(ss, ref);
    if (s && s->state == S_LIVE)
        session_finish(ss, now, s, SESSION_SIGNED_OUT, true, false);
}

static size_t end_all(struct sessions *ss, struct now now, int64_t account, struct ref except,
                      enum session_why why, bool erase)
{
    size_t n = 0;
    struct session *next;
    session_note_end(ss, account);
    for (struct session *s = session_oldest(ss, account); s; s = next) {
        next = s->younger;
        if (ref_eq(s->self, except))
            continue;
        session_finish(ss, now, s, why, erase, true);
        n++;
    }
    return n;
}

size_t sessions_end_account(struct sessions *ss, struct now now, int64_t account,
                            struct session_ref except, enum session_why why)
{
    return end_all(ss, now, account, except.r, why, true);
}

/* Signed in at another process: its rows are that one's business. What was signed out everywhere
 * has no rows any more; the session that asked for it gets its own back. */
static void account_notice(struct sessions *ss, struct now now, const struct notice *n,
                           struct session_ref except)
{
    int64_t id = n->u.account.id;
    struct session *stays;
    switch (n->u.account.change) {
    case ACCOUNT_SIGNED_IN:
        if (n->u.account.game.n == 0 || span_eq(n->u.account.game, session_game(ss)))
            (void)end_all(ss, now, id, except.r, SESSION_ELSEWHERE, false);
        break;
    case ACCOUNT_SIGNED_OUT:
        (void)end_all(ss, now, id, except.r, SESSION_SIGNED_OUT, true);
        stays = session_at(ss, except);
        if (stays && stays->state == S_LIVE && stays->stored && stays->account == id)
            session_want(ss, now, stays, WANT_REMAKE);
        break;
    case ACCOUNT_SUSPENDED: (void)end_all(ss, now, id, REF_NONE, SESSION_SIGNED_OUT, true); break;
    case ACCOUNT_STANDING: break;
    }
}

/* Where it is bound is what is known of its address. */
static void ban_notice(struct sessions *ss, struct now now, const struct ban *b)
{
    struct session *s;
    for (uint32_t at = 0; (s = slots_next(&ss->all, &at, NULL));)
        if (s->state != S_GONE &&
            ban_covers(b, s->account, s->bound ? &s->endpoint : NULL, session_game(ss)))
            session_finish(ss, now, s, SESSION_BANNED, true, true);
    if (b->kind == BAN_ACCOUNT)
        session_note_end(ss, b->account);
}

void sessions_notice(struct sessions *ss, struct now now, const struct notice *n,
                     struct session_ref except)
{
    if (n->kind == NOTICE_ACCOUNT)
        account_notice(ss, now, n, except);
    else if (n->kind == NOTICE_BAN)
        ban_notice(ss, now, n->u.ban);
}

bool sessions_ended(struct sessions *ss, struct session_ended *ret)
{
    struct list *n = list_first(&ss->ended);
    if (!n)
        return false;
    struct session *s = CONTAINER_OF(n, struct session, node);
    list_remove(n);
    s->tell = false;
    *ret = (struct session_ended){
        .session = {s->self}, .account = s->account, .mark = s->mark, .why = s->why};
    session_settle(ss, s);
    return true;
}
