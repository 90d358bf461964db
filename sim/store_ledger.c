#include "base/check.h"
#include "base/err.h"
#include "core/query.h"
#include "sim/alloc_fault.h"
#include "sim/store_priv.h"

struct entry {
    int64_t id;
    struct password_record record;
    bool unsure; /* the record may have been replaced */
    bool doomed; /* its deletion was asked for */
    uint8_t name_n;
    char name[ACCOUNT_NAME_MAX];
};

struct disk_ledger {
    struct entry *entries;
    size_t n, cap;
};

struct disk_ledger *ledger_create(void)
{
    return alloc_own(sizeof(struct disk_ledger));
}

void ledger_destroy(struct disk_ledger *l)
{
    alloc_own_free(l->entries);
    alloc_own_free(l);
}

static void note_name(struct ledger_ask *to, struct span name)
{
    if (name.n > ACCOUNT_NAME_MAX)
        return;
    if (name.n)
        memcpy(to->name, name.p, name.n);
    to->name_n = (uint8_t)name.n;
}

void ledger_note(struct ledger_ask *to, const struct ask *ask)
{
    to->kind = ask->kind;
    to->adds_ban = ask->kind == ASK_QUERY && ask->u.query.query == QUERY_BAN_ADD;
    if (ask->kind == ASK_QUERY && ask->u.query.query == QUERY_ACCOUNT_DELETE) {
        to->id = ask->u.query.v[0].u.i;
        to->deletes = true;
    } else if (ask->kind == ASK_ACCOUNT_FIND) {
        note_name(to, ask->u.find.name);
    } else if (ask->kind == ASK_ACCOUNT_CREATE) {
        note_name(to, ask->u.create.name);
        to->record = *ask->u.create.password;
    } else if (ask->kind == ASK_ACCOUNT_SET_PASSWORD) {
        to->id = ask->u.set_password.id;
        to->record = *ask->u.set_password.password;
    }
}

static struct span name_of(const struct entry *e)
{
    return span_of(e->name, e->name_n);
}

static struct entry *by_name(struct disk_ledger *l, struct span name)
{
    for (size_t i = 0; i < l->n; i++)
        if (span_eq(name_of(&l->entries[i]), name))
            return &l->entries[i];
    return NULL;
}

static struct entry *by_id(struct disk_ledger *l, int64_t id)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->entries[i].id == id)
            return &l->entries[i];
    return NULL;
}

static struct entry *add(struct disk_ledger *l)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        struct entry *p = alloc_own(cap * sizeof *p);
        if (l->n)
            memcpy(p, l->entries, l->n * sizeof *p);
        alloc_own_free(l->entries);
        l->entries = p;
        l->cap = cap;
    }
    return &l->entries[l->n++];
}

static bool same(const struct password_record *a, const struct password_record *b)
{
    return span_eq(span_of(a->text, a->n), span_of(b->text, b->n));
}

static void check(struct sim_disk *d, const struct entry *e, bool record)
{
    struct account a;
    int n = e->name_n;
    if (sim_found(d->sim) || e->doomed)
        return;
    if (!sim_disk_account(d, name_of(e), &a))
        sim_find(d->sim, "store", "the account %.*s was acknowledged and is not on the disk", n,
                 e->name);
    else if (a.id != e->id)
        sim_find(d->sim, "store", "the account %.*s was number %lld and is number %lld", n, e->name,
                 (long long)e->id, (long long)a.id);
    else if (record && !same(&a.password, &e->record))
        sim_find(d->sim, "store", "the password of %.*s was acknowledged and is not on the disk", n,
                 e->name);
}

static void created(struct sim_disk *d, const struct ledger_ask *ask, const struct answer *a)
{
    struct span name = span_of(ask->name, ask->name_n);
    const struct account *got = &a->u.account;
    if (!span_eq(span_of(got->name, got->name_n), name))
        sim_find(d->sim, "store", "%.*s was asked for and another name was registered", (int)name.n,
                 ask->name);
    struct entry *was = by_name(d->ledger, name);
    if (was && was->doomed)
        *was = d->ledger->entries[--d->ledger->n];
    if (by_name(d->ledger, name) || by_id(d->ledger, got->id))
        sim_find(d->sim, "store", "%.*s or its number %lld was registered twice", (int)name.n,
                 ask->name, (long long)got->id);
    struct entry *e = add(d->ledger);
    *e = (struct entry){.id = got->id, .record = ask->record, .name_n = ask->name_n};
    memcpy(e->name, ask->name, ask->name_n);
    check(d, e, true);
}

static void replaced(struct sim_disk *d, const struct ledger_ask *ask, int rc, bool others)
{
    struct entry *e = by_id(d->ledger, ask->id);
    if (!e || e->doomed || rc == E_STALE)
        return;
    e->unsure = rc != 0;
    if (rc == 0) {
        e->record = ask->record;
        check(d, e, !others);
    }
}

static void found(struct sim_disk *d, const struct ledger_ask *ask, const struct answer *a,
                  bool others)
{
    struct entry *e = by_name(d->ledger, span_of(ask->name, ask->name_n));
    if (!e || e->doomed)
        return;
    if (a->rc == E_NOENT)
        sim_find(d->sim, "store", "the account %.*s was acknowledged and is not found",
                 (int)e->name_n, e->name);
    else if (a->rc == 0 && a->u.account.id != e->id)
        sim_find(d->sim, "store", "another account than %.*s was found in its place",
                 (int)e->name_n, e->name);
    else if (a->rc == 0 && !e->unsure && !others && !same(&a->u.account.password, &e->record))
        sim_find(d->sim, "store", "%.*s was found with a password that is not the newest",
                 (int)e->name_n, e->name);
}

void ledger_answer(struct sim_disk *d, const struct ledger_ask *ask, const struct answer *a,
                   bool others)
{
    if (ask->kind == ASK_ACCOUNT_FIND)
        found(d, ask, a, others);
    else if (ask->kind == ASK_ACCOUNT_CREATE && a->rc == 0)
        created(d, ask, a);
    else if (ask->kind == ASK_ACCOUNT_SET_PASSWORD)
        replaced(d, ask, a->rc, others);
}

void ledger_doom(struct sim_disk *d, const struct ledger_ask *ask)
{
    struct entry *e = ask->deletes ? by_id(d->ledger, ask->id) : NULL;
    if (e)
        e->doomed = true;
}

void ledger_unsure(struct sim_disk *d, const struct ledger_ask *ask)
{
    struct entry *e = ask->kind == ASK_ACCOUNT_SET_PASSWORD ? by_id(d->ledger, ask->id) : NULL;
    if (e)
        e->unsure = true;
}

void ledger_check(struct sim_disk *d)
{
    for (size_t i = 0; i < d->ledger->n; i++)
        check(d, &d->ledger->entries[i], !d->ledger->entries[i].unsure);
}
