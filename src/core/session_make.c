/* A session that survives is given out when its row is stored.
 *
 *   REFUSE:  has the account one? --> create
 *   REPLACE: create --> which others has it? they go
 *   ALLOW:   create
 *
 * The old ones go last, so that whoever is refused because the store failed keeps what he had. A
 * row that may or may not have been made is erased: nobody knows its token. */
#include "base/err.h"
#include "base/mem.h"
#include "core/session_priv.h"

static int ask_rows(struct sessions *ss, struct session *s, int64_t unix_ms)
{
    struct value v[] = {VALUE_OF_INT(s->account), VALUE_OF_TEXT(session_game(ss)),
                        VALUE_OF_INT(unix_ms)};
    return session_ask(ss, REQ_SESSION, s->self, QUERY_SESSION_BY_ACCOUNT, v, ARRAY_LEN(v));
}

int session_make(struct sessions *ss, struct now now, struct session *s)
{
    bool before = ss->policy.single == SESSION_REFUSE;
    int rc = before ? ask_rows(ss, s, now.unix_ms) : session_ask_create(ss, now, s);
    if (rc == 0)
        s->asked = before ? ASKED_BEFORE : ASKED_CREATE;
    return rc;
}

int session_erase(struct sessions *ss, struct now now, const uint8_t hash[SESSION_HASH],
                  int64_t account)
{
    struct session *s = session_of_hash(ss, hash);
    if (!s) {
        int rc = session_add(ss, hash, &s);
        if (rc)
            return rc;
        s->stored = true;
        s->account = account;
    } else if (s->state != S_GONE || !s->stored || s->erased) {
        return 0;
    }
    s->erased = true;
    session_want(ss, now, s, WANT_END);
    return 0;
}

/* All of the account's rows but its own. */
static int erase_others(struct sessions *ss, struct now now, const struct session *s,
                        struct span rows)
{
    struct session_row row;
    int rc;
    for (size_t at = 0; (rc = session_row_next(ss, rows, &at, &row)) != E_NOENT;) {
        if (rc == 0 && memcmp(row.hash, s->hash, SESSION_HASH) != 0)
            rc = session_erase(ss, now, row.hash, row.account);
        if (rc && rc != E_FORMAT) /* a row that is none is no session to anybody */
            return rc;
    }
    return 0;
}

static bool end(struct sessions *ss, struct now now, struct session *s, int rc,
                struct session_result *ret)
{
    *ret = (struct session_result){.made = true, .owner = s->mark, .rc = rc, .account = s->account};
    if (rc) {
        session_scrap(ss, now, s);
        return true;
    }
    ret->session.r = s->self;
    memcpy(ret->token, s->token, sizeof ret->token);
    ss->making--;
    session_begin(ss, now, s);
    if (ss->policy.single == SESSION_REPLACE)
        session_replace(ss, now, s);
    return true;
}

/* One that ended here may have its row yet. */
static bool has_one(struct sessions *ss, struct span rows)
{
    struct session_row row;
    int rc;
    for (size_t at = 0; (rc = session_row_next(ss, rows, &at, &row)) != E_NOENT;) {
        const struct session *s = rc ? NULL : session_of_hash(ss, row.hash);
        if (rc == 0 && !(s && s->state == S_GONE && s->erased))
            return true;
    }
    return false;
}

static bool looked(struct sessions *ss, struct now now, struct session *s, const struct answer *a,
                   struct session_result *ret)
{
    int rc = s->doomed                        ? E_REFUSED
             : a->rc                          ? E_BUSY
             : has_one(ss, a->u.rows)         ? E_EXISTS
             : session_ask_create(ss, now, s) ? E_BUSY
                                              : 0;
    if (rc == 0) {
        s->asked = ASKED_CREATE;
        return false;
    }
    s->stored = false; /* nothing was written */
    return end(ss, now, s, rc, ret);
}

bool session_make_answer(struct sessions *ss, struct now now, struct session *s,
                         const struct answer *a, struct session_result *ret)
{
    unsigned asked = s->asked;
    s->asked = ASKED_NOTHING;
    if (asked == ASKED_BEFORE)
        return looked(ss, now, s, a, ret);
    int rc = a->rc ? E_BUSY : 0;
    if (asked == ASKED_CREATE && a->rc == E_EXISTS)
        rc = E_REFUSED; /* 256 random bits are nobody else's: there is no such account any more */
    if (asked == ASKED_AFTER && rc == 0 && erase_others(ss, now, s, a->u.rows))
        rc = E_BUSY;
    if (rc == 0 && session_deadline(s) <= now.mono)
        rc = E_BUSY;
    if (s->doomed)
        rc = E_REFUSED;
    if (rc == 0 && asked == ASKED_CREATE && ss->policy.single == SESSION_REPLACE) {
        if (ask_rows(ss, s, now.unix_ms) == 0) {
            s->asked = ASKED_AFTER;
            return false;
        }
        rc = E_BUSY;
    }
    return end(ss, now, s, rc, ret);
}
