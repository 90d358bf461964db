/* Queries that a login asks, over small tables. */
#include "base/check.h"
#include "base/err.h"
#include "sim/ask_fake.h"

void ask_fake_query_copy(struct ask_fake *f, struct ask_pending *p)
{
    const struct value *from = p->ask.u.query.v;
    enum query q = (enum query)p->ask.u.query.query;
    size_t used = 0;
    CHECK(q < QUERY_N && p->ask.u.query.n <= QUERY_VALUES);
    CHECK(query_check(query_table[q].parameters, from, p->ask.u.query.n) == 0);
    for (size_t i = 0; i < p->ask.u.query.n; i++) {
        p->v[i] = from[i];
        if (from[i].type != VALUE_TEXT)
            continue;
        size_t n = from[i].u.text.n;
        CHECK(used + n <= sizeof p->texts);
        if (n)
            memcpy(p->texts + used, from[i].u.text.p, n);
        used += n;
    }
    p->ask.u.query.v = NULL;
    f->queried[q]++;
}

/* ---- tables ---- */

static struct ask_fake_row *row_find(struct ask_fake_table *t, int64_t account, struct span text)
{
    for (uint32_t i = 0; i < t->n; i++)
        if ((!account || t->rows[i].account == account) && span_eq(span_str(t->rows[i].text), text))
            return &t->rows[i];
    return NULL;
}

static void row_del(struct ask_fake_table *t, struct ask_fake_row *r)
{
    memmove(r, r + 1, (size_t)(t->rows + t->n - (r + 1)) * sizeof *r);
    t->n--;
}

static void row_put(struct ask_fake_table *t, int64_t account, struct span text, int64_t at)
{
    struct ask_fake_row *r = row_find(t, account, text);
    if (!r) {
        if (t->n == ASK_FAKE_ROWS)
            row_del(t, t->rows);
        r = &t->rows[t->n++];
    }
    CHECK(text.n < sizeof r->text);
    *r = (struct ask_fake_row){.account = account, .at = at};
    if (text.n)
        memcpy(r->text, text.p, text.n);
}

/* ---- queries ---- */

static void answer_row(struct ask_fake *f, struct answer *ret, const struct value *v, size_t n)
{
    f->rows = (struct buf){.p = f->space, .cap = sizeof f->space, .max = sizeof f->space};
    query_pack(&f->rows, v, n);
    CHECK(!f->rows.failed);
    ret->u.rows = buf_span(&f->rows);
}

static int redeem(struct ask_fake *f, const struct value *v, struct answer *ret)
{
    struct ask_fake_row *r = row_find(&f->tokens, 0, v[0].u.text);
    if (!r || r->at <= v[2].u.i)
        return E_NOENT;
    const struct value row = VALUE_OF_INT(r->account);
    row_del(&f->tokens, r);
    answer_row(f, ret, &row, 1);
    return 0;
}

static void drop_tokens(struct ask_fake *f, int64_t account)
{
    for (uint32_t i = 0; i < f->tokens.n;)
        if (f->tokens.rows[i].account == account)
            row_del(&f->tokens, &f->tokens.rows[i]);
        else
            i++;
}

static int otp_get(struct ask_fake *f, struct ask_fake_account *a, struct answer *ret)
{
    if (!a || !a->otp_sealed[0])
        return E_NOENT;
    const struct value row[] = {VALUE_OF_TEXT(span_str(a->otp_sealed)), VALUE_OF_INT(a->otp_step)};
    answer_row(f, ret, row, ARRAY_LEN(row));
    return 0;
}

static int otp_step(struct ask_fake_account *a, int64_t step)
{
    if (!a || step <= a->otp_step)
        return E_STALE;
    a->otp_step = step;
    return 0;
}

static int lock(const struct ask_fake *f, struct ask_fake_account *a, int64_t until)
{
    if (f->lock)
        return f->lock;
    if (!a)
        return E_REFUSED;
    a->account.locked_until_ms = until;
    return 0;
}

static int known(struct ask_fake *f, const struct value *v)
{
    const struct ask_fake_row *r = row_find(&f->known, v[0].u.i, v[1].u.text);
    return r && r->at >= v[2].u.i ? 0 : E_NOENT;
}

static int recover(struct ask_fake *f, const struct value *v)
{
    struct ask_fake_row *r = row_find(&f->recovery, v[0].u.i, v[1].u.text);
    if (r)
        row_del(&f->recovery, r);
    return r ? 0 : E_NOENT;
}

static int run(struct ask_fake *f, enum query q, const struct value *v, struct answer *ret)
{
    struct ask_fake_account *a = NULL;
    if (v[0].type == VALUE_INT && v[0].u.i >= 1 && v[0].u.i <= f->accounts_n)
        a = &f->accounts[v[0].u.i - 1];
    switch ((int)q) {
    case QUERY_KNOWN_ADDRESS_PUT: row_put(&f->known, v[0].u.i, v[1].u.text, v[2].u.i); return 0;
    case QUERY_KNOWN_ADDRESS_HAS: return known(f, v);
    case QUERY_TOKEN_PUT: row_put(&f->tokens, v[1].u.i, v[0].u.text, v[4].u.i); return 0;
    case QUERY_TOKEN_REDEEM: return redeem(f, v, ret);
    case QUERY_TOKEN_DROP: drop_tokens(f, v[0].u.i); return 0;
    case QUERY_OTP_GET: return otp_get(f, a, ret);
    case QUERY_OTP_STEP: return otp_step(a, v[1].u.i);
    case QUERY_RECOVERY_PUT: row_put(&f->recovery, v[0].u.i, v[1].u.text, 0); return 0;
    case QUERY_RECOVERY_USE: return recover(f, v);
    case QUERY_ACCOUNT_LOCK: return lock(f, a, v[1].u.i);
    default: return E_SUPPORT;
    }
}

int ask_fake_query(struct ask_fake *f, struct now now, const struct ask_pending *p,
                   struct answer *ret)
{
    struct value v[QUERY_VALUES] = {0};
    size_t used = 0;
    for (size_t i = 0; i < p->ask.u.query.n; i++) {
        v[i] = p->v[i];
        if (v[i].type != VALUE_TEXT)
            continue;
        v[i].u.text.p = (const uint8_t *)p->texts + used;
        used += v[i].u.text.n;
    }
    ret->u.rows = SPAN_NULL;
    enum query q = (enum query)p->ask.u.query.query;
    if (f->desks && q == QUERY_ACCOUNT_LOCK)
        return ask_fake_desks_query(f, now, q, v, ret);
    int rc = run(f, q, v, ret);
    return rc == E_SUPPORT ? ask_fake_desks_query(f, now, q, v, ret) : rc;
}
