/* Bans on their way into the store and out of it.
 *
 * What fails may be done all the same, so before it is tried again the list is read: a ban that is
 * found in it is adopted. A list that was being read when a change was settled may or may not show
 * it, so the change is remembered until that list is there. */
#include "core/ban_desk_priv.h"

#include "base/check.h"
#include "base/err.h"
#include "base/plant.h"
#include "core/audit_log.h"
#include "core/query.h"

#include <stdio.h>

#define TARGET_TEXT  (BAN_NET_TEXT_MAX + 24)
#define DETAILS_TEXT 1024u
#define AUDIT_GAME   16u /* bytes an audit record has for it */

static const struct log_row log_added = {LOG_INFO, "ban.added", "ban made"};
static const struct log_row log_removed = {LOG_INFO, "ban.removed", "ban lifted"};
static const struct log_row log_unsaved = {LOG_WARN, "ban.unsaved",
                                           "not known to be in the database: tried again"};
static const struct log_row log_refused = {LOG_ERROR, "ban.refused",
                                           "the database does not take a ban: it ends"};

/* --- telling -----------------------------------------------------------------------------------
 */

static const char *target(const struct ban *b, char text[TARGET_TEXT])
{
    if (b->kind == BAN_NET)
        return ban_net_text(b, text);
    (void)snprintf(text, TARGET_TEXT, "#%lld", (long long)b->account);
    return text;
}

static bool is_local(int64_t id)
{
    return id >= BAN_LOCAL_MIN;
}

/* Who did what; the texts in details are from lists whose values hold no control characters. */
static void record(struct ban_desk *d, struct now now, const struct ban *b, struct span by,
                   const struct log_row *row, uint16_t subtype)
{
    char to[TARGET_TEXT], details[DETAILS_TEXT], id[32] = "";
    if (!is_local(b->id))
        (void)snprintf(id, sizeof id, "id=%lld ", (long long)b->id);
    (void)snprintf(details, sizeof details, "%sgame=%.*s expires=%lld evidence=%.*s reason=%.*s",
                   id, (int)b->game.n, (const char *)b->game.p, (long long)b->expires,
                   (int)b->evidence.n, (const char *)b->evidence.p, (int)b->reason.n,
                   (const char *)b->reason.p);
    struct audit_record r = {
        .type = AUDIT_SECURITY,
        .subtype = subtype,
        .game = b->game.n && b->game.n <= AUDIT_GAME ? b->game : SPAN_LIT("server"),
        .account = by,
        .target = span_str(target(b, to)),
        .details = span_str(details),
    };
    audit_log_add(d->cfg.audit, now, &r);
    LOG(d->cfg.log, row, LF_STR("target", to), LF_SPAN("game", b->game), LF_SPAN("by", by),
        LF_INT("expires", b->expires), LF_SPAN("reason", b->reason));
}

static struct span by_of(const struct change *c)
{
    return span_of(c->by, c->by_n);
}

static void tell(ban_desk_fn *fn, void *ctx, struct now now, int rc, int64_t id)
{
    ban_desk_fn f = *fn;
    *fn = NULL;
    if (f)
        f(ctx, now, rc, id);
}

static void tell_others(struct ban_desk *d, struct now now, enum cluster_kind kind, int64_t id)
{
    cluster_tell(d->cfg.cluster, now, &(struct cluster_message){.kind = kind, .id = id});
}

/* --- their life --------------------------------------------------------------------------------
 */

/* It may have expired or been read away meanwhile. */
static void forget(struct bans *b, int64_t id)
{
    if (bans_remove(b, id))
        return;
}

static struct change *change_new(struct ban_desk *d, const struct ban *b, enum change_step step)
{
    struct ref self;
    struct change *c = slots_add(&d->changes, &self);
    if (!c)
        return NULL;
    c->self = self;
    c->step = (uint8_t)step;
    ban_copy_set(&c->copy, b);
    list_push_back(&d->order, &c->node);
    return c;
}

static void change_drop(struct ban_desk *d, struct change *c)
{
    list_remove(&c->node);
    slots_del(&d->changes, c->self);
}

/* Done, before anybody is told, because he may lift the ban at once. */
static void settle(struct change *c, bool gone)
{
    c->step = SETTLED;
    c->gone = gone;
}

/* A list that is being read may not know yet. */
static void settled(struct ban_desk *d, struct change *c)
{
    if (!d->next)
        change_drop(d, c);
}

/* It never was in the store: no word of it. */
static void end_add(struct ban_desk *d, struct change *c, struct now now, int rc)
{
    settle(c, true);
    tell(&c->fn, c->ctx, now, rc, 0);
    tell(&c->lift_fn, c->lift_ctx, now, 0, 0);
    settled(d, c);
}

static uint64_t req_of(const struct change *c)
{
    return (uint64_t)c->self.gen << 32 | c->self.slot;
}

static int ask_add(struct ban_desk *d, struct change *c)
{
    const struct ban *b = &c->copy.ban;
    bool net = b->kind == BAN_NET;
    char ip[33];
    for (size_t i = 0; i < 16; i++)
        (void)snprintf(ip + 2 * i, 3, "%02x", b->ip[i]);
    struct value v[] = {
        VALUE_OF_INT(net ? 1 : 0),
        net ? VALUE_NOTHING : VALUE_OF_INT(b->account),
        net ? VALUE_OF_TEXT(span_of(ip, 32)) : VALUE_NOTHING,
        VALUE_OF_INT(net ? b->bits : 0),
        VALUE_OF_TEXT(b->game),
        VALUE_OF_TEXT(b->reason),
        VALUE_OF_TEXT(b->author),
        VALUE_OF_TEXT(b->evidence),
        VALUE_OF_INT(b->created),
        VALUE_OF_INT(b->expires),
    };
    int rc = ban_desk_ask(d, QUERY_BAN_ADD, v, ARRAY_LEN(v), req_of(c));
    if (rc == 0) {
        c->step = ADD_OUT;
        c->sent = true;
    }
    return rc;
}

static int ask_remove(struct ban_desk *d, struct change *c)
{
    struct value id = VALUE_OF_INT(c->copy.ban.id);
    int rc = ban_desk_ask(d, QUERY_BAN_REMOVE, &id, 1, req_of(c));
    if (rc == 0)
        c->step = REMOVE_OUT;
    return rc;
}

static void wait(struct ban_desk *d, struct change *c, struct now now, enum change_step step)
{
    c->step = (uint8_t)step;
    c->due = now.mono + ban_desk_back_off(c->tries++);
    ban_desk_wake(d, c->due);
}

/* The store has it, under this id. */
/* A ban that live sessions have yet to be held against goes on under its new number: the store may
 * answer before the loop has come to that. */
static void rename_fresh(struct ban_desk *d, int64_t from, int64_t to)
{
    for (size_t at = 0; at < d->fresh.n; at += sizeof from)
        if (memcmp(d->fresh.p + at, &from, sizeof from) == 0)
            memcpy(d->fresh.p + at, &to, sizeof to);
}

static void stored(struct ban_desk *d, struct change *c, struct now now, int64_t id)
{
    int64_t local = c->copy.ban.id;
    c->copy.ban.id = id;
    if (c->lifted) {
        tell(&c->fn, c->ctx, now, 0, id);
        c->tries = 0;
        if (ask_remove(d, c))
            wait(d, c, now, REMOVE_WAITING);
        return;
    }
    int rc = bans_add(d->bans, &c->copy.ban);
    if (rc == 0 || rc == E_EXISTS) {
        rename_fresh(d, local, id);
        forget(d->bans, local); /* it may have expired meanwhile */
    } else {
        ban_desk_reload(d, now); /* until then it is in force under the other id */
    }
    settle(c, false);
    tell_others(d, now, CLUSTER_BAN_ADDED, id);
    tell(&c->fn, c->ctx, now, 0, id);
    settled(d, c);
}

static bool may_be_done(int rc)
{
    return rc == E_STORE || rc == E_BUSY || rc == E_NOMEM || rc == E_TIMEOUT || rc == E_IO;
}

static void add_answer(struct ban_desk *d, struct change *c, struct now now, const struct answer *a)
{
    struct value v[QUERY_VALUES];
    size_t at = 0;
    if (a->rc == 0 && query_next(a->u.rows, &at, v) == 1) {
        stored(d, c, now, query_int(&v[0]));
    } else if (a->rc == 0 || may_be_done(a->rc)) {
        c->step = ADD_UNSURE;
        c->since = d->reloads;
        if (c->fn)
            LOG(d->cfg.log, &log_unsaved, LF_STR("error", err_name(a->rc)));
        ban_desk_reload(d, now);
        tell(&c->fn, c->ctx, now, PLANTED(BAN_REPORTED_ON_FAILURE) ? 0 : E_STORE, 0);
    } else {
        LOG(d->cfg.log, &log_refused, LF_STR("error", err_name(a->rc)));
        forget(d->bans, c->copy.ban.id);
        end_add(d, c, now, a->rc);
    }
}

static void remove_answer(struct ban_desk *d, struct change *c, struct now now, int rc)
{
    int64_t id = c->copy.ban.id;
    if (rc == 0 || rc == E_NOENT) {
        if (!PLANTED(LIFTED_BAN_KEPT))
            forget(d->bans, id);
        if (rc == 0 && !c->lifted)
            record(d, now, &c->copy.ban, by_of(c), &log_removed, AUDIT_SUB_BAN_REMOVED);
        settle(c, true);
        tell_others(d, now, CLUSTER_BAN_REMOVED, id);
        tell(&c->lift_fn, c->lift_ctx, now, c->lifted ? 0 : rc, id);
        settled(d, c);
        return;
    }
    if (c->lifted) {
        wait(d, c, now, REMOVE_WAITING);
        tell(&c->lift_fn, c->lift_ctx, now, E_STORE, id);
        return;
    }
    c->step = SETTLED;
    tell(&c->lift_fn, c->lift_ctx, now, E_STORE, id);
    change_drop(d, c);
}

void change_answer(struct ban_desk *d, struct change *c, struct now now, const struct answer *a)
{
    CHECK(c->step == ADD_OUT || c->step == REMOVE_OUT);
    if (c->step == ADD_OUT)
        add_answer(d, c, now, a);
    else
        remove_answer(d, c, now, a->rc);
}

/* --- time and the list that was read -----------------------------------------------------------
 */

static void add_again(struct ban_desk *d, struct change *c, struct now now)
{
    int64_t expires = c->copy.ban.expires;
    if ((c->lifted && !c->sent) || (expires && expires <= now.unix_ms)) {
        end_add(d, c, now, E_STORE);
    } else if (ask_add(d, c)) {
        wait(d, c, now, ADD_WAITING);
        tell(&c->fn, c->ctx, now, E_STORE, 0);
    }
}

nsec changes_time(struct ban_desk *d, struct now now)
{
    nsec first = NSEC_NEVER;
    LIST_EACH_SAFE (n, tmp, &d->order) {
        struct change *c = CONTAINER_OF(n, struct change, node);
        if (c->step != ADD_WAITING && c->step != REMOVE_WAITING)
            continue;
        if (c->due > now.mono)
            first = c->due < first ? c->due : first;
        else if (c->step == ADD_WAITING)
            add_again(d, c, now);
        else if (ask_remove(d, c))
            wait(d, c, now, REMOVE_WAITING);
    }
    return first;
}

int changes_carry(struct ban_desk *d, struct bans *next)
{
    LIST_EACH (n, &d->order) {
        const struct change *c = CONTAINER_OF(n, struct change, node);
        const struct ban *b = &c->copy.ban;
        bool in = c->step == SETTLED ? !c->gone : !c->lifted && c->step != REMOVE_OUT;
        int rc = 0;
        if (in && !PLANTED(BAN_LOST_BY_RELOAD))
            rc = bans_add(next, b);
        else if (c->lifted || c->step == SETTLED)
            forget(next, b->id);
        if (rc && rc != E_EXISTS)
            return rc;
    }
    return 0;
}

static bool is_twin(const struct ban *a, const struct ban *b)
{
    return a->kind == b->kind && a->created == b->created && a->expires == b->expires &&
           (a->kind == BAN_ACCOUNT ? a->account == b->account
                                   : a->bits == b->bits && memcmp(a->ip, b->ip, 16) == 0) &&
           span_eq(a->game, b->game) && span_eq(a->author, b->author) &&
           span_eq(a->reason, b->reason) && span_eq(a->evidence, b->evidence);
}

/* The same ban as the store has it; 0: it has none. */
static int64_t find_twin(struct ban_desk *d, const struct ban *like)
{
    const struct ban *b = NULL;
    while ((b = bans_next(d->bans, b)))
        if (b->created == like->created && !is_local(b->id) && is_twin(b, like))
            return b->id;
    return 0;
}

void changes_settle(struct ban_desk *d, struct now now)
{
    LIST_EACH_SAFE (n, tmp, &d->order) {
        struct change *c = CONTAINER_OF(n, struct change, node);
        if (c->step == SETTLED) {
            change_drop(d, c);
            continue;
        }
        if (c->step != ADD_UNSURE)
            continue;
        if (c->since == d->reloads) { /* that list was begun before it failed */
            ban_desk_reload(d, now);
            continue;
        }
        int64_t id = find_twin(d, &c->copy.ban);
        if (id)
            stored(d, c, now, id);
        else if (c->lifted) {
            c->sent = false;
            add_again(d, c, now);
        } else {
            wait(d, c, now, ADD_WAITING);
        }
    }
}

/* --- the interface -----------------------------------------------------------------------------
 */

static int refuse(struct buf *why, const char *field, const char *wrong)
{
    if (why)
        (void)buf_printf(why, "'%s' %s", field, wrong);
    return E_RANGE;
}

int ban_desk_add(struct ban_desk *d, struct now now, const struct ban *raw, bool force,
                 ban_desk_fn fn, void *ctx, struct buf *why)
{
    struct ban b = *raw;
    const char *field;
    b.id = d->next_local;
    b.created = now.unix_ms;
    const char *wrong = ban_wrong(&b, force, &field);
    if (wrong)
        return refuse(why, field, wrong);
    if (d->changes.live == d->changes.max)
        return E_FULL;
    struct change *c = change_new(d, &b, ADD_WAITING);
    if (!c)
        return E_NOMEM;
    int rc = buf_append(&d->fresh, &b.id, sizeof b.id);
    if (rc == 0 && (rc = bans_add(d->bans, &b)) != 0)
        d->fresh.n -= sizeof b.id;
    if (rc) {
        d->fresh.failed = false;
        change_drop(d, c);
        return rc == E_FULL || rc == E_LIMIT ? E_FULL : E_NOMEM;
    }
    d->next_local--;
    c->fn = fn;
    c->ctx = ctx;
    c->due = now.mono; /* should the store refuse it now */
    (void)ask_add(d, c);
    record(d, now, &b, b.author, &log_added, AUDIT_SUB_BAN_ADDED);
    ban_desk_count(d);
    ban_desk_wake(d, now.mono);
    return 0;
}

int ban_desk_add_own(struct ban_desk *d, struct now now, const struct ban *b, struct buf *why)
{
    if (bans_live(d->bans) >= BANS_MAX - BAN_DESK_KEPT ||
        d->changes.live >= BAN_DESK_CHANGES_MAX - BAN_DESK_CHANGES_MAX / 4)
        return E_FULL;
    return ban_desk_add(d, now, b, false, NULL, NULL, why);
}

static struct change *find_change(struct ban_desk *d, int64_t id)
{
    LIST_EACH (n, &d->order) {
        struct change *c = CONTAINER_OF(n, struct change, node);
        if (c->copy.ban.id == id && c->step != SETTLED)
            return c;
    }
    return NULL;
}

static void set_lift(struct change *c, struct span by, ban_desk_fn fn, void *ctx)
{
    memcpy(c->by, by.p, by.n);
    c->by_n = (uint8_t)by.n;
    c->lift_fn = fn;
    c->lift_ctx = ctx;
}

int ban_desk_remove(struct ban_desk *d, struct now now, int64_t id, struct span by, ban_desk_fn fn,
                    void *ctx)
{
    if (by.n == 0 || by.n > BAN_AUTHOR_MAX)
        return E_RANGE;
    const struct ban *b = bans_get(d->bans, id);
    if (!b)
        return E_NOENT;
    struct change *c = find_change(d, id);
    if (c && c->step != REMOVE_OUT) { /* the store has not said yet that it has it */
        c->lifted = true;
        set_lift(c, by, fn, ctx);
        if (c->step == ADD_WAITING)
            c->due = now.mono;
        forget(d->bans, id);
        record(d, now, &c->copy.ban, by, &log_removed, AUDIT_SUB_BAN_REMOVED);
    } else {
        c = c ? NULL : change_new(d, b, REMOVE_WAITING);
        if (!c)
            return E_BUSY;
        set_lift(c, by, fn, ctx);
        if (ask_remove(d, c)) {
            change_drop(d, c);
            return E_BUSY;
        }
    }
    ban_desk_count(d);
    ban_desk_wake(d, now.mono);
    return 0;
}
