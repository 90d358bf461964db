#include "store/pg_connect.h"

#include "base/err.h"
#include "base/mem.h"
#include "store/pg_error.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define OPTIONS_MAX  64u
#define SERVER_MIN   120000
#define LOCK_KEY     "5498431209131927"
#define LOCK_LOOK_MS 50

static nsec clock_mono(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (nsec)t.tv_sec * NSEC_PER_S + (nsec)t.tv_nsec;
}

static int say(struct pg *pg, int rc, const char *words)
{
    snprintf(pg->error, sizeof pg->error, "%s", words);
    return rc;
}

/* Waits for the socket: 0, E_CLOSED (stopped), E_TIMEOUT. */
static int wait_for(struct pg *pg, short events, nsec deadline)
{
    for (;;) {
        nsec now = clock_mono();
        int ms = now >= deadline ? 0 : (int)((deadline - now) / NSEC_PER_MS) + 1;
        struct pollfd fds[2] = {{PQsocket(pg->pq), events, 0}, {pg->stop, POLLIN, 0}};
        int n = poll(fds, pg->stop < 0 ? 1 : 2, ms);
        if (n > 0)
            return fds[1].revents ? E_CLOSED : 0;
        if (n == 0)
            return E_TIMEOUT;
        if (errno != EINTR && errno != EAGAIN)
            return E_IO;
    }
}

static int failed_wait(struct pg *pg, int rc)
{
    if (rc == E_TIMEOUT)
        return say(pg, E_IO, "the server does not answer in time");
    return say(pg, E_IO, rc == E_CLOSED ? "stopped" : "poll failed");
}

/* --- connecting */

static void drop_options(PQconninfoOption *o)
{
    for (PQconninfoOption *at = o; at && at->keyword; at++)
        if (at->val)
            mem_wipe(at->val, strlen(at->val));
    PQconninfoFree(o);
}

static bool is_url(const char *url)
{
    return strncmp(url, "postgresql://", 13) == 0 || strncmp(url, "postgres://", 11) == 0;
}

static const char *option(const PQconninfoOption *o, const char *key)
{
    while (o->keyword && strcmp(o->keyword, key) != 0)
        o++;
    return o->keyword && o->val ? o->val : "";
}

/* A password with an unescaped '@' or '/' reads as a URL of another host, whose name, a piece of
 * the password, would then be in every error. */
static bool is_sound(const char *url, const PQconninfoOption *o)
{
    const char *port = option(o, "port"), *at = strchr(url, '@');
    const char *question = strchr(url, '?');
    bool good = true;
    if (at && *option(o, "user"))
        good = !memchr(at + 1, '@', strcspn(at + 1, "?"));
    else if (at)
        good = question && question < at;
    return good && strspn(port, "0123456789,") == strlen(port);
}

int pg_url_check(const char *url, struct buf *why)
{
    char *words = NULL;
    PQconninfoOption *o = is_url(url) ? PQconninfoParse(url, &words) : NULL;
    bool good = o && is_sound(url, o);
    /* The words repeat pieces of the URL, and with it of the password. */
    if (words)
        mem_wipe(words, strlen(words));
    PQfreemem(words);
    drop_options(o);
    if (!good)
        (void)buf_append_str(why,
                             "not a PostgreSQL URL; its form is"
                             " postgresql://USER:PASSWORD@HOST:PORT/DATABASE, and what is special"
                             " in the password (such as @, /, % and #) is written %40 and so on");
    return good ? 0 : E_CONFIG;
}

/* What holds where the URL says nothing (false) or whatever it says (true). */
static const struct {
    const char *key, *value;
    bool force;
} settings[] = {
    {"application_name", "slipgate", false},
    {"client_encoding", "UTF8", true},
    {"keepalives_idle", "10", false},
    {"keepalives_interval", "3", false},
    {"keepalives_count", "3", false},
    {"tcp_user_timeout", "20000", false},
    {"target_session_attrs", "read-write", false},
};

static size_t setting_of(const char *key)
{
    size_t i = 0;
    while (i < ARRAY_LEN(settings) && strcmp(settings[i].key, key) != 0)
        i++;
    return i;
}

static int start(struct pg *pg, const char *url)
{
    const char *keys[OPTIONS_MAX + 1] = {NULL}, *values[OPTIONS_MAX + 1] = {NULL};
    size_t n = 0;
    char *words = NULL;
    PQconninfoOption *o = is_url(url) ? PQconninfoParse(url, &words) : NULL;
    if (words)
        mem_wipe(words, strlen(words));
    PQfreemem(words);
    if (!o)
        return say(pg, E_CONFIG, "not a PostgreSQL URL");
    for (const PQconninfoOption *at = o; at->keyword && n < OPTIONS_MAX; at++) {
        size_t s = setting_of(at->keyword);
        bool ours = s < ARRAY_LEN(settings) && (settings[s].force || !at->val);
        if (!ours && !at->val)
            continue;
        keys[n] = at->keyword;
        values[n++] = ours ? settings[s].value : at->val;
    }
    pg->pq = PQconnectStartParams(keys, values, 0);
    drop_options(o);
    return pg->pq ? 0 : say(pg, E_NOMEM, "out of memory");
}

static int poll_connect(struct pg *pg)
{
    nsec deadline = clock_mono() + PG_CONNECT_S * NSEC_PER_S;
    PostgresPollingStatusType want = PGRES_POLLING_WRITING;
    while (PQstatus(pg->pq) != CONNECTION_BAD) {
        if (want == PGRES_POLLING_OK)
            return 0;
        if (want == PGRES_POLLING_FAILED)
            break;
        int rc = wait_for(pg, want == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline);
        if (rc)
            return failed_wait(pg, rc);
        want = PQconnectPoll(pg->pq);
    }
    pg_error_connection(pg->pq, pg->error);
    return E_IO;
}

static void ignore_notice(void *ctx, const PGresult *r)
{
    (void)ctx;
    (void)r;
}

#define TEXT_OF(x)  #x
#define MS_OF(s)    TEXT_OF(s) "000"
#define SET(key, s) "SET " key " = " MS_OF(s) ";"

static int set_session_up(struct pg *pg)
{
    const char *encoding = PQparameterStatus(pg->pq, "server_encoding");
    if (PQserverVersion(pg->pq) < SERVER_MIN)
        return say(pg, E_SUPPORT, "the server is too old: PostgreSQL 12 or newer is needed");
    if (!encoding || strcmp(encoding, "UTF8") != 0)
        return say(pg, E_SUPPORT,
                   "the database is not in UTF-8: make one with CREATE DATABASE ... ENCODING 'UTF8'"
                   " TEMPLATE template0");
    return pg_exec(
        pg,
        SET("statement_timeout", PG_STATEMENT_S) SET("lock_timeout", PG_LOCK_WAIT_S)
            SET("idle_in_transaction_session_timeout", PG_IDLE_S)
                SET("tcp_user_timeout",
                    PG_PEER_S) "SET client_min_messages = error;"
                               "SET jit = off;"
                               "SET default_transaction_isolation ="
                               " 'read committed';"
                               /* Not known to be on disk is not done. */
                               "SELECT set_config('synchronous_commit', 'on', false)"
                               " WHERE current_setting('synchronous_commit') IN ('off', 'local')",
        NULL, NULL);
}

int pg_connect(struct pg *pg, const char *url)
{
    pg->pq = NULL;
    pg->reply_s = PG_REPLY_S;
    pg->error[0] = '\0';
    int rc = start(pg, url);
    if (rc == 0)
        rc = poll_connect(pg);
    if (rc == 0 && PQsetnonblocking(pg->pq, 1) != 0)
        rc = say(pg, E_IO, "cannot be made non-blocking");
    if (rc == 0) {
        (void)PQsetNoticeReceiver(pg->pq, ignore_notice, NULL);
        rc = set_session_up(pg);
    }
    if (rc)
        pg_disconnect(pg);
    return rc;
}

void pg_disconnect(struct pg *pg)
{
    PQfinish(pg->pq);
    pg->pq = NULL;
}

/* --- asking */

static int flush(struct pg *pg, nsec deadline)
{
    for (;;) {
        int left = PQflush(pg->pq);
        if (left == 0)
            return 0;
        int rc = left < 0 ? E_IO : wait_for(pg, POLLIN | POLLOUT, deadline);
        if (rc == 0 && !PQconsumeInput(pg->pq))
            rc = E_IO;
        if (rc)
            return rc;
    }
}

PGresult *pg_result(struct pg *pg, int *rc)
{
    nsec deadline = clock_mono() + (nsec)pg->reply_s * NSEC_PER_S;
    *rc = flush(pg, deadline);
    while (*rc == 0 && PQisBusy(pg->pq)) {
        *rc = wait_for(pg, POLLIN, deadline);
        if (*rc == 0 && !PQconsumeInput(pg->pq))
            *rc = E_IO;
    }
    if (*rc == E_TIMEOUT || *rc == E_CLOSED) {
        *rc = failed_wait(pg, *rc);
        return NULL;
    }
    if (*rc)
        pg_error_connection(pg->pq, pg->error);
    /* A connection that was lost gives its last words as a result. */
    return PQgetResult(pg->pq);
}

static int give_rows(const PGresult *r, sql_row_fn row, void *ctx)
{
    struct value v[SQL_VALUES_MAX];
    int rc = PQnfields(r) <= (int)SQL_VALUES_MAX ? 0 : E_IO;
    for (int i = 0; i < PQntuples(r) && rc == 0 && row; i++) {
        pg_row(r, i, v);
        rc = row(ctx, v, (size_t)PQnfields(r));
    }
    return rc;
}

int pg_results(struct pg *pg, sql_row_fn row, void *ctx)
{
    int first = 0;
    for (;;) {
        int rc;
        PGresult *r = pg_result(pg, &rc);
        if (!r)
            return first ? first : rc;
        ExecStatusType status = PQresultStatus(r);
        if (status == PGRES_TUPLES_OK)
            rc = give_rows(r, row, ctx);
        else if (status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY)
            rc = first ? 0 : pg_error_result(r, pg->error);
        PQclear(r);
        if (first == 0)
            first = rc;
        if (PQstatus(pg->pq) == CONNECTION_BAD)
            return first ? first : E_IO;
    }
}

int pg_exec(struct pg *pg, const char *text, sql_row_fn row, void *ctx)
{
    if (!PQsendQuery(pg->pq, text)) {
        pg_error_connection(pg->pq, pg->error);
        return E_IO;
    }
    return pg_results(pg, row, ctx);
}

static int take_flag(void *ctx, const struct value *v, size_t n)
{
    *(bool *)ctx = n == 1 && v[0].type == VALUE_INT && v[0].u.i == 1;
    return 0;
}

int pg_lock(struct pg *pg)
{
    nsec deadline = clock_mono() + PG_LOCK_S * NSEC_PER_S;
    bool got = false;
    for (;;) {
        int rc = pg_exec(pg, "SELECT pg_try_advisory_lock(" LOCK_KEY ")", take_flag, &got);
        if (rc || got)
            return rc;
        if (clock_mono() >= deadline)
            return say(pg, E_BUSY, "another process has been changing the schema for a minute");
        rc = wait_for(pg, 0, clock_mono() + LOCK_LOOK_MS * NSEC_PER_MS);
        if (rc == E_CLOSED || (rc == 0 && PQsocket(pg->pq) < 0))
            return failed_wait(pg, E_CLOSED);
    }
}

void pg_unlock(struct pg *pg)
{
    if (pg->pq && PQstatus(pg->pq) == CONNECTION_OK) /* otherwise the server has done it */
        (void)!pg_exec(pg, "SELECT pg_advisory_unlock(" LOCK_KEY ")", NULL, NULL);
}

/* --- values */

enum {
    OID_BOOL = 16,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_NUMERIC = 1700
};

static struct value value_of(const PGresult *r, int row, int column)
{
    if (PQgetisnull(r, row, column))
        return VALUE_NOTHING;
    const char *text = PQgetvalue(r, row, column);
    struct span whole = span_of(text, (size_t)PQgetlength(r, row, column));
    char *end;
    switch (PQftype(r, column)) {
    case OID_BOOL: return VALUE_OF_INT(text[0] == 't');
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
    case OID_NUMERIC: /* the sum of BIGINT */
        errno = 0;
        int64_t i = strtoll(text, &end, 10);
        return errno || *end ? VALUE_OF_TEXT(whole) : VALUE_OF_INT(i);
    default: return VALUE_OF_TEXT(whole);
    }
}

void pg_row(const PGresult *r, int row, struct value v[SQL_VALUES_MAX])
{
    for (int i = 0; i < PQnfields(r) && i < (int)SQL_VALUES_MAX; i++)
        v[i] = value_of(r, row, i);
}

int pg_params(struct pg_params *p, const struct value *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        p->text[i] = NULL;
        p->length[i] = p->format[i] = 0;
        if (v[i].type == VALUE_INT) {
            p->length[i] = snprintf(p->digits[i], sizeof p->digits[i], "%lld", (long long)v[i].u.i);
            p->text[i] = p->digits[i];
        } else if (v[i].type == VALUE_TEXT) {
            struct span s = v[i].u.text;
            if (s.n > INT32_MAX / 2 || (s.n && memchr(s.p, '\0', s.n)))
                return E_REFUSED;
            p->text[i] = s.p ? (const char *)s.p : "";
            p->length[i] = (int)s.n;
            p->format[i] = 1; /* binary: with a length, so that nothing is copied for a NUL */
        }
    }
    return 0;
}

/* --- prepared statements */

void pg_name(char to[PG_NAME_MAX], size_t statement)
{
    snprintf(to, PG_NAME_MAX, "s%zu", statement);
}

static bool send_prepare(struct pg *pg, size_t i, const char *text, pg_types_fn types)
{
    char name[PG_NAME_MAX], letters[SQL_VALUES_MAX + 1];
    Oid oids[SQL_VALUES_MAX];
    size_t n = types(i, letters);
    for (size_t k = 0; k < n; k++)
        oids[k] = letters[k] == 'i' ? OID_INT8 : OID_TEXT;
    pg_name(name, i);
    return PQsendPrepare(pg->pq, name, text, (int)n, oids) == 1;
}

static int send_all(struct pg *pg, const struct sql_statement *s, size_t n, pg_types_fn types)
{
    bool good = true;
    for (size_t i = 0; i < n && good; i++)
        good = !s[i].text || send_prepare(pg, i, s[i].text, types);
    return good && PQpipelineSync(pg->pq) ? 0 : E_IO;
}

static int take_prepared(struct pg *pg, size_t i)
{
    char words[SQL_ERROR_MAX];
    int rc = 0;
    for (PGresult *r; (r = pg_result(pg, &rc)); PQclear(r)) {
        if (PQresultStatus(r) == PGRES_COMMAND_OK || rc)
            continue;
        rc = pg_error_result(r, words);
        snprintf(pg->error, sizeof pg->error, "statement %zu: %.120s", i, words);
        PQclear(r);
        return rc;
    }
    return rc;
}

int pg_prepare_all(struct pg *pg, const struct sql_statement *s, size_t n, pg_types_fn types)
{
    int rc = PQenterPipelineMode(pg->pq) ? send_all(pg, s, n, types) : E_IO;
    if (rc) {
        pg_error_connection(pg->pq, pg->error);
        return rc;
    }
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = s[i].text ? take_prepared(pg, i) : 0;
    if (rc)
        return rc; /* the connection is not worth going on with */
    PGresult *r = pg_result(pg, &rc);
    if (rc == 0 && PQresultStatus(r) != PGRES_PIPELINE_SYNC)
        rc = say(pg, E_IO, "the server lost its place");
    PQclear(r);
    if (rc == 0 && !PQexitPipelineMode(pg->pq))
        rc = say(pg, E_IO, "the server lost its place");
    return rc;
}
