#include "store/ask_sql.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "store/entry.h"

#define ADDRESS_TEXT_MAX 64u

static const struct sql_statement *statement_of(enum ask_op op, size_t step)
{
    return &ask_statements[(size_t)op * ASK_STEPS_MAX + step];
}

/* ---- the accounts' own operations ---- */

struct account_op {
    const char *parameters;
    int none; /* what it means when no row comes back */
    bool account;
};

static const struct account_op account_ops[ASK_OPS_N - QUERY_N] = {
    [ASK_OP_FIND - QUERY_N] = {"t", E_NOENT, true},
    [ASK_OP_FIND_FOLD - QUERY_N] = {"t", E_NOENT, true},
    [ASK_OP_FIND_EMAIL - QUERY_N] = {"t", E_NOENT, true},
    [ASK_OP_FIND_EMAIL_FOLD - QUERY_N] = {"t", E_NOENT, true},
    [ASK_OP_FIND_ID - QUERY_N] = {"i", E_NOENT, true},
    [ASK_OP_CREATE - QUERY_N] = {"ttii", E_EXISTS, true},
    [ASK_OP_CREATE_FOLD - QUERY_N] = {"ttii", E_EXISTS, true},
    [ASK_OP_SET_PASSWORD - QUERY_N] = {"itti", E_STALE, false},
    [ASK_OP_TOUCH - QUERY_N] = {"iit", E_NOENT, false},
};

static const char *parameters_of(enum ask_op op)
{
    return (size_t)op < QUERY_N ? query_table[op].parameters : account_ops[op - QUERY_N].parameters;
}

static bool is_text(struct span s, size_t min, size_t max)
{
    return s.n >= min && s.n <= max && utf8_valid(s) && !(s.n && memchr(s.p, '\0', s.n));
}

static struct value record_value(const struct password_record *r)
{
    CHECK(r->n <= PASSWORD_RECORD_MAX);
    return VALUE_OF_TEXT(span_of(r->text, r->n));
}

static int find_parameters(const struct ask *ask, enum ask_op *op, struct value *v, size_t *n)
{
    struct span name = ask->u.find.name;
    bool fold = ask->u.find.fold;
    *n = 1;
    if (name.n == 0) {
        *op = ASK_OP_FIND_ID;
        v[0] = VALUE_OF_INT(ask->u.find.id);
        return 0;
    }
    if (ask->u.find.email && memchr(name.p, '@', name.n))
        *op = fold ? ASK_OP_FIND_EMAIL_FOLD : ASK_OP_FIND_EMAIL;
    else
        *op = fold ? ASK_OP_FIND_FOLD : ASK_OP_FIND;
    v[0] = VALUE_OF_TEXT(name);
    return is_text(name, 1, ACCOUNT_NAME_MAX) ? 0 : E_FORMAT;
}

static int create_parameters(const struct ask *ask, enum ask_op *op, struct value *v, size_t *n)
{
    *op = ask->u.create.fold ? ASK_OP_CREATE_FOLD : ASK_OP_CREATE;
    *n = 4;
    v[0] = VALUE_OF_TEXT(ask->u.create.name);
    v[1] = record_value(ask->u.create.password);
    v[2] = VALUE_OF_INT(ask->u.create.password_min);
    v[3] = VALUE_OF_INT(ask->u.create.unix_ms);
    return is_text(ask->u.create.name, 1, ACCOUNT_NAME_MAX) ? 0 : E_FORMAT;
}

static int set_password_parameters(const struct ask *ask, enum ask_op *op, struct value *v,
                                   size_t *n)
{
    *op = ASK_OP_SET_PASSWORD;
    *n = 4;
    v[0] = VALUE_OF_INT(ask->u.set_password.id);
    v[1] = record_value(ask->u.set_password.old);
    v[2] = record_value(ask->u.set_password.password);
    v[3] = VALUE_OF_INT(ask->u.set_password.password_min);
    return 0;
}

static int touch_parameters(const struct ask *ask, enum ask_op *op, struct value *v, size_t *n)
{
    *op = ASK_OP_TOUCH;
    *n = 3;
    v[0] = VALUE_OF_INT(ask->u.touch.id);
    v[1] = VALUE_OF_INT(ask->u.touch.unix_ms);
    v[2] = VALUE_OF_TEXT(ask->u.touch.address);
    return is_text(ask->u.touch.address, 0, ADDRESS_TEXT_MAX) ? 0 : E_FORMAT;
}

static bool is_folded(enum ask_op op, size_t parameter)
{
    for (size_t i = 0; i < ASK_STEPS_MAX; i++) {
        const char *map = statement_of(op, i)->map;
        const char *at = map ? strchr(map, '~') : NULL;
        if (at && at[1] == (char)('1' + parameter))
            return true;
    }
    return false;
}

static int query_parameters(const struct ask *ask, enum ask_op *op, struct value *v, size_t *n)
{
    CHECK(ask->u.query.query < QUERY_N && ask->u.query.n <= QUERY_VALUES);
    *op = (enum ask_op)ask->u.query.query;
    *n = ask->u.query.n;
    if (*n) /* a query without parameters has no list of them */
        memcpy(v, ask->u.query.v, *n * sizeof *v);
    int rc = query_check(parameters_of(*op), v, *n);
    for (size_t i = 0; i < *n && rc == 0; i++)
        if (v[i].type == VALUE_TEXT && v[i].u.text.n > ASK_FOLD_MAX && is_folded(*op, i))
            rc = E_LIMIT;
    return rc;
}

int ask_sql_parameters(const struct ask *ask, enum ask_op *op, struct value v[QUERY_VALUES],
                       size_t *n)
{
    switch (ask->kind) {
    case ASK_ACCOUNT_FIND: return find_parameters(ask, op, v, n);
    case ASK_ACCOUNT_CREATE: return create_parameters(ask, op, v, n);
    case ASK_ACCOUNT_SET_PASSWORD: return set_password_parameters(ask, op, v, n);
    case ASK_ACCOUNT_TOUCH: return touch_parameters(ask, op, v, n);
    case ASK_QUERY: return query_parameters(ask, op, v, n);
    case ASK_HASH_MAKE:
    case ASK_HASH_VERIFY:
    case ASK_HASH_OTP:
    case ASK_CLAIM:
    case ASK_RELEASE:
    case ASK_COMMAND: break;
    }
    UNREACHABLE();
}

/* ---- steps ---- */

/* Maps: one letter for each parameter of the statement. '1' to '9' and 'a' to 'g': that parameter
 * of the operation; '~' before it: with A to Z lowered; '@': when the ask was made. */
struct map_item {
    bool now, fold;
    size_t parameter;
};

static const char *map_next(const char *at, struct map_item *ret)
{
    *ret = (struct map_item){.now = *at == '@', .fold = *at == '~'};
    if (ret->now)
        return at + 1;
    if (ret->fold)
        at++;
    CHECK((*at >= '1' && *at <= '9') || (*at >= 'a' && *at <= 'g'));
    ret->parameter = (size_t)(*at <= '9' ? *at - '1' : *at - 'a' + 9);
    return at + 1;
}

size_t ask_sql_types(size_t statement, char types[ASK_TYPES_SIZE])
{
    CHECK(statement < ASK_STATEMENTS_N && ask_statements[statement].text);
    const char *letters = parameters_of((enum ask_op)(statement / ASK_STEPS_MAX));
    size_t n = 0;
    struct map_item item;
    for (const char *at = ask_statements[statement].map; *at;) {
        at = map_next(at, &item);
        CHECK(n < SQL_VALUES_MAX && (item.now || item.parameter < strlen(letters)));
        bool text = !item.now && (letters[item.parameter] == 't' || letters[item.parameter] == 'T');
        types[n++] = text ? 't' : 'i';
    }
    types[n] = '\0';
    return n;
}

bool ask_sql_writes(const struct entry *e)
{
    for (size_t i = 0; i < ask_sql_steps(e); i++)
        if (statement_of(e->op, i)->write)
            return true;
    return false;
}

size_t ask_sql_steps(const struct entry *e)
{
    size_t n = 0;
    while (!e->refused && n < ASK_STEPS_MAX && statement_of(e->op, n)->text)
        n++;
    return n;
}

static struct value folded(struct ask_step *s, const struct value *v)
{
    if (v->type != VALUE_TEXT)
        return *v;
    struct span t = v->u.text;
    CHECK(t.n <= sizeof s->fold);
    for (size_t i = 0; i < t.n; i++)
        s->fold[i] = t.p[i] >= 'A' && t.p[i] <= 'Z' ? t.p[i] | 0x20 : t.p[i];
    return VALUE_OF_TEXT(span_of(s->fold, t.n));
}

void ask_sql_step(const struct entry *e, size_t step, struct ask_step *ret)
{
    struct map_item item;
    CHECK(step < ask_sql_steps(e));
    ret->statement = (size_t)e->op * ASK_STEPS_MAX + step;
    ret->n = 0;
    for (const char *at = statement_of(e->op, step)->map; *at;) {
        at = map_next(at, &item);
        CHECK(ret->n < SQL_VALUES_MAX && (item.now || item.parameter < e->n));
        const struct value *v = &e->v[item.parameter];
        ret->v[ret->n++] = item.now ? VALUE_OF_INT(e->unix_ms) : item.fold ? folded(ret, v) : *v;
    }
}

/* ---- rows ---- */

static bool fits(const struct value *v, size_t max)
{
    return v->type == VALUE_TEXT && v->u.text.n <= max;
}

static bool all_int(const struct value *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].type != VALUE_INT)
            return false;
    return true;
}

/* What another hand wrote into the database is not trusted to fit. A level that is none becomes 0,
 * which lets nobody in. */
static int take_account(struct account *a, const struct value *v, size_t n)
{
    if (n != 9 || v[0].type != VALUE_INT || !fits(&v[1], ACCOUNT_NAME_MAX) ||
        !fits(&v[2], PASSWORD_RECORD_MAX) || !all_int(v + 3, 6) || v[3].u.i < 0 ||
        v[3].u.i > UINT32_MAX)
        return E_STORE;
    *a = (struct account){.id = v[0].u.i, .password_min = (uint32_t)v[3].u.i};
    a->name_n = (uint8_t)v[1].u.text.n;
    memcpy(a->name, v[1].u.text.p, v[1].u.text.n);
    a->password.n = (uint8_t)v[2].u.text.n;
    memcpy(a->password.text, v[2].u.text.p, v[2].u.text.n);
    a->level = v[4].u.i >= 0 && v[4].u.i <= UINT8_MAX ? (uint8_t)v[4].u.i : 0;
    a->suspended = v[5].u.i != 0;
    a->muted = v[6].u.i != 0;
    a->locked_until_ms = v[7].u.i;
    a->second_factor = v[8].u.i != 0;
    return 0;
}

/* What query_pack makes of them. */
static size_t row_bytes(const struct value *v, size_t n)
{
    size_t bytes = 1 + n;
    for (size_t i = 0; i < n; i++)
        bytes += v[i].type == VALUE_TEXT  ? sizeof(uint32_t) + v[i].u.text.n
                 : v[i].type == VALUE_INT ? sizeof(int64_t)
                                          : 0;
    return bytes;
}

/* Changes without columns count their rows as far as rows go: done is done. */
static int take_query(struct entry *e, const struct value *v, size_t n)
{
    const char *columns = query_table[e->op].columns;
    if (*columns == '\0' && e->rows_n == QUERY_ROWS_MAX)
        return 0;
    if (e->rows_n == QUERY_ROWS_MAX)
        return E_LIMIT;
    if (*columns == '\0')
        n = 0;
    else if (n > QUERY_VALUES || query_check(columns, v, n))
        return E_STORE;
    size_t bytes = row_bytes(v, n), before = e->rows.n;
    if (bytes > e->rows.max - e->rows.n)
        return E_LIMIT;
    if (e->rows_room && bytes > *e->rows_room)
        return E_STORE;
    query_pack(&e->rows, v, n);
    if (e->rows.failed)
        return E_STORE;
    CHECK(e->rows.n == before + bytes);
    if (e->rows_room)
        *e->rows_room -= bytes;
    e->rows_n++;
    return 0;
}

static void take_row(struct entry *e, const struct value *v, size_t n)
{
    if ((size_t)e->op < QUERY_N) {
        e->answer.rc = take_query(e, v, n);
        return;
    }
    if (account_ops[e->op - QUERY_N].account)
        e->answer.rc = take_account(&e->answer.u.account, v, n);
    e->rows_n++;
}

void ask_sql_begin(struct entry *e)
{
    entry_clear(e);
    e->answer.rc = e->refused;
}

void ask_sql_row(struct entry *e, size_t step, const struct value *v, size_t n)
{
    if (statement_of(e->op, step)->answers && e->answer.rc == 0)
        take_row(e, v, n);
}

void ask_sql_end(struct entry *e, int rc)
{
    bool query = (size_t)e->op < QUERY_N;
    if (e->refused)
        return;
    if (rc)
        e->answer.rc = E_STORE;
    else if (e->answer.rc == 0 && e->rows_n == 0)
        e->answer.rc = query ? query_table[e->op].none : account_ops[e->op - QUERY_N].none;
    if (e->answer.rc)
        mem_wipe(&e->answer.u, sizeof e->answer.u);
    else if (query)
        e->answer.u.rows = buf_span(&e->rows);
}
