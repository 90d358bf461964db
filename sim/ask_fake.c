#include "sim/ask_fake.h"

#include "base/check.h"
#include "base/err.h"
#include "base/hmap.h"

#include <stdio.h>
#include <strings.h>

#define MADE   "$fake$"
#define LEGACY "{old}"

static struct password_record record_of(struct span password, const char *scheme)
{
    static const uint64_t seed[2] = {11, 13};
    struct password_record r = {0};
    int n = snprintf(r.text, sizeof r.text, "%s%016llx", scheme,
                     (unsigned long long)siphash13(seed, password.p, password.n));
    CHECK(n > 0 && (size_t)n < sizeof r.text);
    r.n = (uint8_t)n;
    return r;
}

static bool records_equal(const struct password_record *a, const struct password_record *b)
{
    return span_eq(span_of(a->text, a->n), span_of(b->text, b->n));
}

static bool is_legacy(const struct password_record *r)
{
    return memcmp(r->text, LEGACY, sizeof LEGACY - 1) == 0;
}

static bool same_name(const struct account *a, struct span name, bool fold)
{
    if (a->name_n != name.n)
        return false;
    return fold ? strncasecmp(a->name, (const char *)name.p, name.n) == 0
                : memcmp(a->name, name.p, name.n) == 0;
}

const struct ask_fake_account *ask_fake_find(const struct ask_fake *f, struct span name, bool fold)
{
    for (uint32_t i = 0; i < f->accounts_n; i++)
        if (same_name(&f->accounts[i].account, name, false))
            return &f->accounts[i];
    /* Registered while names were compared exactly, there may be several: the first one. */
    for (uint32_t i = 0; fold && i < f->accounts_n; i++)
        if (same_name(&f->accounts[i].account, name, true))
            return &f->accounts[i];
    return NULL;
}

static struct ask_fake_account *by_id(struct ask_fake *f, int64_t id)
{
    return id >= 1 && id <= f->accounts_n && f->accounts[id - 1].account.id ? &f->accounts[id - 1]
                                                                            : NULL;
}

static struct ask_fake_account *add(struct ask_fake *f, struct span name,
                                    const struct password_record *r, uint32_t min)
{
    CHECK(f->accounts_n < ASK_FAKE_ACCOUNTS && name.n <= ACCOUNT_NAME_MAX);
    struct ask_fake_account *a = &f->accounts[f->accounts_n++];
    *a = (struct ask_fake_account){0};
    a->account.id = f->accounts_n;
    a->account.name_n = (uint8_t)name.n;
    memcpy(a->account.name, name.p, name.n);
    a->account.password = *r;
    a->account.password_min = min;
    a->account.level = LEVEL_PLAYER;
    return a;
}

struct ask_fake_account *ask_fake_account(struct ask_fake *f, const char *name,
                                          const char *password, uint32_t password_min, bool legacy)
{
    struct password_record r = record_of(span_str(password), legacy ? LEGACY : MADE);
    return add(f, span_str(name), &r, password_min);
}

void ask_fake_fault(struct ask_fake *f, enum ask_kind kind, enum ask_fault fault, uint32_t n)
{
    f->fault[kind] = fault;
    f->fault_times[kind] = n;
}

static void copy_name(struct ask_pending *p, struct span *name)
{
    CHECK(name->n >= 1 && name->n <= ACCOUNT_NAME_MAX);
    memcpy(p->name, name->p, name->n);
    p->name_n = (uint8_t)name->n;
    *name = SPAN_NULL;
}

/* Of a command only its word is needed, for saying that there is no such. */
static void copy_word(struct ask_pending *p, struct span *line)
{
    CHECK(line->n >= 1 && line->p[0] == '/');
    for (p->name_n = 0; p->name_n + 1u < line->n && p->name_n < 32; p->name_n++) {
        char c = (char)line->p[p->name_n + 1];
        if (c == ' ')
            break;
        p->name[p->name_n] = c;
    }
    *line = SPAN_NULL;
}

static void copy_password(struct ask_pending *p, struct span *password, size_t max)
{
    CHECK(password->n <= max);
    if (password->n)
        memcpy(p->password, password->p, password->n);
    p->password_n = password->n;
    *password = SPAN_NULL;
}

static void copy_record(struct password_record *to, const struct password_record **from)
{
    CHECK((*from)->n >= 1 && (*from)->n <= PASSWORD_RECORD_MAX);
    *to = **from;
    *from = NULL;
}

/* The borrowed parts are copied and their pointers cleared, as if they were gone. */
static void copy_parts(struct ask_fake *f, struct ask_pending *p)
{
    switch (p->ask.kind) {
    case ASK_ACCOUNT_FIND:
        if (p->ask.u.find.name.n) /* else by id */
            copy_name(p, &p->ask.u.find.name);
        break;
    case ASK_ACCOUNT_CREATE:
        copy_name(p, &p->ask.u.create.name);
        copy_record(&p->a, &p->ask.u.create.password);
        break;
    case ASK_ACCOUNT_SET_PASSWORD:
        copy_record(&p->a, &p->ask.u.set_password.old);
        copy_record(&p->b, &p->ask.u.set_password.password);
        break;
    case ASK_ACCOUNT_TOUCH: break;
    case ASK_HASH_MAKE:
        copy_password(p, &p->ask.u.make.password, PASSWORD_MAX);
        CHECK(p->password_n >= 1 && !memchr(p->password, '\0', p->password_n));
        break;
    case ASK_HASH_VERIFY:
        copy_password(p, &p->ask.u.verify.password, PASSWORD_LEGACY_MAX);
        copy_record(&p->a, &p->ask.u.verify.record);
        break;
    case ASK_QUERY: ask_fake_query_copy(f, p); break;
    case ASK_HASH_OTP: copy_password(p, &p->ask.u.otp.code, PASSWORD_LEGACY_MAX); break;
    case ASK_COMMAND: copy_word(p, &p->ask.u.command.line); break;
    case ASK_CLAIM:
    case ASK_RELEASE: break; /* answered whatever is in them */
    default: UNREACHABLE();
    }
}

int ask_fake_submit(struct ask_fake *f, struct now now, const struct ask *ask, uint64_t req)
{
    enum ask_fault fault = ASK_FINE;
    f->asked[ask->kind]++;
    if (f->fault_times[ask->kind] > 0) {
        f->fault_times[ask->kind]--;
        fault = f->fault[ask->kind];
    }
    if (fault == ASK_REFUSED || f->pending_n == ASK_FAKE_PENDING)
        return E_BUSY;
    struct ask_pending *p = &f->pending[f->pending_n++];
    *p = (struct ask_pending){.ask = *ask, .req = req, .fault = fault};
    p->due = f->delay == NSEC_NEVER ? NSEC_NEVER : now.mono + f->delay;
    copy_parts(f, p);
    return 0;
}

void ask_fake_cancel(struct ask_fake *f, uint64_t req)
{
    for (uint32_t i = 0; i < f->pending_n; i++) {
        struct ask_pending *p = &f->pending[i];
        if (p->req != req)
            continue;
        f->cancelled++;
        if (ask_destination(p->ask.kind) == ASK_TO_HASH) {
            p->fault = ASK_BUSY;
            p->due = 0;
        }
    }
}

nsec ask_fake_due(const struct ask_fake *f)
{
    nsec due = NSEC_NEVER;
    for (uint32_t i = 0; i < f->pending_n; i++)
        if (f->pending[i].due < due)
            due = f->pending[i].due;
    return due;
}

static int do_create(struct ask_fake *f, const struct ask_pending *p, struct answer *ret)
{
    struct span name = span_of(p->name, p->name_n);
    if (ask_fake_find(f, name, p->ask.u.create.fold))
        return E_EXISTS;
    struct ask_fake_account *a = add(f, name, &p->a, p->ask.u.create.password_min);
    a->created_ms = p->ask.u.create.unix_ms;
    ret->u.account = a->account;
    return 0;
}

static int do_set_password(struct ask_fake *f, const struct ask_pending *p)
{
    struct ask_fake_account *a = by_id(f, p->ask.u.set_password.id);
    if (!a || !records_equal(&a->account.password, &p->a))
        return E_STALE;
    a->account.password = p->b;
    a->account.password_min = p->ask.u.set_password.password_min;
    return 0;
}

static int do_touch(struct ask_fake *f, const struct ask_pending *p)
{
    struct ask_fake_account *a = by_id(f, p->ask.u.touch.id);
    if (!a)
        return E_NOENT;
    a->touched_ms = p->ask.u.touch.unix_ms;
    a->touches++;
    return 0;
}

static int do_verify(const struct ask_pending *p, struct answer *ret)
{
    bool legacy = is_legacy(&p->a);
    struct password_record r =
        record_of(span_of(p->password, p->password_n), legacy ? LEGACY : MADE);
    ret->u.rehash = legacy;
    return records_equal(&r, &p->a) ? 0 : E_AUTH;
}

static int do_otp(const struct ask_fake *f, const struct ask_pending *p, struct answer *ret)
{
    ret->u.otp_step = f->otp_right;
    return span_eq(span_of(p->password, p->password_n), SPAN_LIT("123456")) ? 0 : E_AUTH;
}

static int do_claim(struct ask_fake *f, const struct ask_pending *p)
{
    f->claims++;
    f->claim_replace = p->ask.u.claim.replace;
    f->claim_server = p->ask.u.claim.server;
    return f->claim;
}

static int do_find(struct ask_fake *f, const struct ask_pending *p, struct answer *ret)
{
    const struct ask_fake_account *a =
        p->name_n ? ask_fake_find(f, span_of(p->name, p->name_n), p->ask.u.find.fold)
                  : by_id(f, p->ask.u.find.id);
    if (a)
        ret->u.account = a->account;
    return a ? 0 : E_NOENT;
}

static int do_ask(struct ask_fake *f, struct now now, const struct ask_pending *p,
                  struct answer *ret)
{
    switch (p->ask.kind) {
    case ASK_ACCOUNT_FIND: return do_find(f, p, ret);
    case ASK_ACCOUNT_CREATE: return do_create(f, p, ret);
    case ASK_ACCOUNT_SET_PASSWORD: return do_set_password(f, p);
    case ASK_ACCOUNT_TOUCH: return do_touch(f, p);
    case ASK_HASH_MAKE:
        ret->u.password = record_of(span_of(p->password, p->password_n), MADE);
        return 0;
    case ASK_HASH_VERIFY: return do_verify(p, ret);
    case ASK_QUERY: return ask_fake_query(f, now, p, ret);
    case ASK_HASH_OTP: return do_otp(f, p, ret);
    case ASK_CLAIM: return do_claim(f, p);
    case ASK_RELEASE: f->releases++; return 0;
    case ASK_COMMAND: /* nobody has any */
        (void)snprintf(f->said, sizeof f->said, "No such command (%.*s)", (int)p->name_n, p->name);
        ret->u.text = span_of(f->said, strlen(f->said));
        return 0;
    default: UNREACHABLE();
    }
}

void ask_fake_take(struct ask_fake *f, struct now now, uint32_t i, struct answer *ret)
{
    CHECK(i < f->pending_n);
    struct ask_pending *p = &f->pending[i];
    bool to_hash = ask_destination(p->ask.kind) == ASK_TO_HASH;
    struct answer done = {.req = p->req, .kind = p->ask.kind};
    *ret = done;
    if (p->fault == ASK_FINE || p->fault == ASK_LOST)
        done.rc = do_ask(f, now, p, &done);
    if (p->fault == ASK_FINE)
        *ret = done;
    else
        ret->rc = p->fault == ASK_BUSY ? E_BUSY : to_hash ? E_CRYPTO : E_STORE;
    f->pending_n--;
    memmove(p, p + 1, (f->pending_n - i) * sizeof *p);
}
