#include "base/err.h"
#include "core/session_priv.h"

#define SAY(cond, text)                      \
    do {                                     \
        if (!(cond)) {                       \
            (void)buf_append_str(why, text); \
            return E_STALE;                  \
        }                                    \
    } while (0)

struct sums {
    uint32_t live, making, writing, bound, told, unwritten, oldest;
};

static int check_live(const struct sessions *ss, const struct session *s, struct buf *why)
{
    const struct session *first = session_oldest(ss, s->account);
    unsigned n = 0;
    SAY(first && !first->older, "an account's sessions have no first one");
    for (; first && first != s; first = first->younger) {
        SAY(!first->younger || first->younger->older == first, "an account's sessions are torn");
        SAY(++n <= SESSION_ACCOUNT_MAX, "an account has too many sessions");
    }
    SAY(first == s, "a session is none of its account");
    if (s->state == S_MAKING) {
        SAY(s->asked >= ASKED_BEFORE && s->asked <= ASKED_AFTER, "nobody makes a session");
        SAY(!s->timer.set && !s->want && !s->bound && s->stored, "a session is used too early");
        return 0;
    }
    SAY(s->asked == ASKED_NOTHING || s->asked >= ASKED_SAVE, "a session is made twice");
    SAY(s->timer.set || (session_deadline(s) == NSEC_NEVER && !s->stored), "a session has no end");
    SAY(!s->timer.set || s->timer.deadline <= session_deadline(s), "a session ends too late");
    SAY(!(s->want & WANT_END) && s->asked != ASKED_END && !s->erased && !s->tell,
        "a session ends and does not");
    return 0;
}

static int check_one(const struct sessions *ss, const struct session *s, struct sums *sum,
                     struct buf *why)
{
    uint8_t key[SESSION_ENDPOINT];
    uint64_t v;
    SAY(session_of_hash(ss, s->hash) == s, "a session is not found by its token");
    SAY(list_linked(&s->unwritten) == (s->want && s->asked == ASKED_NOTHING),
        "what a session wants does not wait, or nothing does");
    SAY(s->stored || (!s->want && s->asked == ASKED_NOTHING), "a session of no row is written");
    if (s->bound) {
        session_endpoint_key(&s->endpoint, key);
        SAY(hmap_get(&ss->by_endpoint, key, &v) && slots_get(&ss->all, session_unpack(v)) == s,
            "a session is not found by its endpoint");
    }
    sum->bound += s->bound;
    sum->live += s->state == S_LIVE;
    sum->making += s->state == S_MAKING;
    sum->writing += s->asked >= ASKED_SAVE;
    sum->unwritten += list_linked(&s->unwritten);
    sum->told += s->tell;
    sum->oldest += s->state != S_GONE && !s->older;
    if (s->state != S_GONE)
        return check_live(ss, s, why);
    SAY(s->tell || s->want || s->asked != ASKED_NOTHING, "a session stays without reason");
    SAY(!s->timer.set && !s->bound && !s->older && !s->younger, "a session that ended is found");
    SAY(s->tell == list_linked(&s->node), "an end is told of twice, or not");
    for (size_t i = 0; i < TOKEN_BYTES; i++)
        SAY(s->token[i] == 0, "a token was kept");
    return 0;
}

int sessions_check(const struct sessions *ss, struct buf *why)
{
    const struct session *s;
    const struct session_lookup *l;
    struct sums sum = {0};
    uint32_t n = 0;
    for (uint32_t at = 0; (s = slots_next(&ss->all, &at, NULL));) {
        int rc = check_one(ss, s, &sum, why);
        if (rc)
            return rc;
    }
    LIST_EACH (node, &ss->unwritten)
        n++;
    SAY(n == sum.unwritten, "the list of what is to be written is wrong");
    n = 0;
    LIST_EACH (node, &ss->ended)
        n++;
    SAY(n == sum.told, "the list of ends is wrong");
    SAY(sum.live == ss->live && sum.making == ss->making && sum.writing == ss->writing,
        "sessions are counted wrongly");
    SAY(ss->by_token.live == ss->all.live && ss->by_endpoint.live == sum.bound &&
            ss->by_account.live == sum.oldest,
        "something is found that is not there");
    SAY(ss->writing <= SESSION_WRITES_MAX && ss->making <= SESSION_MAKING_MAX,
        "too much is asked at once");
    n = 0;
    for (uint32_t at = 0; (l = slots_next(&ss->lookups, &at, NULL)); n++)
        SAY(hmap_get(&ss->looking, l->hash, NULL), "a look-up is forgotten");
    SAY(ss->looking.live == n, "what is looked up is counted wrongly");
    return 0;
}
