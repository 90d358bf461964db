/* The operator: bans, lifts, suspends, changes passwords and so on, through the desks. */
#include "sim/accounts/town.h"
#include "sim/accounts/trail.h"

#include "base/err.h"
#include "sim/desks.h"
#include "sim/plan.h"

#include <inttypes.h>
#include <stdio.h>

#define RESTORE_EVERY (300 * NSEC_PER_MS)

static uint64_t below(struct town *t, uint64_t n)
{
    return sim_below(t->sim, CHANCE_FAULTS, n);
}

/* ---- what is under way: callbacks know it by its number, as they may come late ---- */

static struct op *op_new(struct town *t, enum deed deed, struct page *p)
{
    for (uint32_t i = 0; i < TOWN_OPS; i++)
        if (!t->ops[i].serial) {
            t->ops[i] = (struct op){
                .serial = ++t->serials, .deed = deed, .page = p, .since = t->sim->now.mono};
            if (p)
                p->busy++;
            return &t->ops[i];
        }
    return NULL;
}

static void op_free(struct op *o)
{
    if (o->page)
        o->page->busy--;
    o->serial = 0;
}

static struct ticket *ticket_of(struct town *t, const struct op *o)
{
    struct ticket *k = &t->tickets[o->serial % ARRAY_LEN(t->tickets)];
    *k = (struct ticket){t, o->serial};
    return k;
}

static struct op *op_of(const struct ticket *k)
{
    for (uint32_t i = 0; i < TOWN_OPS; i++)
        if (k->town->ops[i].serial == k->serial)
            return &k->town->ops[i];
    return NULL;
}

/* ---- outcomes ---- */

static void account_done(struct town *t, struct op *o, int rc)
{
    struct page *p = o->page;
    bool sure = rc == 0, never = rc == E_REFUSED || rc == E_NOENT;
    p->changed = t->sim->now.mono;
    switch (o->deed) {
    case DEED_SUSPEND:
        p->suspended = sure ? YES : never ? o->was : MAYBE;
        p->suspended_since = p->changed;
        break;
    case DEED_UNSUSPEND: p->suspended = sure ? NO : never ? o->was : MAYBE; break;
    case DEED_PASSWORD:
        p->password_changed = p->changed;
        if (sure)
            p->other[0] = '\0';
        if (sure)
            book_tokens_end(t, p, o->since, true);
        break;
    case DEED_LOGOUT:
        if (sure)
            book_tokens_end(t, p, o->since, true);
        break;
    case DEED_LEVEL:
        p->level_sure = sure || never;
        p->level = sure ? o->level : p->level;
        break;
    case DEED_UNLOCK: /* the judge sees the ask */
    case DEED_DELETE:
    case DEED_BAN:
    case DEED_BAN_NET:
    case DEED_LIFT:
    case DEED_MARK:
    case DEEDS_N: break;
    }
}

static void on_account(void *ctx, struct now now, const struct desk_result *r)
{
    struct ticket *k = ctx;
    struct op *o = op_of(k);
    (void)now;
    if (!o)
        return;
    bool before = sim_desks_enter();
    sim_desks_leave(true);
    sim_event(k->town->sim, true, "desk", o->deed, span_of(&r->rc, sizeof r->rc));
    account_done(k->town, o, r->rc);
    op_free(o);
    sim_desks_leave(before);
}

static void on_ban(void *ctx, struct now now, int rc, int64_t id)
{
    struct ticket *k = ctx;
    struct op *o = op_of(k);
    if (!o)
        return;
    struct ban_page *b = o->ban;
    bool before = sim_desks_enter();
    sim_desks_leave(true);
    int64_t told[3] = {rc, id, b->ban.account};
    sim_event(k->town->sim, true, "ban", (uint64_t)o->deed, span_of(told, sizeof told));
    b->changed = now.mono;
    if (b->state == BAN_UNSURE) {
        op_free(o); /* it was lifted before it was stored */
        sim_desks_leave(before);
        return;
    }
    if (o->deed == DEED_LIFT)
        b->state = rc == 0 || rc == E_NOENT ? BAN_OVER : BAN_UNSURE;
    else if (rc == 0) {
        b->state = BAN_STORED;
        b->ban.id = id;
        judge_ban_stored(k->town, b);
    } else {
        b->state = rc == E_STORE ? BAN_UNSAVED : BAN_UNSURE;
    }
    op_free(o);
    sim_desks_leave(before);
}

static void on_safe(void *ctx, struct now now, int rc)
{
    struct ticket *k = ctx;
    struct op *o = op_of(k);
    (void)now;
    if (!o)
        return;
    if (rc == 0)
        k->town->marks[o->mark] = true;
    op_free(o);
}

void clerk_forget(struct town *t)
{
    for (uint32_t i = 0; i < TOWN_OPS; i++) {
        struct op *o = &t->ops[i];
        if (o->serial && o->page && o->deed != DEED_BAN && o->deed != DEED_LIFT)
            account_done(t, o, E_STORE);
        if (o->serial)
            op_free(o);
    }
}

/* ---- deeds ---- */

static void do_ban(struct town *t, struct page *p, const struct addr *net)
{
    if (t->bans_n == TOWN_BANS || !sim_bans(t->sim) || (p && (!p->id || p->gone)))
        return;
    struct op *o = op_new(t, p ? DEED_BAN : DEED_BAN_NET, p);
    if (!o)
        return;
    struct ban_page *b = &t->bans[t->bans_n++];
    struct now now = t->sim->now;
    *b = (struct ban_page){.whose = p, .state = BAN_ASKED, .process = t->process};
    b->ban = (struct ban){.kind = p ? BAN_ACCOUNT : BAN_NET,
                          .account = p ? p->id : 0,
                          .reason = SPAN_LIT("rude"),
                          .author = SPAN_LIT("clerk")};
    if (!p) {
        b->ban.bits = below(t, 4) ? 128 : 120;
        memcpy(b->ban.ip, net->ip, 16);
        if (b->ban.bits == 120)
            b->ban.ip[15] = 0;
    }
    if (below(t, 4))
        b->ban.expires = now.unix_ms + 1000 + (int64_t)below(t, 20000);
    b->since = b->changed = now.mono;
    o->ban = b;
    bool before = sim_desks_enter();
    int rc = ban_desk_add(sim_bans(t->sim), now, &b->ban, false, on_ban, ticket_of(t, o), NULL);
    sim_desks_leave(before);
    if (rc) {
        t->bans_n--;
        op_free(o);
    }
}

static void do_lift(struct town *t, struct ban_page *b)
{
    struct op *o = sim_bans(t->sim) ? op_new(t, DEED_LIFT, NULL) : NULL;
    if (!o)
        return;
    enum ban_state was = b->state;
    o->ban = b;
    b->state = BAN_LIFTING;
    b->changed = t->sim->now.mono;
    bool before = sim_desks_enter();
    int rc = ban_desk_remove(sim_bans(t->sim), t->sim->now, b->ban.id, SPAN_LIT("clerk"), on_ban,
                             ticket_of(t, o));
    sim_desks_leave(before);
    if (rc) {
        b->state = rc == E_NOENT ? BAN_UNSURE : was;
        op_free(o);
    }
}

static void asked(struct town *t, struct op *o, struct desk_request *r)
{
    struct page *p = o->page;
    p->changed = t->sim->now.mono;
    switch (o->deed) {
    case DEED_SUSPEND:
    case DEED_UNSUSPEND:
        o->was = p->suspended;
        p->suspended = MAYBE;
        r->op = DESK_SET_SUSPENDED;
        r->on = o->deed == DEED_SUSPEND;
        break;
    case DEED_PASSWORD:
        (void)snprintf(p->other, sizeof p->other, "%s", p->password);
        (void)snprintf(p->password, sizeof p->password, "secret-word-%08x",
                       (unsigned)below(t, UINT32_MAX));
        p->password_changed = p->changed;
        r->op = DESK_SET_PASSWORD;
        r->password = span_str(p->password);
        book_tokens_end(t, p, p->changed, false);
        break;
    case DEED_LOGOUT:
        r->op = DESK_LOGOUT;
        book_tokens_end(t, p, p->changed, false);
        break;
    case DEED_LEVEL:
        p->level_sure = false;
        o->level = below(t, 2) ? LEVEL_ADMIN : LEVEL_PLAYER;
        r->op = DESK_SET_LEVEL;
        r->number = o->level;
        break;
    case DEED_UNLOCK: r->op = DESK_UNLOCK; break;
    case DEED_DELETE:
        p->gone = true;
        r->op = DESK_DELETE;
        break;
    case DEED_BAN:
    case DEED_BAN_NET:
    case DEED_LIFT:
    case DEED_MARK:
    case DEEDS_N: break;
    }
}

static void do_account(struct town *t, enum deed deed, struct page *p)
{
    struct account_desk *desk = sim_account_desk(t->sim);
    if (!desk || p->busy || !p->id || p->gone || (deed == DEED_PASSWORD && p->other[0]))
        return;
    struct op *o = op_new(t, deed, p);
    if (!o)
        return;
    struct desk_request r = {.name = span_str(p->name),
                             .by = {.level = LEVEL_ADMIN, .name = SPAN_LIT("clerk")}};
    asked(t, o, &r);
    bool before = sim_desks_enter();
    int rc = account_desk_ask(desk, t->sim->now, &r, on_account, ticket_of(t, o));
    sim_desks_leave(before);
    if (rc) {
        account_done(t, o, E_STORE);
        op_free(o);
    }
}

/* A record of his own, and word when it is safe. */
static void do_mark(struct town *t)
{
    char details[32];
    struct audit_log *log = sim_audit(t->sim);
    struct op *o = log && t->marks_n < TOWN_MARKS ? op_new(t, DEED_MARK, NULL) : NULL;
    if (!o)
        return;
    o->mark = t->marks_n++;
    (void)snprintf(details, sizeof details, MARK "%" PRIu32, o->mark);
    struct audit_record r = {.type = AUDIT_SECURITY,
                             .game = SPAN_LIT("server"),
                             .account = SPAN_LIT("clerk"),
                             .details = span_str(details)};
    bool before = sim_desks_enter();
    audit_log_add(log, t->sim->now, &r);
    audit_log_sync(log, t->sim->now, on_safe, ticket_of(t, o));
    sim_desks_leave(before);
}

static struct page *any_page(struct town *t)
{
    return &t->pages[below(t, t->pages_n)];
}

static void lift_any(struct town *t)
{
    for (int i = 0; t->bans_n && i < 6; i++) {
        struct ban_page *b = &t->bans[below(t, t->bans_n)];
        if (b->state == BAN_STORED && book_in_force(t, b) == YES) {
            do_lift(t, b); /* of one that is over the id may be another's by now */
            return;
        }
    }
}

static const struct resident_link *any_link(struct town *t)
{
    const struct resident_link *l = t->links_n ? &t->links[below(t, t->links_n)] : NULL;
    return l && l->used ? l : NULL;
}

static void act(struct town *t)
{
    const struct resident_link *l = any_link(t);
    switch (below(t, 22)) {
    case 0:
    case 1:
    case 2:
    case 3: do_ban(t, l && l->as && below(t, 2) ? l->as : any_page(t), NULL); break;
    case 4:
    case 5:
        if (l)
            do_ban(t, NULL, &l->peer);
        break;
    case 6:
    case 7:
    case 8:
    case 9: lift_any(t); break;
    case 10:
    case 11:
    case 12: do_account(t, DEED_SUSPEND, any_page(t)); break;
    case 13:
    case 14:
    case 15: {
        struct page *p = any_page(t);
        do_account(t, p->suspended != NO ? DEED_UNSUSPEND : DEED_UNLOCK, p);
        break;
    }
    case 16: do_account(t, DEED_PASSWORD, any_page(t)); break;
    case 17: do_account(t, DEED_LOGOUT, any_page(t)); break;
    case 18: do_account(t, DEED_LEVEL, any_page(t)); break;
    case 19:
        if (below(t, 3) == 0 && t->pages_n > t->players_n) /* visitors alone */
            do_account(t, DEED_DELETE,
                       &t->pages[t->players_n + below(t, t->pages_n - t->players_n)]);
        break;
    default: do_mark(t);
    }
}

/* ---- the calm: whoever lives here may come in again ---- */

static bool lift_all(struct town *t)
{
    int64_t ids[64];
    size_t n = 0;
    const struct ban *b = NULL;
    for (uint32_t i = 0; i < t->bans_n; i++)
        if (t->bans[i].state == BAN_ASKED || t->bans[i].state == BAN_UNSAVED)
            t->bans[i].state = BAN_UNSURE;
    while (n < ARRAY_LEN(ids) && (b = bans_next(ban_desk_list(sim_bans(t->sim)), b)))
        ids[n++] = b->id;
    for (size_t i = 0; i < n; i++) {
        struct ban_page *page = NULL;
        for (uint32_t k = 0; k < t->bans_n; k++)
            if (t->bans[k].ban.id == ids[i] && t->bans[k].state != BAN_OVER)
                page = &t->bans[k];
        if (page && page->state == BAN_LIFTING)
            continue;
        if (page && page->state == BAN_STORED) {
            do_lift(t, page);
            continue;
        }
        bool before = sim_desks_enter();
        int rc =
            ban_desk_remove(sim_bans(t->sim), t->sim->now, ids[i], SPAN_LIT("clerk"), NULL, NULL);
        sim_desks_leave(before);
        sim_event(t->sim, false, "amnesty", i, span_of(&rc, sizeof rc));
    }
    return n == 0;
}

static bool restore(struct town *t)
{
    if (!sim_bans(t->sim) || !ban_desk_ready(sim_bans(t->sim)))
        return false;
    bool done = lift_all(t);
    for (uint32_t i = 0; i < t->players_n; i++) {
        struct page *p = &t->pages[i];
        if (!p->id)
            continue;
        done &= p->suspended == NO && p->locked == NO && !p->busy;
        if (p->suspended != NO)
            do_account(t, DEED_UNSUSPEND, p);
        else if (p->locked != NO)
            do_account(t, DEED_UNLOCK, p);
    }
    return done;
}

static void on_timer(struct sim *s, struct sim_timer *timer)
{
    struct town *t = town_of(s);
    if (s->phase == PHASE_CALM) {
        t->restored = restore(t);
        sim_after(s, timer, RESTORE_EVERY);
        return;
    }
    if (s->phase != PHASE_STORM)
        return;
    double strength = sim_strength(s, FAULT_OPERATOR);
    if (strength > 0 && sim_bans(s)) {
        sim_fired(s, FAULT_OPERATOR);
        act(t);
    } else if (sim_bans(s)) {
        do_mark(t);
    }
    sim_after(s, timer, (50 + below(t, 1500)) * NSEC_PER_MS);
}

void clerk_open(struct town *t)
{
    t->clerk.fire = on_timer;
    sim_after(t->sim, &t->clerk, NSEC_PER_S);
}

void clerk_calm(struct town *t)
{
    sim_at(t->sim, &t->clerk, t->sim->now.mono);
}

void clerk_close(struct town *t)
{
    sim_stop(t->sim, &t->clerk);
}
