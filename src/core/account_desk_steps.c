/* What each request to the account desk consists of, step by step. */
#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/plant.h"
#include "base/utf8.h"
#include "core/account_desk_priv.h"
#include "core/login.h"

#define AUDIT_PAGE  100
#define EMAIL_MIN   3u
#define OUT_RESERVE 4096u /* of an answer, to close it in good order */

/* ---- whose it is ---- */

static int find(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    (void)a;
    if (j->r.name.n) {
        struct value v = VALUE_OF_TEXT(j->r.name);
        return desk_query(j, QUERY_ACCOUNT_BY_NAME, &v, 1);
    }
    struct value v = VALUE_OF_INT(j->r.id);
    return desk_query(j, QUERY_ACCOUNT_BY_ID, &v, 1);
}

static bool writes_row(const struct desk_job *j)
{
    return j->r.op == DESK_SHOW || j->r.op == DESK_EXPORT;
}

static int take_row(struct desk_job *j, const struct answer *a)
{
    struct value v[QUERY_VALUES];
    size_t at = 0;
    if (query_next(a->u.rows, &at, v) < 0)
        return E_NOENT;
    struct span name = query_text(&v[1]);
    CHECK(name.n <= ACCOUNT_NAME_MAX);
    j->id = query_int(&v[0]);
    j->name_n = (uint8_t)name.n;
    memcpy(j->name, name.p, name.n);
    j->level = (uint8_t)query_int(&v[3]);
    j->muted = query_int(&v[6]) != 0;
    if (writes_row(j)) {
        (void)buf_append_byte(&j->out, '{');
        desk_put_account(&j->out, v);
    }
    return 0;
}

static int found(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    if (a->rc == E_NOENT && !j->by_email && j->r.name.n && memchr(j->r.name.p, '@', j->r.name.n)) {
        struct value v = VALUE_OF_TEXT(j->r.name);
        j->by_email = true;
        j->step--; /* here again with its answer */
        return desk_query(j, QUERY_ACCOUNT_BY_EMAIL, &v, 1);
    }
    int rc = a->rc ? a->rc : take_row(j, a);
    if (rc)
        return rc;
    bool private = j->row->changes || j->r.op == DESK_EXPORT;
    if (private && !j->r.own && !account_desk_outranks(j->r.by.level, j->level))
        return desk_fail(j, E_REFUSED, "the account's level is not below yours", NULL);
    return 0;
}

/* ---- passwords ---- */

static int password_fits(struct desk_job *j, uint8_t level)
{
    struct span p = j->r.password;
    uint32_t min = level > LEVEL_PLAYER ? j->desk->min_staff : j->desk->min_player;
    if (p.n < min || p.n == 0)
        return desk_fail(j, E_RANGE, "the password is too short",
                         level > LEVEL_PLAYER
                             ? "give at least as many bytes as accounts.staff_password_min says"
                             : "give at least as many bytes as staff.player_password_min says");
    if (p.n > PASSWORD_MAX || memchr(p.p, '\0', p.n))
        return desk_fail(j, E_RANGE, "the password cannot be used",
                         "give one of at most 72 bytes without NUL");
    j->account.password_min = min;
    return 0;
}

static int fits(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    (void)a;
    return password_fits(j, j->level);
}

static int load_record(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    (void)a;
    if (j->r.op != DESK_SET_PASSWORD && !j->r.own)
        return 0;
    struct ask ask = {.kind = ASK_ACCOUNT_FIND};
    ask.u.find.id = j->id;
    return desk_send(j, &ask);
}

static int prove(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    if (!a)
        return 0;
    if (a->rc)
        return a->rc;
    uint32_t min = j->account.password_min;
    j->account = a->u.account;
    if (min)
        j->account.password_min = min;
    if (!j->r.own)
        return 0;
    struct ask ask = {.kind = ASK_HASH_VERIFY};
    ask.u.verify.password = j->r.old;
    ask.u.verify.record = &j->account.password;
    return desk_send(j, &ask);
}

static int proved(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)j;
    (void)now;
    return a ? a->rc : 0;
}

static int hash(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    if (a && a->rc)
        return a->rc;
    struct ask ask = {.kind = ASK_HASH_MAKE};
    ask.u.make.password = j->r.password;
    return desk_send(j, &ask);
}

static int set_password(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    if (a->rc)
        return a->rc;
    j->made = a->u.password;
    struct ask ask = {.kind = ASK_ACCOUNT_SET_PASSWORD};
    ask.u.set_password.id = j->id;
    ask.u.set_password.old = &j->account.password;
    ask.u.set_password.password = &j->made;
    ask.u.set_password.password_min = j->account.password_min;
    return desk_send(j, &ask);
}

/* ---- ending what it is signed in with ---- */

#define STILL_GOOD "the change is made, but sessions kept for later may still be good"
#define LOG_OUT    "end them: slipgate account logout NAME"

static int drop_tokens(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    if (a && a->rc)
        return a->rc;
    struct value v[] = {VALUE_OF_INT(j->id), VALUE_NOTHING};
    j->done = j->r.op != DESK_LOGOUT; /* there it is the first step */
    if (PLANTED(TOKEN_KEPT_AFTER_PASSWORD_CHANGE) && j->done)
        v[0] = VALUE_OF_INT(0);
    int rc = desk_query(j, QUERY_TOKEN_DROP, v, ARRAY_LEN(v));
    return rc < 0 && j->done ? desk_fail(j, rc, STILL_GOOD, LOG_OUT) : rc;
}

static int end_sessions(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    struct value v[] = {VALUE_OF_INT(j->id), VALUE_NOTHING};
    int rc = a->rc ? a->rc : desk_query(j, QUERY_SESSION_END_ACCOUNT, v, ARRAY_LEN(v));
    return rc < 0 && j->done ? desk_fail(j, rc, STILL_GOOD, LOG_OUT) : rc;
}

static int ended(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    return a->rc && j->done ? desk_fail(j, a->rc, STILL_GOOD, LOG_OUT) : a->rc;
}

/* ---- making one ---- */

static int check_email(struct desk_job *j)
{
    struct span e = j->r.text;
    const uint8_t *at = e.n ? memchr(e.p, '@', e.n) : NULL;
    if (e.n == 0 || (utf8_is_name(e, EMAIL_MIN, DESK_EMAIL_MAX) && at && at != e.p &&
                     at != e.p + e.n - 1 && !memchr(e.p, ' ', e.n)))
        return 0;
    return desk_fail(j, E_RANGE, "this is no email address", "give NAME@HOST, or nothing");
}

static bool level_known(int64_t level)
{
    return level >= LEVEL_PLAYER && level <= LEVEL_ADMIN;
}

static int create_check(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    (void)a;
    int64_t level = j->r.number ? j->r.number : LEVEL_PLAYER;
    if (!utf8_is_name(j->r.name, 1, ACCOUNT_NAME_MAX))
        return desk_fail(j, E_RANGE, "this cannot be a name",
                         "give 1 to 255 bytes of UTF-8 without control characters");
    if (!login_name_fits(j->r.name))
        return desk_fail(
            j, E_RANGE, "this cannot be the name of a new account",
            "give one that is not Server, without '#' in front, blanks at its ends and "
            "characters that do not show");
    if (!level_known(level))
        return desk_fail(j, E_RANGE, "there is no such level", "give 1, 2 or 3");
    if (level > j->r.by.level)
        return desk_fail(j, E_REFUSED, "the level is above yours", NULL);
    j->level = (uint8_t)level;
    int rc = check_email(j);
    if (rc == 0)
        rc = password_fits(j, j->level);
    if (rc || !j->r.text.n)
        return rc;
    struct value v = VALUE_OF_TEXT(j->r.text);
    return desk_query(j, QUERY_ACCOUNT_BY_EMAIL, &v, 1);
}

/* Looked at before the account is made, so that it is not made in vain. */
static int create_email_free(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    if (a && a->rc == 0)
        return desk_fail(j, E_EXISTS, "another account has this email address", NULL);
    return a && a->rc != E_NOENT ? a->rc : 0;
}

static int create(struct desk_job *j, struct now now, const struct answer *a)
{
    if (a->rc)
        return a->rc;
    j->made = a->u.password;
    struct ask ask = {.kind = ASK_ACCOUNT_CREATE};
    ask.u.create.name = j->r.name;
    ask.u.create.password = &j->made;
    ask.u.create.password_min = j->account.password_min;
    ask.u.create.unix_ms = now.unix_ms;
    return desk_send(j, &ask);
}

static int created(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    if (a->rc == E_EXISTS)
        return desk_fail(j, E_EXISTS, "an account has this name already", "give another name");
    if (a->rc)
        return a->rc;
    j->id = a->u.account.id;
    j->name_n = a->u.account.name_n;
    memcpy(j->name, a->u.account.name, j->name_n);
    j->done = true;
    if (!j->r.text.n)
        return 0;
    struct value v[] = {VALUE_OF_INT(j->id), VALUE_OF_TEXT(j->r.text)};
    return desk_query(j, QUERY_ACCOUNT_SET_EMAIL, v, ARRAY_LEN(v));
}

#define HALF_MADE "the account is made, but not all of it is set"

static int create_level(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    if (a && a->rc)
        return desk_fail(j, a->rc, HALF_MADE, "set the rest: slipgate account set NAME");
    if (j->level == LEVEL_PLAYER)
        return 0;
    struct value v[] = {VALUE_OF_INT(j->id), VALUE_OF_INT(j->level)};
    return desk_query(j, QUERY_ACCOUNT_SET_LEVEL, v, ARRAY_LEN(v));
}

static int create_end(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    if (a && a->rc)
        return desk_fail(j, a->rc, HALF_MADE, "set the rest: slipgate account set NAME");
    (void)buf_append_byte(&j->out, '{');
    desk_put_int(&j->out, "id", j->id);
    desk_put_text(&j->out, "name", span_of(j->name, j->name_n));
    desk_put_int(&j->out, "level", j->level);
    (void)buf_append_byte(&j->out, '}');
    return 0;
}

/* ---- looking ---- */

static int list(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    (void)a;
    bool sane = j->r.number > 0 && j->r.number <= (int64_t)DESK_LIST_MAX;
    struct value v[] = {VALUE_OF_TEXT(j->r.text),
                        VALUE_OF_INT(sane ? j->r.number : (int64_t)DESK_LIST_MAX)};
    return desk_query(j, QUERY_ACCOUNT_LIST, v, ARRAY_LEN(v));
}

static int listed(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    struct value v[QUERY_VALUES];
    if (a->rc)
        return a->rc;
    (void)buf_append_str(&j->out, "{\"rows\":[");
    for (size_t at = 0, n = 0; query_next(a->u.rows, &at, v) >= 0; n++) {
        (void)buf_append_str(&j->out, n ? ",{" : "{");
        desk_put_account(&j->out, v);
        (void)buf_append_byte(&j->out, '}');
    }
    (void)buf_append_str(&j->out, "]}");
    return 0;
}

/* An array of objects, a row each; names: of the columns in order. */
static void put_rows(struct desk_job *j, const char *name, struct span rows,
                     const char *const *names, size_t names_n)
{
    struct value v[QUERY_VALUES];
    desk_member(&j->out, name);
    (void)buf_append_byte(&j->out, '[');
    for (size_t at = 0, k = 0; query_next(rows, &at, v) == (int)names_n; k++) {
        (void)buf_append_str(&j->out, k ? ",{" : "{");
        for (size_t i = 0; i < names_n; i++)
            desk_put_value(&j->out, names[i], &v[i]);
        (void)buf_append_byte(&j->out, '}');
    }
    (void)buf_append_byte(&j->out, ']');
}

static int grants(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    (void)a;
    struct value v = VALUE_OF_INT(j->id);
    return desk_query(j, QUERY_GRANT_LIST, &v, 1);
}

static int put_grants(struct desk_job *j, struct now now, const struct answer *a)
{
    static const char *const names[] = {"command", "by", "at_ms"};
    (void)now;
    if (a->rc)
        return a->rc;
    put_rows(j, "grants", a->u.rows, names, ARRAY_LEN(names));
    return 0;
}

static int close_object(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    (void)a;
    (void)buf_append_byte(&j->out, '}');
    return 0;
}

/* ---- everything that is held ---- */

static int statistics(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    if (a && a->rc)
        return a->rc;
    struct value v = VALUE_OF_INT(j->id);
    return desk_query(j, QUERY_STATISTICS, &v, 1);
}

static int addresses(struct desk_job *j, struct now now, const struct answer *a)
{
    static const char *const names[] = {"game", "name", "value"};
    (void)now;
    if (a->rc)
        return a->rc;
    put_rows(j, "statistics", a->u.rows, names, ARRAY_LEN(names));
    struct value v = VALUE_OF_INT(j->id);
    return desk_query(j, QUERY_KNOWN_ADDRESSES, &v, 1);
}

static int put_addresses(struct desk_job *j, struct now now, const struct answer *a)
{
    static const char *const names[] = {"prefix", "last_used_ms"};
    (void)now;
    if (a->rc)
        return a->rc;
    put_rows(j, "addresses", a->u.rows, names, ARRAY_LEN(names));
    return 0;
}

static int sessions(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    (void)a;
    struct value v = VALUE_OF_INT(j->id);
    return desk_query(j, QUERY_SESSION_LIST, &v, 1);
}

/* Of tokens the dates: what is stored of them besides is a secret's hash. */
static int tokens(struct desk_job *j, struct now now, const struct answer *a)
{
    static const char *const names[] = {"game", "active", "endpoint", "created_ms", "expires_ms"};
    (void)now;
    if (a->rc)
        return a->rc;
    put_rows(j, "sessions", a->u.rows, names, ARRAY_LEN(names));
    struct value v = VALUE_OF_INT(j->id);
    return desk_query(j, QUERY_TOKEN_LIST, &v, 1);
}

static int put_tokens(struct desk_job *j, struct now now, const struct answer *a)
{
    static const char *const names[] = {"game", "created_ms", "expires_ms"};
    (void)now;
    if (a->rc)
        return a->rc;
    put_rows(j, "tokens", a->u.rows, names, ARRAY_LEN(names));
    return 0;
}

static int bans(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)a;
    struct value v[] = {VALUE_OF_INT(j->after), VALUE_OF_INT(now.unix_ms), VALUE_OF_INT(500)};
    if (j->after == 0) {
        desk_member(&j->out, "bans");
        (void)buf_append_byte(&j->out, '[');
    }
    return desk_query(j, QUERY_BAN_LIST, v, ARRAY_LEN(v));
}

static int put_bans(struct desk_job *j, struct now now, const struct answer *a)
{
    struct value v[QUERY_VALUES];
    size_t n = 0;
    if (a->rc)
        return a->rc;
    for (size_t at = 0; query_next(a->u.rows, &at, v) >= 0; n++) {
        j->after = query_int(&v[0]);
        if (query_int(&v[1]) != 0 || query_int(&v[2]) != j->id)
            continue;
        (void)buf_append_str(&j->out, j->rows++ ? ",{" : "{");
        desk_put_text(&j->out, "game", query_text(&v[5]));
        desk_put_text(&j->out, "reason", query_text(&v[6]));
        desk_put_int(&j->out, "created_ms", query_int(&v[9]));
        desk_put_int(&j->out, "expires_ms", query_int(&v[10]));
        (void)buf_append_byte(&j->out, '}');
    }
    if (n == 500) {
        j->step--; /* here again with the next page */
        return bans(j, now, NULL);
    }
    (void)buf_append_byte(&j->out, ']');
    return 0;
}

static int audit_nodes(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    (void)a;
    j->after = 0;
    j->rows = 0;
    return desk_query(j, QUERY_AUDIT_NODES, NULL, 0);
}

/* The names of the chains, each with a length byte in front. */
static int take_nodes(struct desk_job *j, struct now now, const struct answer *a)
{
    struct value v[QUERY_VALUES];
    (void)now;
    if (a->rc)
        return a->rc;
    for (size_t at = 0; query_next(a->u.rows, &at, v) >= 0;) {
        struct span name = query_text(&v[0]);
        if (name.n > NODE_MAX)
            continue;
        (void)buf_append_byte(&j->nodes, (uint8_t)name.n);
        (void)buf_append_span(&j->nodes, name);
    }
    desk_member(&j->out, "audit");
    (void)buf_append_byte(&j->out, '[');
    return 0;
}

static int audit_page(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    (void)a;
    if (j->node >= j->nodes.n && !j->about) {
        j->about = true;
        j->node = 0;
        j->after = 0;
    }
    if (j->node >= j->nodes.n)
        return 0;
    char account[24];
    const uint8_t *node = j->nodes.p + j->node;
    if (j->about) {
        struct value v[] = {
            VALUE_OF_TEXT(span_of(node + 1, node[0])),
            VALUE_OF_INT(j->after),
            VALUE_OF_TEXT(audit_account(j->id, account)),
            VALUE_OF_INT(AUDIT_PAGE),
        };
        return desk_query(j, QUERY_AUDIT_ABOUT, v, ARRAY_LEN(v));
    }
    struct value v[] = {
        VALUE_OF_TEXT(span_of(node + 1, node[0])),
        VALUE_OF_INT(j->after),
        VALUE_OF_INT(0),
        VALUE_OF_INT(0),
        VALUE_OF_INT(0),
        VALUE_OF_TEXT(audit_account(j->id, account)),
        VALUE_OF_TEXT(SPAN_LIT("")),
        VALUE_OF_INT(AUDIT_PAGE),
    };
    return desk_query(j, QUERY_AUDIT_LIST, v, ARRAY_LEN(v));
}

/* Of what others did: not where they came from. */
static void put_audit(struct desk_job *j, const struct value v[QUERY_VALUES])
{
    const char *type = audit_type_name((unsigned)query_int(&v[3]));
    const char *subtype = audit_subtype_name((unsigned)query_int(&v[4]));
    (void)buf_append_str(&j->out, j->rows++ ? ",{" : "{");
    desk_put_int(&j->out, "at_ms", query_int(&v[2]));
    desk_put_text(&j->out, "type", span_str(type ? type : ""));
    desk_put_text(&j->out, "subtype", span_str(subtype ? subtype : ""));
    desk_put_text(&j->out, "game", query_text(&v[5]));
    desk_put_text(&j->out, "role", j->about ? SPAN_LIT("target") : SPAN_LIT("actor"));
    if (!j->about) {
        desk_put_text(&j->out, "player", query_text(&v[7]));
        desk_put_text(&j->out, "address", query_text(&v[8]));
    }
    desk_put_text(&j->out, "details", query_text(&v[10]));
    (void)buf_append_byte(&j->out, '}');
}

/* A long trail is cut, and said to be: the whole of it is in `slipgate audit export`. */
static int put_page(struct desk_job *j, struct now now, const struct answer *a)
{
    struct value v[QUERY_VALUES];
    size_t n = 0;
    bool full = false;
    struct span rows = a ? a->u.rows : SPAN_NULL;
    if (a && a->rc)
        return a->rc;
    for (size_t at = 0; !full && query_next(rows, &at, v) >= 0; n++) {
        j->after = query_int(&v[1]);
        full = j->out.n + 2u * AUDIT_LINE_MAX + OUT_RESERVE > DESK_OUT_MAX;
        if (!full)
            put_audit(j, v);
    }
    if (!full && j->node < j->nodes.n) {
        if (n < AUDIT_PAGE) {
            j->node += 1u + j->nodes.p[j->node];
            j->after = 0;
        }
        int rc = audit_page(j, now, NULL);
        j->step -= rc == STEP_ASKED;
        if (rc)
            return rc;
    }
    (void)buf_append_byte(&j->out, ']');
    desk_put_bool(&j->out, "audit_complete", !full);
    return 0;
}

/* ---- changing one thing ---- */

static int set(struct desk_job *j, enum query q, struct value value)
{
    struct value v[] = {VALUE_OF_INT(j->id), value};
    return desk_query(j, q, v, ARRAY_LEN(v));
}

static struct value text_or_nothing(struct span text)
{
    return text.n ? VALUE_OF_TEXT(text) : VALUE_NOTHING;
}

static int change(struct desk_job *j, struct now now, const struct answer *a)
{
    const struct desk_request *r = &j->r;
    (void)now;
    (void)a;
    switch (r->op) {
    case DESK_SET_LEVEL:
        if (!level_known(r->number))
            return desk_fail(j, E_RANGE, "there is no such level", "give 1, 2 or 3");
        if (r->number > r->by.level)
            return desk_fail(j, E_REFUSED, "the level is above yours", NULL);
        j->level = (uint8_t)r->number;
        return set(j, QUERY_ACCOUNT_SET_LEVEL, VALUE_OF_INT(r->number));
    case DESK_SET_EMAIL:
        if (check_email(j))
            return E_RANGE;
        return set(j, QUERY_ACCOUNT_SET_EMAIL, text_or_nothing(r->text));
    case DESK_SET_DISPLAY:
        if (r->text.n && !utf8_is_name(r->text, 1, ACCOUNT_NAME_MAX))
            return desk_fail(j, E_RANGE, "this cannot be a name", NULL);
        return set(j, QUERY_ACCOUNT_SET_DISPLAY_NAME, text_or_nothing(r->text));
    case DESK_SET_NOTES:
        if (r->text.n > DESK_NOTES_MAX || !utf8_valid(r->text))
            return desk_fail(j, E_RANGE, "these notes are too long", "give at most 4096 bytes");
        return set(j, QUERY_ACCOUNT_SET_NOTES, text_or_nothing(r->text));
    case DESK_SET_SUSPENDED: return set(j, QUERY_ACCOUNT_SET_SUSPENDED, VALUE_OF_INT(r->on));
    case DESK_SET_MUTED:
        j->muted = r->on;
        return set(j, QUERY_ACCOUNT_SET_MUTED, VALUE_OF_INT(r->on));
    case DESK_UNLOCK: return set(j, QUERY_ACCOUNT_LOCK, VALUE_OF_INT(0));
    case DESK_CREATE:
    case DESK_SHOW:
    case DESK_LIST:
    case DESK_SET_PASSWORD:
    case DESK_DELETE:
    case DESK_EXPORT:
    case DESK_GRANT:
    case DESK_REVOKE:
    case DESK_LOGOUT:
    case DESK_OTP_ENROL:
    case DESK_OTP_DISABLE:
    case DESK_OPS_N: break;
    }
    UNREACHABLE();
}

static int changed(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    if (a->rc == E_EXISTS)
        return desk_fail(j, a->rc,
                         j->r.op == DESK_GRANT ? "it has this permission already"
                                               : "another account has this email address",
                         NULL);
    if (a->rc == E_NOENT && j->r.op == DESK_REVOKE)
        return desk_fail(j, a->rc, "it does not have this permission", NULL);
    return a->rc;
}

static int grant(struct desk_job *j, struct now now, const struct answer *a)
{
    struct value v[] = {VALUE_OF_INT(j->id), VALUE_OF_TEXT(j->r.text), VALUE_OF_TEXT(j->r.by.name),
                        VALUE_OF_INT(now.unix_ms)};
    (void)a;
    if (!utf8_is_name(j->r.text, 1, DESK_WORD_MAX))
        return desk_fail(j, E_RANGE, "this is no command word", "give it without its '/'");
    return j->r.op == DESK_GRANT ? desk_query(j, QUERY_GRANT_ADD, v, 4)
                                 : desk_query(j, QUERY_GRANT_REMOVE, v, 2);
}

static int erase(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    if (a && a->rc)
        return a->rc;
    struct value v = VALUE_OF_INT(j->id);
    return desk_query(j, QUERY_ACCOUNT_DELETE, &v, 1);
}

/* ---- second factor ---- */

static int otp_clear(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    if (a && a->rc)
        return a->rc;
    if (j->r.op == DESK_OTP_ENROL && !j->desk->cfg.secrets)
        return desk_fail(j, E_SUPPORT, "there is no second factor here", NULL);
    struct value v = VALUE_OF_INT(j->id);
    return desk_query(j, QUERY_OTP_CLEAR, &v, 1);
}

/* What is made is shown once: in the answer. */
static int otp_set(struct desk_job *j, struct now now, const struct answer *a)
{
    const struct account_desk_cfg *cfg = &j->desk->cfg;
    struct otp_secret secret;
    struct buf uri;
    (void)now;
    if (a->rc)
        return a->rc;
    int rc = otp_secret_make(&secret, cfg->entropy, cfg->secrets, j->id);
    if (rc == 0)
        rc = recovery_codes_make(j->codes, RECOVERY_CODES, cfg->entropy);
    if (rc == 0) {
        buf_init(&uri, 2048);
        otp_uri(&uri, SPAN_LIT("Slipgate"), span_of(j->name, j->name_n), secret.key);
        (void)buf_append_byte(&j->out, '{');
        desk_put_text(&j->out, "uri", buf_span(&uri));
        desk_put_text(&j->out, "key", span_str(secret.key));
        buf_fini_secret(&uri);
        struct value v[] = {VALUE_OF_INT(j->id), VALUE_OF_TEXT(span_str(secret.sealed))};
        rc = desk_query(j, QUERY_OTP_SET, v, ARRAY_LEN(v));
    }
    mem_wipe(&secret, sizeof secret);
    return rc;
}

/* The key is in force from the first of these on, whatever becomes of the rest. */
static int otp_codes(struct desk_job *j, struct now now, const struct answer *a)
{
    (void)now;
    if (a->rc)
        return a->rc;
    j->done = true;
    if (j->codes_n < RECOVERY_CODES) {
        const struct recovery_code *code = &j->codes[j->codes_n++];
        struct value v[] = {VALUE_OF_INT(j->id), VALUE_OF_TEXT(span_str(code->hash))};
        int rc = desk_query(j, QUERY_RECOVERY_PUT, v, ARRAY_LEN(v));
        j->step -= rc == STEP_ASKED; /* here again for the next one */
        return rc;
    }
    desk_member(&j->out, "recovery_codes");
    for (size_t i = 0; i < RECOVERY_CODES; i++)
        (void)buf_printf(&j->out, "%s\"%s\"", i ? "," : "[", j->codes[i].text);
    (void)buf_append_str(&j->out, "]}");
    return 0;
}

/* ---- the table ---- */

#define SILENT     -1, -1
#define ACC(sub)   AUDIT_ACCOUNT, AUDIT_SUB_##sub
#define SEC(sub)   AUDIT_SECURITY, AUDIT_SUB_##sub
#define CHANGED(c) ACCOUNT_##c, CLUSTER_ACCOUNT_CHANGED
#define OUT        ACCOUNT_SIGNED_OUT, CLUSTER_SIGNED_OUT
#define PROOF      find, found, load_record, prove, proved

const struct desk_row desk_rows[DESK_OPS_N] = {
    [DESK_CREATE] = {"create level",
                     true,
                     ACC(ACCOUNT_CREATE),
                     SILENT,
                     {create_check, create_email_free, hash, create, created, create_level,
                      create_end}},
    [DESK_SHOW] = {"show", false, 0, 0, SILENT, {find, found, grants, put_grants, close_object}},
    [DESK_LIST] = {"list", false, 0, 0, SILENT, {list, listed}},
    [DESK_SET_LEVEL] =
        {"level", true, SEC(NONE), CHANGED(STANDING), {find, found, change, changed}},
    [DESK_SET_EMAIL] = {"email", true, ACC(NONE), SILENT, {PROOF, change, changed}},
    [DESK_SET_DISPLAY] = {"display name", true, ACC(NONE), SILENT, {PROOF, change, changed}},
    [DESK_SET_NOTES] = {"notes", true, ACC(NONE), SILENT, {find, found, change, changed}},
    [DESK_SET_SUSPENDED] =
        {"suspended", true, SEC(NONE), CHANGED(SUSPENDED), {find, found, change, changed}},
    [DESK_SET_MUTED] =
        {"muted", true, SEC(NONE), CHANGED(STANDING), {find, found, change, changed}},
    [DESK_UNLOCK] = {"unlocked",
                     true,
                     SEC(ACCOUNT_UNLOCKED),
                     -1,
                     CLUSTER_ACCOUNT_CHANGED,
                     {find, found, change, changed}},
    [DESK_SET_PASSWORD] = {"password",
                           true,
                           ACC(PASSWORD_CHANGE),
                           OUT,
                           {find, found, fits, load_record, prove, hash, set_password, drop_tokens,
                            end_sessions, ended}},
    [DESK_DELETE] = {"deleted", true, ACC(ACCOUNT_DELETE), OUT, {PROOF, erase, changed}},
    [DESK_EXPORT] = {"exported",
                     true,
                     ACC(NONE),
                     SILENT,
                     {PROOF, statistics, addresses, put_addresses, grants, put_grants, sessions,
                      tokens, put_tokens, bans, put_bans, audit_nodes, take_nodes, audit_page,
                      put_page, close_object}},
    [DESK_GRANT] = {"grant",
                    true,
                    SEC(PERMISSION_GRANTED),
                    -1,
                    CLUSTER_ACCOUNT_CHANGED,
                    {find, found, grant, changed}},
    [DESK_REVOKE] = {"revoke",
                     true,
                     SEC(PERMISSION_REVOKED),
                     -1,
                     CLUSTER_ACCOUNT_CHANGED,
                     {find, found, grant, changed}},
    [DESK_LOGOUT] =
        {"logout", true, ACC(ACCOUNT_LOGOUT), OUT, {find, found, drop_tokens, end_sessions, ended}},
    [DESK_OTP_ENROL] = {"second factor enrolled",
                        true,
                        SEC(SECOND_FACTOR),
                        -1,
                        CLUSTER_ACCOUNT_CHANGED,
                        {PROOF, otp_clear, otp_set, otp_codes, drop_tokens, ended}},
    [DESK_OTP_DISABLE] = {"second factor disabled",
                          true,
                          SEC(SECOND_FACTOR),
                          -1,
                          CLUSTER_ACCOUNT_CHANGED,
                          {PROOF, otp_clear, drop_tokens, ended}},
};
