#include "query_stories.h"

#include "base/check.h"
#include "base/err.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FAR    "9000000000000" /* the year 2255 */
#define RECORD "$2b$04$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BORN   "1700000000000"

struct line {
    enum query query;
    const char *parameters;
    int rc;
    const char *rows;
};

/* ---- accounts 1 ada, 2 Bob, 3 cyd */
static const struct line accounts[] = {
    {QUERY_ACCOUNT_BY_NAME, "'ada'", 0, "1 'ada' ~ 1 0 0 0 0 " BORN " ~ ~ ~ ~ 1 0"},
    {QUERY_ACCOUNT_BY_NAME, "'Ada'", E_NOENT, ""},
    {QUERY_ACCOUNT_BY_ID, "3", 0, "3 'cyd' ~ 1 0 0 0 0 " BORN " ~ ~ ~ ~ 1 0"},
    {QUERY_ACCOUNT_BY_ID, "4", E_NOENT, ""},
    {QUERY_ACCOUNT_SET_EMAIL, "1 'Ada@Example.org'", 0, "()"},
    {QUERY_ACCOUNT_SET_EMAIL, "2 'aDA@example.ORG'", E_EXISTS, ""},
    {QUERY_ACCOUNT_SET_EMAIL, "1 'ADA@example.org'", 0, "()"}, /* his own */
    {QUERY_ACCOUNT_BY_EMAIL, "'ada@EXAMPLE.org'", 0,
     "1 'ada' 'ADA@example.org' 1 0 0 0 0 " BORN " ~ ~ ~ ~ 1 0"},
    {QUERY_ACCOUNT_BY_EMAIL, "'bob@example.org'", E_NOENT, ""},
    {QUERY_ACCOUNT_SET_EMAIL, "2 ~", 0, "()"},
    {QUERY_ACCOUNT_SET_EMAIL, "3 ~", 0, "()"}, /* none is none's */
    {QUERY_ACCOUNT_SET_EMAIL, "1 ~", 0, "()"},
    {QUERY_ACCOUNT_SET_EMAIL, "2 'ada@example.org'", 0, "()"},
    {QUERY_ACCOUNT_SET_EMAIL, "2 ~", 0, "()"},
    {QUERY_ACCOUNT_SET_DISPLAY_NAME, "2 'B\xc3\xb6'", 0, "()"},
    {QUERY_ACCOUNT_SET_DISPLAY_NAME, "9 'B'", E_NOENT, ""},
    {QUERY_ACCOUNT_SET_NOTES, "2 'a; -- b'", 0, "()"},
    {QUERY_ACCOUNT_SET_NOTES, "9 ~", E_NOENT, ""},
    {QUERY_ACCOUNT_SET_MUTED, "2 7", 0, "()"},
    {QUERY_ACCOUNT_SET_MUTED, "9 1", E_NOENT, ""},
    {QUERY_ACCOUNT_SET_FACTION, "2 -3", 0, "()"},
    {QUERY_ACCOUNT_SET_FACTION, "9 1", E_NOENT, ""},
    {QUERY_ACCOUNT_BY_ID, "2", 0, "2 'Bob' ~ 1 0 0 1 -3 " BORN " ~ ~ 'B\xc3\xb6' 'a; -- b' 1 0"},
    {QUERY_ACCOUNT_SET_DISPLAY_NAME, "2 ~", 0, "()"},
    {QUERY_ACCOUNT_SET_NOTES, "2 ~", 0, "()"},
    {QUERY_ACCOUNT_SET_MUTED, "2 0", 0, "()"},
    {QUERY_ACCOUNT_SET_FACTION, "2 0", 0, "()"},
    {QUERY_ACCOUNT_LIST, "'' 10", 0,
     "2 'Bob' ~ 1 0 0 0 0 " BORN " ~ ~ ~ ~ 1 0; 1 'ada' ~ 1 0 0 0 0 " BORN " ~ ~ ~ ~ 1 0;"
     " 3 'cyd' ~ 1 0 0 0 0 " BORN " ~ ~ ~ ~ 1 0"}, /* by bytes, whatever the language */
    {QUERY_ACCOUNT_LIST, "'Bob' 1", 0, "1 'ada' ~ 1 0 0 0 0 " BORN " ~ ~ ~ ~ 1 0"},
    {QUERY_ACCOUNT_LIST, "'cyd' 1", 0, ""},
    {QUERY_ACCOUNT_LIST, "'' 0", 0, ""},
    {QUERY_ACCOUNT_LIST, "'' -1", 0, ""},
};

/* ---- the last admin */
static const struct line admins[] = {
    {QUERY_ACCOUNT_STAFF, "", 0, ""},
    {QUERY_ACCOUNT_SET_SUSPENDED, "1 1", 0, "()"}, /* nobody is an admin yet: no rule */
    {QUERY_ACCOUNT_SET_SUSPENDED, "1 0", 0, "()"},
    {QUERY_ACCOUNT_SET_SUSPENDED, "9 1", E_REFUSED, ""},
    {QUERY_ACCOUNT_LOCK, "1 " FAR, 0, "()"},
    {QUERY_ACCOUNT_LOCK, "1 0", 0, "()"},
    {QUERY_ACCOUNT_LOCK, "1 -1", E_REFUSED, ""},
    {QUERY_ACCOUNT_LOCK, "9 0", E_REFUSED, ""},
    {QUERY_ACCOUNT_SET_LEVEL, "1 0", E_REFUSED, ""},
    {QUERY_ACCOUNT_SET_LEVEL, "1 4", E_REFUSED, ""},
    {QUERY_ACCOUNT_SET_LEVEL, "9 3", E_REFUSED, ""},
    {QUERY_ACCOUNT_SET_LEVEL, "1 3", 0, "()"},
    {QUERY_ACCOUNT_SET_LEVEL, "1 3", 0, "()"},
    {QUERY_ACCOUNT_SET_LEVEL, "1 1", E_REFUSED, ""},
    {QUERY_ACCOUNT_SET_SUSPENDED, "1 1", E_REFUSED, ""},
    {QUERY_ACCOUNT_LOCK, "1 " FAR, E_REFUSED, ""},
    {QUERY_ACCOUNT_LOCK, "1 1", 0, "()"}, /* that is over */
    {QUERY_ACCOUNT_DELETE, "1", E_REFUSED, ""},
    {QUERY_ACCOUNT_SET_LEVEL, "2 3", 0, "()"},
    {QUERY_ACCOUNT_LOCK, "2 " FAR, 0, "()"},
    {QUERY_ACCOUNT_SET_LEVEL, "1 2", E_REFUSED, ""}, /* the other is locked */
    {QUERY_ACCOUNT_LOCK, "2 1", 0, "()"},
    {QUERY_ACCOUNT_SET_SUSPENDED, "2 1", 0, "()"},
    {QUERY_ACCOUNT_SET_SUSPENDED, "1 1", E_REFUSED, ""}, /* the other is suspended */
    {QUERY_ACCOUNT_SET_SUSPENDED, "2 0", 0, "()"},
    {QUERY_ACCOUNT_STAFF, "", 0,
     "2 'Bob' ~ 3 0 1 0 0 " BORN " ~ ~ ~ ~ 1 0; 1 'ada' ~ 3 0 1 0 0 " BORN " ~ ~ ~ ~ 1 0"},
    {QUERY_ACCOUNT_SET_LEVEL, "1 2", 0, "()"},
    {QUERY_ACCOUNT_DELETE, "2", E_REFUSED, ""},
    {QUERY_ACCOUNT_SET_LEVEL, "1 3", 0, "()"},
    {QUERY_ACCOUNT_SET_LEVEL, "2 1", 0, "()"},
};

static const struct line login[] = {
    {QUERY_KNOWN_ADDRESS_PUT, "2 'aa' 100", 0, "()"},
    {QUERY_KNOWN_ADDRESS_PUT, "2 'bb' 200", 0, "()"},
    {QUERY_KNOWN_ADDRESS_PUT, "2 'aa' 50", 0, "()"}, /* seen later already */
    {QUERY_KNOWN_ADDRESS_PUT, "9 'aa' 100", 0, ""},
    {QUERY_KNOWN_ADDRESS_HAS, "2 'aa' 100", 0, "()"},
    {QUERY_KNOWN_ADDRESS_HAS, "2 'aa' 101", E_NOENT, ""},
    {QUERY_KNOWN_ADDRESS_HAS, "1 'aa' 0", E_NOENT, ""},
    {QUERY_KNOWN_ADDRESSES, "2", 0, "'bb' 200; 'aa' 100"},
    {QUERY_KNOWN_ADDRESSES, "1", 0, ""},
    {QUERY_KNOWN_ADDRESS_PURGE, "100", 0, ""},
    {QUERY_KNOWN_ADDRESS_PURGE, "101", 0, "()"},
    {QUERY_KNOWN_ADDRESSES, "2", 0, "'bb' 200"},

    {QUERY_TOKEN_PUT, "'h1' 2 'racing' 10 20", 0, "()"},
    {QUERY_TOKEN_PUT, "'h1' 1 'racing' 10 20", 0, ""},
    {QUERY_TOKEN_PUT, "'h2' 9 'racing' 10 20", 0, ""},
    {QUERY_TOKEN_REDEEM, "'h1' 'arena' 15", E_NOENT, ""},
    {QUERY_TOKEN_REDEEM, "'h1' 'racing' 20", E_NOENT, ""}, /* over */
    {QUERY_TOKEN_REDEEM, "'h1' 'racing' 19", 0, "2"},
    {QUERY_TOKEN_REDEEM, "'h1' 'racing' 19", E_NOENT, ""}, /* once */
    {QUERY_TOKEN_PUT, "'h1' 2 'racing' 10 20", 0, "()"},
    {QUERY_TOKEN_PUT, "'h2' 2 'arena' 10 20", 0, "()"},
    {QUERY_TOKEN_PUT, "'h3' 1 'arena' 10 30", 0, "()"},
    {QUERY_TOKEN_LIST, "2", 0, "'racing' 10 20; 'arena' 10 20"},
    {QUERY_TOKEN_LIST, "9", 0, ""},
    {QUERY_TOKEN_DROP, "2 'world'", 0, ""},
    {QUERY_TOKEN_DROP, "2 'racing'", 0, "()"},
    {QUERY_TOKEN_PUT, "'h1' 2 'racing' 10 20", 0, "()"},
    {QUERY_TOKEN_DROP, "2 ~", 0, "(); ()"},
    {QUERY_TOKEN_PURGE, "29", 0, ""},
    {QUERY_TOKEN_PURGE, "30", 0, "()"},

    {QUERY_SESSION_CREATE, "'s1' 2 'arena' 'n1' 0 ~ 10 100", 0, "()"},
    {QUERY_SESSION_CREATE, "'s1' 1 'arena' 'n1' 0 ~ 10 100", E_EXISTS, ""},
    {QUERY_SESSION_CREATE, "'s9' 9 'arena' 'n1' 0 ~ 10 100", E_EXISTS, ""}, /* nobody's */
    {QUERY_SESSION_CREATE, "'s2' 2 'arena' 'n2' 1 'e2' 20 200", 0, "()"},
    {QUERY_SESSION_CREATE, "'s3' 2 'world' 'n2' 1 'e2' 20 200", 0, "()"},
    {QUERY_SESSION_BY_TOKEN, "'s1' 99", 0, "'s1' 2 'arena' 'n1' 0 ~ 10 100"},
    {QUERY_SESSION_BY_TOKEN, "'s1' 100", E_NOENT, ""},
    {QUERY_SESSION_BY_ACCOUNT, "2 'arena' 0", 0,
     "'s1' 2 'arena' 'n1' 0 ~ 10 100; 's2' 2 'arena' 'n2' 1 'e2' 20 200"},
    {QUERY_SESSION_BY_ACCOUNT, "2 'arena' 100", 0, "'s2' 2 'arena' 'n2' 1 'e2' 20 200"},
    {QUERY_SESSION_BY_ACCOUNT, "1 'arena' 0", 0, ""},
    {QUERY_SESSION_LIST, "2", 0,
     "'arena' 1 'e2' 20 200; 'world' 1 'e2' 20 200; 'arena' 0 ~ 10 100"},
    {QUERY_SESSION_LIST, "1", 0, ""},
    {QUERY_SESSION_BY_ENDPOINT, "'arena' 'e2' 0", 0, "'s2' 2 'arena' 'n2' 1 'e2' 20 200"},
    {QUERY_SESSION_BY_ENDPOINT, "'arena' 'e3' 0", E_NOENT, ""},
    {QUERY_SESSION_BIND, "'s1' 'e2' 1 300", 0, "()"},
    {QUERY_SESSION_BIND, "'s9' 'e2' 1 300", E_NOENT, ""},
    {QUERY_SESSION_BY_ENDPOINT, "'arena' 'e2' 0", 0, "'s2' 2 'arena' 'n2' 1 'e2' 20 200"},
    {QUERY_SESSION_BY_ENDPOINT, "'arena' 'e2' 200", 0, "'s1' 2 'arena' 'n1' 1 'e2' 10 300"},
    {QUERY_SESSION_STATUS, "'s1' 0 400", 0, "()"},
    {QUERY_SESSION_STATUS, "'s9' 0 400", E_NOENT, ""},
    {QUERY_SESSION_BY_TOKEN, "'s1' 399", 0, "'s1' 2 'arena' 'n1' 0 'e2' 10 400"},
    {QUERY_SESSION_END, "'s1'", 0, "()"},
    {QUERY_SESSION_END, "'s1'", E_NOENT, ""},
    {QUERY_SESSION_END_ACCOUNT, "1 ~", 0, ""},
    {QUERY_SESSION_END_ACCOUNT, "2 'world'", 0, "()"},
    {QUERY_SESSION_END_ACCOUNT, "2 ~", 0, "()"},
    {QUERY_SESSION_CREATE, "'s1' 2 'arena' 'n1' 0 ~ 10 100", 0, "()"},
    {QUERY_SESSION_PURGE, "99", 0, ""},
    {QUERY_SESSION_PURGE, "100", 0, "()"},

    {QUERY_OTP_GET, "2", E_NOENT, ""},
    {QUERY_OTP_STEP, "2 1", E_STALE, ""},
    {QUERY_OTP_SET, "9 'sealed'", E_NOENT, ""},
    {QUERY_OTP_SET, "2 'sealed'", 0, "()"},
    {QUERY_OTP_STEP, "2 7", 0, "()"},
    {QUERY_OTP_STEP, "2 7", E_STALE, ""},
    {QUERY_OTP_STEP, "2 6", E_STALE, ""},
    {QUERY_OTP_GET, "2", 0, "'sealed' 7"},
    {QUERY_OTP_SET, "2 'new'", 0, "()"},
    {QUERY_OTP_GET, "2", 0, "'new' 0"},
    {QUERY_ACCOUNT_BY_ID, "2", 0, "2 'Bob' ~ 1 0 1 0 0 " BORN " ~ ~ ~ ~ 1 1"},
    {QUERY_RECOVERY_PUT, "2 'r1'", 0, "()"},
    {QUERY_RECOVERY_PUT, "2 'r1'", 0, ""},
    {QUERY_RECOVERY_PUT, "2 'r2'", 0, "()"},
    {QUERY_RECOVERY_PUT, "9 'r2'", 0, ""},
    {QUERY_RECOVERY_USE, "2 'r1'", 0, "()"},
    {QUERY_RECOVERY_USE, "2 'r1'", E_NOENT, ""},
    {QUERY_OTP_CLEAR, "2", 0, "()"},
    {QUERY_OTP_CLEAR, "2", 0, ""},
    {QUERY_RECOVERY_USE, "2 'r2'", E_NOENT, ""},
};

static const struct line moderation[] = {
    {QUERY_BAN_ADD, "0 3 ~ 0 '' 'why' 'ada' 'saw it' 10 0", 0, "1"},
    {QUERY_BAN_ADD, "1 ~ 'ffff' 128 'racing' '' 'ada' '' 10 50", 0, "2"},
    {QUERY_BAN_ADD, "0 9 ~ 0 '' 'why' 'ada' '' 10 0", E_STORE, ""}, /* nobody */
    {QUERY_BAN_ADD, "1 ~ 'eeee' 64 '' '' 'ada' '' 10 0", 0, "3"},
    {QUERY_BAN_GET, "1", 0, "1 0 3 ~ 0 '' 'why' 'ada' 'saw it' 10 0"},
    {QUERY_BAN_GET, "9", E_NOENT, ""},
    {QUERY_BAN_LIST, "0 49 2", 0,
     "1 0 3 ~ 0 '' 'why' 'ada' 'saw it' 10 0; 2 1 ~ 'ffff' 128 'racing' '' 'ada' '' 10 50"},
    {QUERY_BAN_LIST, "1 50 9", 0, "3 1 ~ 'eeee' 64 '' '' 'ada' '' 10 0"},
    {QUERY_BAN_LIST, "3 0 9", 0, ""},
    {QUERY_BAN_PURGE, "49", 0, ""},
    {QUERY_BAN_PURGE, "50", 0, "()"},
    {QUERY_BAN_REMOVE, "3", 0, "()"},
    {QUERY_BAN_REMOVE, "3", E_NOENT, ""},

    {QUERY_GRANT_ADD, "3 'kick' 'ada' 5", 0, "()"},
    {QUERY_GRANT_ADD, "3 'kick' 'bob' 6", E_EXISTS, ""},
    {QUERY_GRANT_ADD, "9 'kick' 'bob' 6", E_EXISTS, ""}, /* nobody */
    {QUERY_GRANT_ADD, "3 'ban' 'ada' 7", 0, "()"},
    {QUERY_GRANT_LIST, "3", 0, "'ban' 'ada' 7; 'kick' 'ada' 5"},
    {QUERY_GRANT_LIST, "2", 0, ""},
    {QUERY_GRANT_REMOVE, "3 'ban'", 0, "()"},
    {QUERY_GRANT_REMOVE, "3 'ban'", E_NOENT, ""},

    {QUERY_STATISTIC_ADD, "3 'racing' 'laps' 4", 0, "()"},
    {QUERY_STATISTIC_ADD, "3 'racing' 'laps' -1", 0, "()"},
    {QUERY_STATISTIC_ADD, "3 'racing' 'far' 9223372036854775807", 0, "()"},
    {QUERY_STATISTIC_ADD, "3 'racing' 'far' 1", 0, "()"}, /* stays at the end */
    {QUERY_STATISTIC_ADD, "3 'arena' 'low' -9223372036854775807", 0, "()"},
    {QUERY_STATISTIC_ADD, "3 'arena' 'low' -1", 0, "()"},
    {QUERY_STATISTIC_ADD, "9 'racing' 'laps' 4", 0, ""},
    {QUERY_STATISTICS, "3", 0,
     "'arena' 'low' -9223372036854775807; 'racing' 'far' 9223372036854775807; 'racing' 'laps' 3"},
    {QUERY_STATISTICS, "2", 0, ""},

    /* Everything that hangs on an account goes with it, and nobody else's. */
    {QUERY_GRANT_ADD, "2 'kick' 'ada' 5", 0, "()"},
    {QUERY_TOKEN_PUT, "'h9' 3 'racing' 10 20", 0, "()"},
    {QUERY_SESSION_CREATE, "'s9' 3 'arena' 'n1' 0 ~ 10 100", 0, "()"},
    {QUERY_KNOWN_ADDRESS_PUT, "3 'aa' 100", 0, "()"},
    {QUERY_OTP_SET, "3 'sealed'", 0, "()"},
    {QUERY_RECOVERY_PUT, "3 'r1'", 0, "()"},
    {QUERY_ACCOUNT_DELETE, "3", 0, "()"},
    {QUERY_ACCOUNT_DELETE, "3", E_REFUSED, ""},
    {QUERY_ACCOUNT_BY_ID, "3", E_NOENT, ""},
    {QUERY_GRANT_LIST, "3", 0, ""},
    {QUERY_GRANT_LIST, "2", 0, "'kick' 'ada' 5"},
    {QUERY_STATISTICS, "3", 0, ""},
    {QUERY_BAN_GET, "1", E_NOENT, ""},
    {QUERY_TOKEN_REDEEM, "'h9' 'racing' 11", E_NOENT, ""},
    {QUERY_SESSION_BY_TOKEN, "'s9' 11", E_NOENT, ""},
    {QUERY_KNOWN_ADDRESSES, "3", 0, ""},
    {QUERY_OTP_GET, "3", E_NOENT, ""},
    {QUERY_RECOVERY_USE, "3 'r1'", E_NOENT, ""},
};

#define RECORD_1 "'n' 1 100 3 5 'racing' 'ada' 'Ada' '1.2.3.4' '' 'd1' 'p1' 'h1'"
#define RECORD_2 "'n' 2 200 1 0 'racing' '' 'Unknown' '' 't' 'd2' 'h1' 'h2'"
#define RECORD_3 "'n' 3 300 3 4 'arena' 'ada' 'Bob' '' '' 'd3' 'h2' 'h3'"

static const struct line audit[] = {
    {QUERY_AUDIT_TAIL, "'n'", E_NOENT, ""},
    {QUERY_AUDIT_NODES, "", 0, ""},
    {QUERY_AUDIT_APPEND, RECORD_1, 0, "()"},
    {QUERY_AUDIT_APPEND, RECORD_2, 0, "()"},
    {QUERY_AUDIT_APPEND, RECORD_3, 0, "()"},
    {QUERY_AUDIT_APPEND, RECORD_2, 0, ""}, /* once is enough */
    {QUERY_AUDIT_APPEND, "'m' 7 1 1 0 'racing' '' '' '' '' '' 'x' 'y'", 0, "()"},
    {QUERY_AUDIT_TAIL, "'n'", 0, "3 'h3'"},
    {QUERY_AUDIT_NODES, "", 0, "'m' 7 7; 'n' 1 3"},
    {QUERY_AUDIT_LIST, "'n' 0 0 0 0 '' '' 9", 0, RECORD_1 "; " RECORD_2 "; " RECORD_3},
    {QUERY_AUDIT_LIST, "'n' 1 0 0 0 '' '' 1", 0, RECORD_2},
    {QUERY_AUDIT_LIST, "'n' 0 201 0 0 '' '' 9", 0, RECORD_3},
    {QUERY_AUDIT_LIST, "'n' 0 0 3 0 '' '' 9", 0, RECORD_1 "; " RECORD_3},
    {QUERY_AUDIT_LIST, "'n' 0 0 3 4 '' '' 9", 0, RECORD_3},
    {QUERY_AUDIT_LIST, "'n' 0 0 0 0 'ada' '' 9", 0, RECORD_1 "; " RECORD_3},
    {QUERY_AUDIT_LIST, "'n' 0 0 0 0 'ada' 'Bob' 9", 0, RECORD_3},
    {QUERY_AUDIT_LIST, "'o' 0 0 0 0 '' '' 9", 0, ""},
    {QUERY_AUDIT_ABOUT, "'n' 0 't' 9", 0, RECORD_2},
    {QUERY_AUDIT_ABOUT, "'n' 2 't' 9", 0, ""},
    {QUERY_AUDIT_ABOUT, "'n' 0 '' 9", 0, RECORD_1 "; " RECORD_3}, /* not what it did itself */
    {QUERY_AUDIT_LAST, "'n' 2", 0, RECORD_3 "; " RECORD_2},
    {QUERY_AUDIT_LAST, "'o' 2", 0, ""},
    {QUERY_AUDIT_PURGE, "'n' 0", 0, ""},
    {QUERY_AUDIT_PURGE, "'n' 2", 0, "(); ()"},
    {QUERY_AUDIT_NODES, "", 0, "'m' 7 7; 'n' 3 3"},

    {QUERY_AUDIT_HEAD_ADD, "'n' 1 3 30 'h3' 's3'", 0, "()"},
    {QUERY_AUDIT_HEAD_ADD, "'n' 1 3 31 'h3' 's3'", 0, ""},
    {QUERY_AUDIT_HEAD_ADD, "'n' 2 3 32 'h3' 'c3'", 0, "()"},
    {QUERY_AUDIT_HEAD_ADD, "'n' 1 5 50 'h5' 's5'", 0, "()"},
    {QUERY_AUDIT_HEADS, "'n' 0 9", 0, "1 3 30 'h3' 's3'; 2 3 32 'h3' 'c3'; 1 5 50 'h5' 's5'"},
    {QUERY_AUDIT_HEADS, "'n' 3 9", 0, "1 5 50 'h5' 's5'"},
    {QUERY_AUDIT_HEADS, "'n' 5 9", 0, ""},
    {QUERY_AUDIT_HEAD_PURGE, "'n' 2", 0, ""},
    {QUERY_AUDIT_HEAD_PURGE, "'n' 4", 0, "()"},
    {QUERY_AUDIT_HEADS, "'n' 0 9", 0, "2 3 32 'h3' 'c3'; 1 5 50 'h5' 's5'"}, /* cuts stay */
};

static const struct {
    const char *name;
    const struct line *lines;
    size_t n;
} stories[] = {
    {"accounts", accounts, ARRAY_LEN(accounts)}, {"admins", admins, ARRAY_LEN(admins)},
    {"login", login, ARRAY_LEN(login)},          {"moderation", moderation, ARRAY_LEN(moderation)},
    {"audit", audit, ARRAY_LEN(audit)},
};

static size_t read_values(const char *text, struct value v[QUERY_VALUES])
{
    size_t n = 0;
    for (const char *at = text; *at; n++) {
        CHECK(n < QUERY_VALUES);
        const char *end = at + 1;
        if (*at == '\'') {
            end = strchr(end, '\'');
            CHECK(end);
            v[n] = VALUE_OF_TEXT(span_of(at + 1, (size_t)(end++ - at - 1)));
        } else if (*at == '~') {
            v[n] = VALUE_NOTHING;
        } else {
            char *stop;
            v[n] = VALUE_OF_INT(strtoll(at, &stop, 10));
            CHECK(stop != at);
            end = stop;
        }
        at = end + (*end == ' ');
    }
    return n;
}

static void write_values(struct buf *to, const struct value *v, size_t n)
{
    (void)buf_append_str(to, to->n ? "; " : "");
    (void)buf_append_str(to, n ? "" : "()");
    for (size_t i = 0; i < n; i++) {
        (void)buf_append_str(to, i ? " " : "");
        if (v[i].type == VALUE_NULL)
            (void)buf_append_byte(to, '~');
        else if (v[i].type == VALUE_INT)
            (void)buf_printf(to, "%" PRId64, v[i].u.i);
        else
            (void)buf_printf(to, "'%.*s'", (int)v[i].u.text.n, (const char *)v[i].u.text.p);
    }
}

/* Rows are borrowed until the answer was taken: they are read within. */
struct story {
    struct kit *kit;
    struct buf rows;
    int rc;
    size_t left;
};

static void on_answer(void *ctx, struct now now, const struct answer *a)
{
    struct story *s = ctx;
    struct value v[QUERY_VALUES];
    size_t at = 0;
    (void)now;
    CHECK(a->kind == ASK_QUERY);
    s->rc = a->rc;
    for (int n; a->rc == 0 && (n = query_next(a->u.rows, &at, v)) >= 0;)
        write_values(&s->rows, v, (size_t)n);
    s->left = 0;
    uvloop_stop(s->kit->uv);
}

int story_ask(struct kit *k, enum query q, const char *parameters, char rows[STORY_ROWS_SIZE])
{
    struct value v[QUERY_VALUES];
    struct story s = {.kit = k, .left = 1};
    char text[1024];
    CHECK(strlen(parameters) < sizeof text);
    memcpy(text, parameters, strlen(parameters) + 1);
    buf_init(&s.rows, STORY_ROWS_SIZE - 1);
    struct ask ask = query_ask(q, v, read_values(text, v));
    struct ask_port *port = store_port(k->store);
    CHECK(port->submit(port, &ask, (struct ask_owner){on_answer, &s, 1}) == 0);
    memset(text, '?', sizeof text); /* borrowed until submit returned, no longer */
    CHECK(kit_run_down(k, &s.left, 60));
    CHECK(!s.rows.failed);
    if (s.rows.n)
        memcpy(rows, s.rows.p, s.rows.n);
    rows[s.rows.n] = '\0';
    buf_fini(&s.rows);
    return s.rc;
}

struct seen {
    bool some[QUERY_N], none[QUERY_N];
};

static void play(struct kit *k, const char *name, const struct line *l, struct seen *seen)
{
    static char rows[STORY_ROWS_SIZE];
    int rc = story_ask(k, l->query, l->parameters, rows);
    if (rc != l->rc || strcmp(rows, l->rows) != 0) {
        (void)fprintf(stderr, "%s: %s %s\n  expected: %s %s\n  came:     %s %s\n", name,
                      query_table[l->query].name, l->parameters, l->rc ? err_name(l->rc) : "0",
                      l->rows, rc ? err_name(rc) : "0", rows);
        abort();
    }
    if (rc == 0 && *rows)
        seen->some[l->query] = true;
    else if (rc == query_table[l->query].none)
        seen->none[l->query] = true;
}

void stories_play(struct kit *k)
{
    struct seen seen = {{0}, {0}};
    CHECK(kit_create(k, "ada", false, RECORD) == 0);
    CHECK(kit_create(k, "Bob", false, RECORD) == 0);
    CHECK(kit_create(k, "cyd", false, RECORD) == 0);
    for (size_t i = 0; i < ARRAY_LEN(stories); i++)
        for (size_t j = 0; j < stories[i].n; j++)
            play(k, stories[i].name, &stories[i].lines[j], &seen);
    for (size_t q = 0; q < QUERY_N; q++) {
        if (seen.some[q] && seen.none[q])
            continue;
        (void)fprintf(stderr, "%s: no story tells of it %s\n", query_table[q].name,
                      seen.some[q] ? "in vain" : "with success");
        abort();
    }
}
