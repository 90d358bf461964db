/* Queries of the desks: accounts as staff sees them, bans, the audit. */
#include "base/check.h"
#include "base/err.h"
#include "sim/ask_fake.h"

#include <stdlib.h>

#define BANS_ROWS  1024u
#define AUDIT_ROWS 65536u
#define ARENA      (16u << 20) /* of the audit's texts */

struct ban_row {
    int64_t id, v[10]; /* numbers by parameter; texts are below */
    bool null[10];
    uint16_t at[10], n[10];
    char texts[700];
};

struct ask_fake_desks {
    struct ban_row bans[BANS_ROWS];
    uint32_t bans_n;
    int64_t ban_ids;
    struct ask_fake_audit audit[AUDIT_ROWS];
    uint32_t audit_n;
    size_t arena_n;
    char arena[ARENA];
};

struct ask_fake_desks *ask_fake_desks_create(void)
{
    struct ask_fake_desks *d = calloc(1, sizeof *d);
    CHECK(d);
    return d;
}

void ask_fake_desks_destroy(struct ask_fake_desks *d)
{
    free(d);
}

static struct buf rows_begin(struct ask_fake *f)
{
    return (struct buf){.p = f->space, .cap = sizeof f->space, .max = sizeof f->space};
}

static int rows_end(struct ask_fake *f, struct answer *ret, struct buf rows)
{
    f->rows = rows;
    if (f->rows.failed)
        return E_LIMIT;
    ret->u.rows = buf_span(&f->rows);
    return 0;
}

/* ---- accounts ---- */

static void pack_account(struct buf *to, const struct ask_fake_account *a)
{
    const struct account *c = &a->account;
    const struct value v[] = {VALUE_OF_INT(c->id),
                              VALUE_OF_TEXT(span_of(c->name, c->name_n)),
                              VALUE_NOTHING,
                              VALUE_OF_INT(c->level),
                              VALUE_OF_INT(c->suspended),
                              VALUE_OF_INT(c->locked_until_ms),
                              VALUE_OF_INT(c->muted),
                              VALUE_OF_INT(0),
                              VALUE_OF_INT(a->created_ms),
                              VALUE_NOTHING,
                              VALUE_NOTHING,
                              VALUE_NOTHING,
                              VALUE_NOTHING,
                              VALUE_OF_INT(c->password_min),
                              VALUE_OF_INT(c->second_factor)};
    query_pack(to, v, ARRAY_LEN(v));
}

static int show(struct ask_fake *f, const struct ask_fake_account *a, struct answer *ret)
{
    struct buf rows = rows_begin(f);
    if (!a)
        return E_NOENT;
    pack_account(&rows, a);
    return rows_end(f, ret, rows);
}

static struct ask_fake_account *of(struct ask_fake *f, int64_t id)
{
    return id >= 1 && id <= f->accounts_n && f->accounts[id - 1].account.id ? &f->accounts[id - 1]
                                                                            : NULL;
}

/* It is an admin who may sign in, and there is no other. */
static bool is_last(const struct ask_fake *f, const struct ask_fake_account *a, struct now now)
{
    if (a->account.level != LEVEL_ADMIN)
        return false;
    for (uint32_t i = 0; i < f->accounts_n; i++) {
        const struct account *b = &f->accounts[i].account;
        if (b->id && b->id != a->account.id && b->level == LEVEL_ADMIN && !b->suspended &&
            b->locked_until_ms <= now.unix_ms)
            return false;
    }
    return true;
}

static void drop_rows(struct ask_fake_table *t, int64_t account)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n; i++)
        if (t->rows[i].account != account)
            t->rows[n++] = t->rows[i];
    t->n = n;
}

static int set_account(struct ask_fake *f, struct now now, enum query q, const struct value *v)
{
    struct ask_fake_account *a = of(f, v[0].u.i);
    if (!a)
        return q == QUERY_ACCOUNT_SET_MUTED ? E_NOENT : E_REFUSED;
    bool takes = q == QUERY_ACCOUNT_SET_LEVEL       ? v[1].u.i != LEVEL_ADMIN
                 : q == QUERY_ACCOUNT_SET_SUSPENDED ? v[1].u.i != 0
                 : q == QUERY_ACCOUNT_LOCK          ? v[1].u.i > now.unix_ms
                                                    : q == QUERY_ACCOUNT_DELETE;
    if (takes && is_last(f, a, now))
        return E_REFUSED;
    switch ((int)q) {
    case QUERY_ACCOUNT_SET_LEVEL: a->account.level = (uint8_t)v[1].u.i; break;
    case QUERY_ACCOUNT_SET_SUSPENDED: a->account.suspended = v[1].u.i != 0; break;
    case QUERY_ACCOUNT_LOCK: a->account.locked_until_ms = v[1].u.i; break;
    case QUERY_ACCOUNT_SET_MUTED: a->account.muted = v[1].u.i != 0; break;
    default:
        drop_rows(&f->tokens, a->account.id);
        drop_rows(&f->known, a->account.id);
        a->account = (struct account){0};
    }
    return 0;
}

/* ---- bans ---- */

static int ban_add(struct ask_fake *f, const struct value *v, struct answer *ret)
{
    struct ask_fake_desks *d = f->desks;
    size_t used = 0;
    struct buf rows = rows_begin(f);
    if (v[1].type == VALUE_INT && !of(f, v[1].u.i))
        return E_STORE;
    if (d->bans_n == BANS_ROWS)
        return E_STORE;
    struct ban_row *r = &d->bans[d->bans_n++];
    *r = (struct ban_row){.id = ++d->ban_ids};
    for (size_t i = 0; i < 10; i++) {
        r->null[i] = v[i].type == VALUE_NULL;
        r->v[i] = v[i].type == VALUE_INT ? v[i].u.i : 0;
        if (v[i].type != VALUE_TEXT)
            continue;
        CHECK(used + v[i].u.text.n <= sizeof r->texts);
        r->at[i] = (uint16_t)used;
        r->n[i] = (uint16_t)v[i].u.text.n;
        if (v[i].u.text.n)
            memcpy(r->texts + used, v[i].u.text.p, v[i].u.text.n);
        used += v[i].u.text.n;
    }
    const struct value id = VALUE_OF_INT(r->id);
    query_pack(&rows, &id, 1);
    return rows_end(f, ret, rows);
}

static struct ban_row *ban_find(struct ask_fake_desks *d, int64_t id)
{
    for (uint32_t i = 0; i < d->bans_n; i++)
        if (d->bans[i].id == id)
            return &d->bans[i];
    return NULL;
}

static void ban_drop(struct ask_fake_desks *d, struct ban_row *r)
{
    memmove(r, r + 1, (size_t)(d->bans + d->bans_n - (r + 1)) * sizeof *r);
    d->bans_n--;
}

static int ban_remove(struct ask_fake_desks *d, int64_t id)
{
    struct ban_row *r = ban_find(d, id);
    if (r)
        ban_drop(d, r);
    return r ? 0 : E_NOENT;
}

static void ban_purge(struct ask_fake_desks *d, int64_t ms)
{
    for (uint32_t i = 0; i < d->bans_n;)
        if (d->bans[i].v[9] && d->bans[i].v[9] <= ms)
            ban_drop(d, &d->bans[i]);
        else
            i++;
}

static int ban_list(struct ask_fake *f, const struct value *v, struct answer *ret)
{
    static const char letters[] = "iITittttii";
    struct buf rows = rows_begin(f);
    int64_t n = 0;
    for (uint32_t i = 0; i < f->desks->bans_n && n < v[2].u.i; i++) {
        const struct ban_row *r = &f->desks->bans[i];
        struct value row[11] = {VALUE_OF_INT(r->id)};
        if (r->id <= v[0].u.i || (r->v[9] && r->v[9] <= v[1].u.i))
            continue;
        for (size_t k = 0; k < 10; k++) {
            bool is_text = letters[k] == 't' || letters[k] == 'T';
            row[k + 1] = r->null[k] ? VALUE_NOTHING
                         : is_text  ? VALUE_OF_TEXT(span_of(r->texts + r->at[k], r->n[k]))
                                    : VALUE_OF_INT(r->v[k]);
        }
        query_pack(&rows, row, ARRAY_LEN(row));
        n++;
    }
    return rows_end(f, ret, rows);
}

bool ask_fake_ban(const struct ask_fake *f, int64_t id)
{
    for (uint32_t i = 0; i < f->desks->bans_n; i++)
        if (f->desks->bans[i].id == id)
            return true;
    return false;
}

/* ---- the audit ---- */

static int audit_append(struct ask_fake_desks *d, const struct value *v)
{
    int64_t seq = v[1].u.i;
    uint32_t at = d->audit_n;
    while (at > 0 && d->audit[at - 1].seq > seq)
        at--;
    if (at > 0 && d->audit[at - 1].seq == seq)
        return 0;
    size_t need = 0;
    for (size_t i = 5; i < 13; i++)
        need += v[i].u.text.n;
    if (d->audit_n == AUDIT_ROWS || d->arena_n + need > ARENA)
        return E_STORE;
    memmove(&d->audit[at + 1], &d->audit[at], (d->audit_n - at) * sizeof d->audit[0]);
    d->audit_n++;
    struct ask_fake_audit *r = &d->audit[at];
    *r = (struct ask_fake_audit){.seq = seq, .at_ms = v[2].u.i};
    r->type = (uint16_t)v[3].u.i;
    r->subtype = (uint16_t)v[4].u.i;
    for (size_t i = 0; i < 8; i++) {
        struct span t = v[5 + i].u.text;
        r->texts[i] = span_of(d->arena + d->arena_n, t.n);
        if (t.n)
            memcpy(d->arena + d->arena_n, t.p, t.n);
        d->arena_n += t.n;
    }
    return 0;
}

static int audit_tail(struct ask_fake *f, struct answer *ret)
{
    const struct ask_fake_desks *d = f->desks;
    struct buf rows = rows_begin(f);
    if (!d->audit_n)
        return E_NOENT;
    const struct ask_fake_audit *r = &d->audit[d->audit_n - 1];
    const struct value v[] = {VALUE_OF_INT(r->seq), VALUE_OF_TEXT(r->texts[7])};
    query_pack(&rows, v, ARRAY_LEN(v));
    return rows_end(f, ret, rows);
}

const struct ask_fake_audit *ask_fake_audit(const struct ask_fake *f, uint32_t i)
{
    return i < f->desks->audit_n ? &f->desks->audit[i] : NULL;
}

int ask_fake_desks_query(struct ask_fake *f, struct now now, enum query q, const struct value *v,
                         struct answer *ret)
{
    if (!f->desks)
        return E_SUPPORT;
    switch ((int)q) {
    case QUERY_ACCOUNT_BY_NAME: {
        const struct ask_fake_account *a = ask_fake_find(f, v[0].u.text, false);
        return show(f, a, ret);
    }
    case QUERY_ACCOUNT_BY_ID: return show(f, of(f, v[0].u.i), ret);
    case QUERY_ACCOUNT_SET_LEVEL:
    case QUERY_ACCOUNT_SET_SUSPENDED:
    case QUERY_ACCOUNT_SET_MUTED:
    case QUERY_ACCOUNT_LOCK:
    case QUERY_ACCOUNT_DELETE: return set_account(f, now, q, v);
    case QUERY_SESSION_END_ACCOUNT: return 0;
    case QUERY_BAN_ADD: return ban_add(f, v, ret);
    case QUERY_BAN_REMOVE: return ban_remove(f->desks, v[0].u.i);
    case QUERY_BAN_LIST: return ban_list(f, v, ret);
    case QUERY_BAN_PURGE: ban_purge(f->desks, v[0].u.i); return 0;
    case QUERY_AUDIT_APPEND: return audit_append(f->desks, v);
    case QUERY_AUDIT_TAIL: return audit_tail(f, ret);
    case QUERY_AUDIT_HEAD_ADD: return 0;
    default: return E_SUPPORT;
    }
}
