/* An account desk over a store and a hash pool in memory that work, refuse, fail, or do what is
 * asked and say they failed; answers are given when told. Audit, games and other processes are
 * counted. For t_account_desk.c. */
#ifndef SLIPGATE_TESTS_ACCOUNT_DESK_KIT_H
#define SLIPGATE_TESTS_ACCOUNT_DESK_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "core/account_desk.h"
#include "core/login_otp.h"
#include "core/query.h"
#include "sim/alloc_fault.h"
#include "wire/json.h"

#include <stdio.h>
#include <stdlib.h>

#define T0       INT64_C(1700000000000)
#define ACCOUNTS 8
#define PENDING  128
#define ROWS_MAX 65536

/* ---- what is stored ---- */

struct stored {
    int64_t id; /* 0: there is none */
    char name[64], email[64], display[64], notes[64], password[PASSWORD_RECORD_MAX + 1];
    uint32_t password_min;
    int64_t level, suspended, muted, locked_until;
    unsigned tokens, sessions, recovery_n;
    char otp[SECRET_TEXT_MAX + 1], recovery[16][TOKEN_HASH + 1], grant[40];
};

enum mode {
    WELL,
    REFUSES,   /* submit says busy */
    FAILS,     /* answers E_STORE and has done nothing */
    DOES_FAILS /* does it and answers E_STORE */
};

struct pending {
    struct ask_owner owner;
    struct answer answer;
    size_t rows_n;
    uint8_t rows[ROWS_MAX];
};

static struct {
    struct ask_port port;
    struct stored accounts[ACCOUNTS];
    struct pending *pending;
    size_t pending_n;
    unsigned asked;
    unsigned bad_at; /* the nth ask goes wrong so; 0: none */
    enum mode bad;
    int64_t records;     /* of the audit, about everybody */
    unsigned bans, adds; /* rows of a ban list; accounts made */
} store;

static struct {
    struct now now;
    struct account_desk *desk;
    struct log log;
    struct entropy entropy;
    uint8_t secrets[SECRET_KEY];
    unsigned logged;  /* changes said to the log */
    unsigned audited; /* and to the audit */
    char audit[512];
    bool audit_waits;
    int audit_rc;
    audit_log_fn safe[PENDING];
    void *safe_ctx[PENDING];
    size_t safe_n;
    unsigned noticed, told;
    struct notice notice;
    char except[64];
    struct cluster_message message;
    uint64_t drawn;

    unsigned answers;
    int rc;
    bool has_why, done_audited;
    char why[128], mend[160];
    int64_t account;
    uint8_t level;
    size_t json_n;
    char json[DESK_OUT_MAX + 1];
} w;

static struct stored *find_id(int64_t id)
{
    for (size_t i = 0; i < ACCOUNTS; i++)
        if (id && store.accounts[i].id == id)
            return &store.accounts[i];
    return NULL;
}

static struct stored *find_name(struct span name, bool email)
{
    for (size_t i = 0; i < ACCOUNTS; i++) {
        struct stored *s = &store.accounts[i];
        if (s->id && span_eq(name, span_str(email ? s->email : s->name)))
            return s;
    }
    return NULL;
}

static struct stored *make(const char *name, int64_t level)
{
    for (size_t i = 0; i < ACCOUNTS; i++) {
        struct stored *s = &store.accounts[i];
        if (s->id)
            continue;
        *s = (struct stored){.id = (int64_t)i + 1, .level = level, .tokens = 2, .sessions = 1};
        (void)snprintf(s->name, sizeof s->name, "%s", name);
        (void)snprintf(s->password, sizeof s->password, "$%s-secret", name);
        return s;
    }
    return NULL;
}

static bool last_admin(const struct stored *s)
{
    for (size_t i = 0; i < ACCOUNTS; i++)
        if (store.accounts[i].id && &store.accounts[i] != s && store.accounts[i].level == 3 &&
            !store.accounts[i].suspended)
            return false;
    return s->level == 3;
}

static void put_text(char *to, size_t cap, const struct value *v)
{
    struct span s = v->type == VALUE_TEXT ? v->u.text : SPAN_NULL;
    (void)snprintf(to, cap, "%.*s", (int)s.n, s.n ? (const char *)s.p : "");
}

static struct value text_or_null(const char *s)
{
    return s[0] ? VALUE_OF_TEXT(span_str(s)) : VALUE_NOTHING;
}

static void pack(struct buf *rows, const struct stored *s)
{
    struct value v[] = {VALUE_OF_INT(s->id),
                        VALUE_OF_TEXT(span_str(s->name)),
                        text_or_null(s->email),
                        VALUE_OF_INT(s->level),
                        VALUE_OF_INT(s->suspended),
                        VALUE_OF_INT(s->locked_until),
                        VALUE_OF_INT(s->muted),
                        VALUE_OF_INT(0),
                        VALUE_OF_INT(T0),
                        VALUE_NOTHING,
                        VALUE_NOTHING,
                        text_or_null(s->display),
                        text_or_null(s->notes),
                        VALUE_OF_INT(s->password_min),
                        VALUE_OF_INT(s->otp[0] != '\0')};
    query_pack(rows, v, ARRAY_LEN(v));
}

static void audit_rows(struct buf *rows, const struct value *v, int64_t most)
{
    for (int64_t i = v[1].u.i + 1; i <= store.records && i <= v[1].u.i + most; i++) {
        struct value r[13];
        for (size_t k = 0; k < 13; k++)
            r[k] = VALUE_OF_TEXT(SPAN_LIT("said \"so\""));
        r[0] = v[0];
        r[1] = VALUE_OF_INT(i);
        r[2] = VALUE_OF_INT(T0);
        r[3] = VALUE_OF_INT(AUDIT_ACCOUNT);
        r[4] = VALUE_OF_INT(AUDIT_SUB_ACCOUNT_LOGIN);
        query_pack(rows, r, 13);
    }
}

static void ban_rows(struct buf *rows, int64_t after, int64_t most)
{
    for (int64_t i = after + 1; i <= store.bans && i <= after + most; i++) {
        struct value r[] = {VALUE_OF_INT(i),
                            VALUE_OF_INT(i % 2),
                            i % 2 ? VALUE_NOTHING : VALUE_OF_INT(2),
                            VALUE_NOTHING,
                            VALUE_OF_INT(0),
                            VALUE_OF_TEXT(SPAN_LIT("")),
                            VALUE_OF_TEXT(SPAN_LIT("rude")),
                            VALUE_OF_TEXT(SPAN_LIT("root")),
                            VALUE_OF_TEXT(SPAN_LIT("")),
                            VALUE_OF_INT(T0),
                            VALUE_OF_INT(0)};
        query_pack(rows, r, ARRAY_LEN(r));
    }
}

static int put_row(struct buf *rows, struct value a, struct value b, struct value c)
{
    struct value v[] = {a, b, c};
    query_pack(rows, v, 3);
    return 0;
}

static int look(enum query q, const struct value *v, struct buf *rows)
{
    struct stored *s;
    switch ((int)q) {
    case QUERY_ACCOUNT_BY_NAME: s = find_name(v[0].u.text, false); break;
    case QUERY_ACCOUNT_BY_EMAIL: s = find_name(v[0].u.text, true); break;
    case QUERY_ACCOUNT_BY_ID: s = find_id(v[0].u.i); break;
    case QUERY_ACCOUNT_LIST:
        for (size_t i = 0; i < ACCOUNTS && (int64_t)i < v[1].u.i; i++)
            if (store.accounts[i].id)
                pack(rows, &store.accounts[i]);
        return 0;
    case QUERY_STATISTICS:
        return put_row(rows, VALUE_OF_TEXT(SPAN_LIT("racing")), VALUE_OF_TEXT(SPAN_LIT("wins")),
                       VALUE_OF_INT(7));
    case QUERY_KNOWN_ADDRESSES: {
        struct value r[] = {VALUE_OF_TEXT(SPAN_LIT("00ff")), VALUE_OF_INT(T0)};
        query_pack(rows, r, 2);
        return 0;
    }
    case QUERY_TOKEN_LIST:
        return put_row(rows, VALUE_OF_TEXT(SPAN_LIT("racing")), VALUE_OF_INT(1), VALUE_OF_INT(2));
    case QUERY_SESSION_LIST: {
        struct value r[] = {VALUE_OF_TEXT(SPAN_LIT("arena")), VALUE_OF_INT(1), VALUE_NOTHING,
                            VALUE_OF_INT(1), VALUE_OF_INT(2)};
        query_pack(rows, r, 5);
        return 0;
    }
    case QUERY_GRANT_LIST:
        s = find_id(v[0].u.i);
        return s && s->grant[0] ? put_row(rows, VALUE_OF_TEXT(span_str(s->grant)),
                                          VALUE_OF_TEXT(SPAN_LIT("root")), VALUE_OF_INT(T0))
                                : 0;
    case QUERY_BAN_LIST: ban_rows(rows, v[0].u.i, v[2].u.i); return 0;
    case QUERY_AUDIT_NODES:
        return store.records ? put_row(rows, VALUE_OF_TEXT(SPAN_LIT("main")), VALUE_OF_INT(1),
                                       VALUE_OF_INT(store.records))
                             : 0;
    case QUERY_AUDIT_LIST: audit_rows(rows, v, v[7].u.i); return 0;
    case QUERY_AUDIT_ABOUT: audit_rows(rows, v, v[3].u.i); return 0;
    default: return E_SUPPORT;
    }
    if (!s)
        return E_NOENT;
    pack(rows, s);
    return 0;
}

static int change(enum query q, const struct value *v)
{
    struct stored *s = find_id(v[0].u.i);
    struct stored *other;
    if (!s)
        return query_table[q].none;
    switch ((int)q) {
    case QUERY_ACCOUNT_SET_LEVEL:
        if (v[1].u.i != 3 && last_admin(s))
            return E_REFUSED;
        s->level = v[1].u.i;
        break;
    case QUERY_ACCOUNT_SET_SUSPENDED:
        if (v[1].u.i && last_admin(s))
            return E_REFUSED;
        s->suspended = v[1].u.i;
        break;
    case QUERY_ACCOUNT_LOCK: s->locked_until = v[1].u.i; break;
    case QUERY_ACCOUNT_SET_MUTED: s->muted = v[1].u.i; break;
    case QUERY_ACCOUNT_SET_EMAIL:
        other = v[1].type == VALUE_TEXT ? find_name(v[1].u.text, true) : NULL;
        if (other && other != s)
            return E_EXISTS;
        put_text(s->email, sizeof s->email, &v[1]);
        break;
    case QUERY_ACCOUNT_SET_DISPLAY_NAME: put_text(s->display, sizeof s->display, &v[1]); break;
    case QUERY_ACCOUNT_SET_NOTES: put_text(s->notes, sizeof s->notes, &v[1]); break;
    case QUERY_ACCOUNT_DELETE:
        if (last_admin(s))
            return E_REFUSED;
        *s = (struct stored){0};
        break;
    case QUERY_GRANT_ADD:
        if (s->grant[0])
            return E_EXISTS;
        put_text(s->grant, sizeof s->grant, &v[1]);
        break;
    case QUERY_GRANT_REMOVE:
        if (!span_eq(v[1].u.text, span_str(s->grant)))
            return E_NOENT;
        s->grant[0] = '\0';
        break;
    case QUERY_TOKEN_DROP: s->tokens = 0; break;
    case QUERY_SESSION_END_ACCOUNT: s->sessions = 0; break;
    case QUERY_OTP_CLEAR:
        s->otp[0] = '\0';
        s->recovery_n = 0;
        break;
    case QUERY_OTP_SET: put_text(s->otp, sizeof s->otp, &v[1]); break;
    case QUERY_RECOVERY_PUT:
        put_text(s->recovery[s->recovery_n], sizeof s->recovery[0], &v[1]);
        s->recovery_n++;
        break;
    default: return E_SUPPORT;
    }
    return 0;
}

static void put_record(struct password_record *r, const char *text)
{
    r->n = (uint8_t)snprintf(r->text, sizeof r->text, "%s", text);
}

static int carry_out(const struct ask *ask, struct answer *ret, struct buf *rows)
{
    const struct value *v = ask->u.query.v;
    char text[PASSWORD_RECORD_MAX + 1];
    struct stored *s;
    switch (ask->kind) {
    case ASK_QUERY:
        assert_int_equal(query_check(query_table[ask->u.query.query].parameters, v, ask->u.query.n),
                         0);
        return query_table[ask->u.query.query].columns[0] ? look(ask->u.query.query, v, rows)
                                                          : change(ask->u.query.query, v);
    case ASK_ACCOUNT_FIND:
        s = find_id(ask->u.find.id);
        if (!s)
            return E_NOENT;
        ret->u.account = (struct account){.id = s->id, .password_min = s->password_min};
        put_record(&ret->u.account.password, s->password);
        return 0;
    case ASK_ACCOUNT_CREATE:
        if (find_name(ask->u.create.name, false))
            return E_EXISTS;
        (void)snprintf(text, sizeof text, "%.*s", (int)ask->u.create.name.n,
                       (const char *)ask->u.create.name.p);
        s = make(text, 1);
        assert_non_null(s);
        store.adds++;
        (void)snprintf(s->password, sizeof s->password, "%s", ask->u.create.password->text);
        s->password_min = ask->u.create.password_min;
        ret->u.account = (struct account){.id = s->id, .name_n = (uint8_t)strlen(text)};
        memcpy(ret->u.account.name, text, strlen(text));
        return 0;
    case ASK_ACCOUNT_SET_PASSWORD:
        s = find_id(ask->u.set_password.id);
        if (!s || strcmp(s->password, ask->u.set_password.old->text) != 0)
            return E_STALE;
        (void)snprintf(s->password, sizeof s->password, "%s", ask->u.set_password.password->text);
        s->password_min = ask->u.set_password.password_min;
        return 0;
    case ASK_HASH_MAKE:
        (void)snprintf(text, sizeof text, "$%.*s", (int)ask->u.make.password.n,
                       (const char *)ask->u.make.password.p);
        put_record(&ret->u.password, text);
        return 0;
    case ASK_HASH_VERIFY:
        (void)snprintf(text, sizeof text, "$%.*s", (int)ask->u.verify.password.n,
                       (const char *)ask->u.verify.password.p);
        return strcmp(text, ask->u.verify.record->text) == 0 ? 0 : E_AUTH;
    case ASK_ACCOUNT_TOUCH:
    case ASK_HASH_OTP:
    case ASK_CLAIM:
    case ASK_RELEASE:
    case ASK_COMMAND: break;
    }
    fail_msg("the desk does not ask this");
    return E_SUPPORT;
}

static int submit(struct ask_port *port, const struct ask *ask, struct ask_owner owner)
{
    enum mode mode = ++store.asked == store.bad_at ? store.bad : WELL;
    struct buf rows = {.cap = ROWS_MAX, .max = ROWS_MAX};
    (void)port;
    if (mode == REFUSES)
        return E_BUSY;
    assert_true(store.pending_n < PENDING);
    struct pending *p = &store.pending[store.pending_n++];
    rows.p = p->rows;
    p->owner = owner;
    p->answer = (struct answer){.req = owner.req, .kind = ask->kind};
    if (mode != FAILS)
        p->answer.rc = carry_out(ask, &p->answer, &rows);
    if (mode != WELL)
        p->answer = (struct answer){.req = owner.req, .kind = ask->kind, .rc = E_STORE};
    p->rows_n = rows.n;
    return 0;
}

/* Gives the ith answer that waits. */
static void give(size_t i)
{
    static struct pending p;
    p = store.pending[i];
    memmove(&store.pending[i], &store.pending[i + 1],
            (store.pending_n - i - 1) * sizeof store.pending[0]);
    store.pending_n--;
    if (p.answer.kind == ASK_QUERY && p.answer.rc == 0)
        p.answer.u.rows = span_of(p.rows, p.rows_n);
    p.owner.answer(p.owner.ctx, w.now, &p.answer);
    memset(p.rows, 0xdd, p.rows_n);
}

static void settle(void)
{
    while (store.pending_n || w.safe_n) {
        if (store.pending_n) {
            give(0);
        } else {
            w.safe_n--;
            w.safe[w.safe_n](w.safe_ctx[w.safe_n], w.now, w.audit_rc);
        }
    }
}

/* ---- what the desk tells ---- */

static void emit(struct log *log, const struct log_row *row, const struct log_field *f, size_t n)
{
    (void)log;
    (void)f;
    (void)n;
    w.logged += strcmp(row->id, "account.changed") == 0;
}

void __wrap_audit_log_add(struct audit_log *, struct now, const struct audit_record *);
void __wrap_audit_log_add(struct audit_log *a, struct now now, const struct audit_record *r)
{
    (void)a;
    (void)now;
    w.audited++;
    (void)snprintf(w.audit, sizeof w.audit, "%.*s|%.*s|%.*s|%.*s", (int)r->game.n, r->game.p,
                   (int)r->account.n, r->account.p, (int)r->target.n, r->target.p,
                   (int)r->details.n, r->details.p);
}

void __wrap_audit_log_sync(struct audit_log *, struct now, audit_log_fn, void *);
void __wrap_audit_log_sync(struct audit_log *a, struct now now, audit_log_fn fn, void *ctx)
{
    (void)a;
    if (!w.audit_waits) {
        fn(ctx, now, w.audit_rc);
        return;
    }
    w.safe[w.safe_n] = fn;
    w.safe_ctx[w.safe_n++] = ctx;
}

void __wrap_cluster_tell(struct cluster *, struct now, const struct cluster_message *);
void __wrap_cluster_tell(struct cluster *c, struct now now, const struct cluster_message *m)
{
    (void)c;
    (void)now;
    w.told++;
    w.message = *m;
}

static void notice(void *ctx, struct now now, const struct notice *n)
{
    (void)ctx;
    (void)now;
    w.noticed++;
    w.notice = *n;
    (void)snprintf(w.except, sizeof w.except, "%.*s", (int)n->u.account.except.n,
                   n->u.account.except.n ? (const char *)n->u.account.except.p : "");
}

static void on_result(void *ctx, struct now now, const struct desk_result *r)
{
    (void)now;
    (void)ctx;
    w.answers++;
    w.rc = r->rc;
    w.has_why = r->why != NULL;
    w.done_audited = r->audited;
    (void)snprintf(w.why, sizeof w.why, "%s", r->why ? r->why : "");
    (void)snprintf(w.mend, sizeof w.mend, "%s", r->mend ? r->mend : "");
    w.account = r->account;
    w.level = r->level;
    w.json_n = r->json.n;
    if (r->json.n)
        memcpy(w.json, r->json.p, r->json.n);
    w.json[r->json.n] = '\0';
    assert_int_equal(r->rc == 0, !w.has_why);
    if (r->json.n)
        assert_int_equal(json_check(r->json), JSON_OBJECT);
}

static void draw(struct entropy *e, void *to, size_t n)
{
    uint8_t *p = to;
    (void)e;
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(++w.drawn * 167u >> 3);
}

/* ---- the desk ---- */

static void open_desk_with(bool secrets)
{
    struct account_desk_cfg cfg = {.store = &store.port,
                                   .hash = &store.port,
                                   .audit = (void *)&w,
                                   .log = &w.log,
                                   .entropy = &w.entropy,
                                   .secrets = secrets ? w.secrets : NULL,
                                   .notice = notice};
    struct pending *pending = store.pending ? store.pending : alloc_own(PENDING * sizeof *pending);
    memset(&store, 0, sizeof store);
    memset(&w, 0, sizeof w);
    store.pending = pending;
    store.port.submit = submit;
    w.log = (struct log){LOG_DEBUG, emit};
    w.now = (struct now){NSEC_PER_S, T0};
    w.rc = 1;
    entropy_init(&w.entropy, draw);
    (void)make("root", 3);
    (void)make("bob", 1);
    (void)make("gm", 2);
    (void)make("ada", 3);
    assert_int_equal(account_desk_create(&w.desk, &cfg), 0);
}

static void open_desk(void)
{
    open_desk_with(true);
}

static void close_desk(void)
{
    account_desk_destroy(w.desk);
    entropy_fini(&w.entropy);
}

/* root's request about bob, as every operation takes it. */
static struct desk_request request(enum desk_op op)
{
    struct desk_request r = {.op = op,
                             .on = true,
                             .by = {.level = LEVEL_ADMIN, .name = SPAN_LIT("root")},
                             .name = SPAN_LIT("bob")};
    switch ((int)op) {
    case DESK_CREATE:
        r.name = SPAN_LIT("eve");
        r.password = SPAN_LIT("long enough to be staff");
        r.text = SPAN_LIT("eve@example.org");
        r.number = LEVEL_GAME_MASTER;
        break;
    case DESK_LIST:
        r.name = SPAN_NULL;
        r.number = 3;
        break;
    case DESK_SET_LEVEL: r.number = LEVEL_GAME_MASTER; break;
    case DESK_SET_EMAIL: r.text = SPAN_LIT("bob@example.org"); break;
    case DESK_SET_DISPLAY: r.text = SPAN_LIT("Bob B."); break;
    case DESK_SET_NOTES: r.text = SPAN_LIT("likes cars"); break;
    case DESK_SET_PASSWORD: r.password = SPAN_LIT("another one"); break;
    case DESK_GRANT:
    case DESK_REVOKE: r.text = SPAN_LIT("kick"); break;
    default: break;
    }
    return r;
}

static int ask(const struct desk_request *r)
{
    w.answers = 0;
    w.rc = 1;
    return account_desk_ask(w.desk, w.now, r, on_result, NULL);
}

/* Asks and lets everything come to its end: the code of the one answer. */
static int run(const struct desk_request *r)
{
    assert_int_equal(ask(r), 0);
    settle();
    assert_int_equal(w.answers, 1);
    assert_int_equal(account_desk_live(w.desk), 0);
    return w.rc;
}

static int run_op(enum desk_op op)
{
    struct desk_request r = request(op);
    return run(&r);
}

#endif
