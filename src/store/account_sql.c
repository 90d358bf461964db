#include "store/account_sql.h"

#include "base/check.h"
#include "base/err.h"
#include "base/utf8.h"

enum { FIND, FIND_FOLD, CREATE, CREATE_FOLD, SET_PASSWORD, TOUCH, OPS_N };

#define ACCOUNT_COLUMNS "id, name, password, password_min"

const struct sql_statement account_statements[] = {
    [FIND] = {"SELECT " ACCOUNT_COLUMNS " FROM account WHERE name = $1", false},
    [FIND_FOLD] = {"SELECT " ACCOUNT_COLUMNS " FROM account WHERE name_fold = $1"
                   " ORDER BY CASE WHEN name = $2 THEN 0 ELSE 1 END, id LIMIT 1",
                   false},
    [CREATE] = {"INSERT INTO account (name, name_fold, password, password_min, created_ms)"
                " VALUES ($1, $2, $3, $4, $5)"
                " ON CONFLICT DO NOTHING RETURNING " ACCOUNT_COLUMNS,
                true},
    [CREATE_FOLD] = {"INSERT INTO account (name, name_fold, password, password_min, created_ms)"
                     " SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT),"
                     " CAST($4 AS BIGINT), CAST($5 AS BIGINT)"
                     " WHERE NOT EXISTS (SELECT 1 FROM account WHERE name_fold = $2)"
                     " ON CONFLICT DO NOTHING RETURNING " ACCOUNT_COLUMNS,
                     true},
    [SET_PASSWORD] = {"UPDATE account SET password = $1, password_min = $2"
                      " WHERE id = $3 AND password = $4 RETURNING id",
                      true},
    [TOUCH] = {"UPDATE account SET last_login_ms = $1 WHERE id = $2 RETURNING id", true},
};
const size_t account_statements_n = ARRAY_LEN(account_statements);

struct binding {
    struct value v[SQL_VALUES_MAX];
    size_t n;
    uint8_t fold[ACCOUNT_NAME_MAX];
};

struct reading {
    struct answer *answer;
    size_t rows;
};

static struct span fold_name(struct binding *b, struct span name)
{
    for (size_t i = 0; i < name.n; i++)
        b->fold[i] = name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] | 0x20 : name.p[i];
    return span_of(b->fold, name.n);
}

static void add_int(struct binding *b, int64_t i)
{
    b->v[b->n++] = VALUE_OF_INT(i);
}

static void add_text(struct binding *b, struct span s)
{
    b->v[b->n++] = VALUE_OF_TEXT(s);
}

static void add_record(struct binding *b, const struct password_record *r)
{
    CHECK(r->n <= PASSWORD_RECORD_MAX);
    add_text(b, span_of(r->text, r->n));
}

static void bind_find(struct binding *b, const struct ask *ask)
{
    add_text(b, ask->u.find.name);
}

static void bind_find_fold(struct binding *b, const struct ask *ask)
{
    add_text(b, fold_name(b, ask->u.find.name));
    add_text(b, ask->u.find.name);
}

static void bind_create(struct binding *b, const struct ask *ask)
{
    add_text(b, ask->u.create.name);
    add_text(b, fold_name(b, ask->u.create.name));
    add_record(b, ask->u.create.password);
    add_int(b, ask->u.create.password_min);
    add_int(b, ask->u.create.unix_ms);
}

static void bind_set_password(struct binding *b, const struct ask *ask)
{
    add_record(b, ask->u.set_password.password);
    add_int(b, ask->u.set_password.password_min);
    add_int(b, ask->u.set_password.id);
    add_record(b, ask->u.set_password.old);
}

static void bind_touch(struct binding *b, const struct ask *ask)
{
    add_int(b, ask->u.touch.unix_ms);
    add_int(b, ask->u.touch.id);
}

static bool fits(const struct value *v, size_t max)
{
    return v->type == VALUE_TEXT && v->u.text.n <= max;
}

/* What another hand wrote into the file is not trusted to fit. */
static int read_account(void *ctx, const struct value *v, size_t n)
{
    struct reading *r = ctx;
    struct account *a = &r->answer->u.account;
    if (n != 4 || v[0].type != VALUE_INT || !fits(&v[1], ACCOUNT_NAME_MAX) ||
        !fits(&v[2], PASSWORD_RECORD_MAX) || v[3].type != VALUE_INT || v[3].u.i < 0 ||
        v[3].u.i > UINT32_MAX)
        return E_STORE;
    *a = (struct account){.id = v[0].u.i, .password_min = (uint32_t)v[3].u.i};
    a->name_n = (uint8_t)v[1].u.text.n;
    memcpy(a->name, v[1].u.text.p, v[1].u.text.n);
    a->password.n = (uint8_t)v[2].u.text.n;
    memcpy(a->password.text, v[2].u.text.p, v[2].u.text.n);
    r->rows++;
    return 0;
}

static int count_row(void *ctx, const struct value *v, size_t n)
{
    struct reading *r = ctx;
    (void)v;
    (void)n;
    r->rows++;
    return 0;
}

static const struct {
    void (*bind)(struct binding *, const struct ask *);
    sql_row_fn row;
    int none; /* what it means when no row comes back */
} ops[] = {
    [FIND] = {bind_find, read_account, E_NOENT},
    [FIND_FOLD] = {bind_find_fold, read_account, E_NOENT},
    [CREATE] = {bind_create, read_account, E_EXISTS},
    [CREATE_FOLD] = {bind_create, read_account, E_EXISTS},
    [SET_PASSWORD] = {bind_set_password, count_row, E_STALE},
    [TOUCH] = {bind_touch, count_row, E_NOENT},
};
_Static_assert(ARRAY_LEN(ops) == OPS_N && ARRAY_LEN(account_statements) == OPS_N, "one row each");

static size_t op_of(const struct ask *ask)
{
    switch (ask->kind) {
    case ASK_ACCOUNT_FIND: return ask->u.find.fold ? FIND_FOLD : FIND;
    case ASK_ACCOUNT_CREATE: return ask->u.create.fold ? CREATE_FOLD : CREATE;
    case ASK_ACCOUNT_SET_PASSWORD: return SET_PASSWORD;
    case ASK_ACCOUNT_TOUCH: return TOUCH;
    case ASK_QUERY:
    case ASK_HASH_MAKE:
    case ASK_HASH_VERIFY:
    case ASK_HASH_OTP:
    case ASK_CLAIM:
    case ASK_RELEASE:
    case ASK_COMMAND: break;
    }
    UNREACHABLE();
}

static bool is_name(struct span s)
{
    return s.n >= 1 && s.n <= ACCOUNT_NAME_MAX && utf8_valid(s) && !memchr(s.p, '\0', s.n);
}

int account_sql_check(const struct ask *ask)
{
    switch (op_of(ask)) {
    case FIND:
    case FIND_FOLD: return is_name(ask->u.find.name) ? 0 : E_FORMAT;
    case CREATE:
    case CREATE_FOLD: return is_name(ask->u.create.name) ? 0 : E_FORMAT;
    default: return 0;
    }
}

bool account_sql_writes(const struct ask *ask)
{
    return account_statements[op_of(ask)].write;
}

int account_sql_run(struct sql *db, const struct ask *ask, struct answer *answer)
{
    size_t op = op_of(ask);
    struct binding b = {.n = 0};
    struct reading r = {answer, 0};
    ops[op].bind(&b, ask);
    int rc = sql_run(db, op, b.v, b.n, ops[op].row, &r);
    if (rc == E_REFUSED || rc == E_STORE)
        answer->rc = E_STORE;
    else if (rc == 0)
        answer->rc = r.rows ? 0 : ops[op].none;
    return rc == E_REFUSED || rc == E_STORE ? 0 : rc;
}
