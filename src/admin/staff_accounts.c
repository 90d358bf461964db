/* Moderation commands that are about accounts, bans and the server itself. */
#include "admin/staff_priv.h"
#include "base/err.h"

#include <stdio.h>

#define DAY_MS       (INT64_C(86400) * 1000)
#define MINUTE_MS    INT64_C(60000)
#define SHUTDOWN_MAX INT64_C(86400)
/* Of all players together: each goes through the whole audit log. */
#define EXPORTS_PER_MINUTE 12u
#define SHUT_LAST          30u /* seconds before the end in which nobody signs in */

/* ---- asking the desk ---- */

static void on_desk(void *ctx, struct now now, const struct desk_result *r)
{
    struct staff_job *j = ctx;
    if (r->account)
        staff_about_account(j, r->account);
    if (r->rc)
        staff_print(j, r->mend ? "It cannot be done: %s (%s)." : "It cannot be done: %s.", r->why,
                    r->mend);
    else
        staff_print(j, "%s", j->done);
    staff_finish(j, now);
}

static int ask(struct staff_job *j, struct desk_request *r, desk_fn fn)
{
    r->by = j->by;
    if (r->name.n)
        staff_about(j, r->name);
    int rc = account_desk_ask(j->staff->cfg.desk, j->now, r, fn, j);
    if (rc == 0)
        return JOB_WAITS;
    staff_print(j, "The server is too busy. Try again.");
    return JOB_DONE;
}

int staff_desk(struct staff_job *j, struct desk_request *r, const char *done)
{
    j->done = done;
    return ask(j, r, on_desk);
}

/* An account by the name of a player who is online, else by its own. */
static void whose(struct staff_job *j, struct span who, struct desk_request *r)
{
    size_t said = j->out.n;
    if (staff_online(j, who, true, &j->target) && j->target.account != 0)
        r->id = j->target.account;
    else
        r->name = who;
    j->out.n = said;
}

/* ---- /ban ---- */

static void on_banned(void *ctx, struct now now, int rc, int64_t id)
{
    struct staff_job *j = ctx;
    j->failed = j->failed || rc;
    if (rc == 0)
        staff_print(j, "Banned (ban %lld).", (long long)id);
    else
        staff_print(j, "Banned here, but not known to be in the database.");
    if (--j->pending == 0)
        staff_finish(j, now);
}

static void add_ban(struct staff_job *j, struct ban *b)
{
    struct buf why;
    buf_init(&why, 512);
    b->author = j->by.name;
    b->created = j->now.unix_ms;
    b->reason = staff_rest(j, 3);
    j->pending++;
    int rc = j->staff->cfg.bans
                 ? ban_desk_add(j->staff->cfg.bans, j->now, b, false, on_banned, j, &why)
                 : E_SUPPORT;
    if (rc) {
        j->pending--;
        staff_print(j, "Not banned: %.*s.", why.n ? (int)why.n : (int)strlen(err_text(rc)),
                    why.n ? (const char *)why.p : err_text(rc));
    }
    buf_fini(&why);
}

/* pending is held meanwhile, so that answers that come at once end nothing. */
static void add_bans(struct staff_job *j, struct now now, int64_t account, const struct addr *addr)
{
    j->now = now;
    j->pending = 1;
    if (account) {
        struct ban b = {.kind = BAN_ACCOUNT, .account = account};
        add_ban(j, &b);
    }
    if (addr) {
        struct ban b = {.kind = BAN_NET, .bits = 128};
        memcpy(b.ip, addr->ip, sizeof b.ip);
        add_ban(j, &b);
    }
    if (--j->pending == 0)
        staff_finish(j, now);
}

static void on_ban_account(void *ctx, struct now now, const struct desk_result *r)
{
    struct staff_job *j = ctx;
    if (r->rc)
        staff_print(j, "It cannot be done: %s.", r->why);
    else if (r->account == j->by.account)
        staff_print(j, "Not on yourself.");
    else if (!account_desk_outranks(j->by.level, r->level))
        staff_print(j, "The account's level is not below yours.");
    else {
        staff_about_account(j, r->account);
        add_bans(j, now, r->account, NULL);
        return;
    }
    staff_finish(j, now);
}

struct neighbours {
    const struct staff_job *j;
    const struct addr *peer;
    bool above;
};

static bool look_next_door(void *ctx, const struct player_view *p)
{
    struct neighbours *n = ctx;
    n->above = p->account != 0 && p->account != n->j->by.account &&
               memcmp(p->peer.ip, n->peer->ip, sizeof p->peer.ip) == 0 &&
               !account_desk_outranks(n->j->by.level, p->level);
    return !n->above;
}

/* A ban of an address ends whatever comes from there: nobody is to reach those above him by it. */
static bool hits_above(const struct staff_job *j, const struct addr *peer)
{
    const struct staff_games *g = j->staff->cfg.games;
    struct neighbours n = {.j = j, .peer = peer};
    for (size_t i = 0; i < g->count(g->ctx) && !n.above; i++)
        g->players(g->ctx, i, look_next_door, &n);
    return n.above;
}

int run_ban(struct staff_job *j)
{
    struct span kind = staff_arg(j, 1), who = staff_arg(j, 2);
    bool both = staff_same(kind, "both"), ip = both || staff_same(kind, "ip");
    bool account = both || staff_same(kind, "account");
    if ((!ip && !account) || j->words.n < 3)
        return staff_usage(j);
    bool online = staff_online(j, who, !ip, &j->target);
    if (!online && ip)
        return JOB_DONE;
    if (!online && j->out.n == 0) {
        struct desk_request r = {.op = DESK_SHOW, .name = who};
        return ask(j, &r, on_ban_account);
    }
    if (!online || !staff_may_act(j, &j->target, false))
        return JOB_DONE;
    if (account && j->target.account == 0) {
        staff_print(j, "The player is not signed in.");
        return JOB_DONE;
    }
    if (ip && j->by.address.n) {
        char host[ADDR_TEXT_MAX];
        (void)addr_host_text(&j->target.peer, host);
        if (span_eq(j->by.address, span_str(host))) {
            staff_print(j, "Not on yourself: you come from the same address.");
            return JOB_DONE;
        }
    }
    if (ip && hits_above(j, &j->target.peer)) {
        staff_print(j, "Somebody whose level is not below yours plays from the same address.");
        return JOB_DONE;
    }
    add_bans(j, j->now, account ? j->target.account : 0, ip ? &j->target.peer : NULL);
    return JOB_WAITS;
}

/* ---- /plvl ---- */

static int grant(struct staff_job *j, bool on)
{
    struct span word = staff_arg(j, 2);
    struct desk_request r = {.op = on ? DESK_GRANT : DESK_REVOKE, .text = staff_word(word)};
    if (j->words.n != 4)
        return staff_usage(j);
    if (!r.text.n) {
        staff_print(j, "There is no such command to grant.");
        return JOB_DONE;
    }
    whose(j, staff_arg(j, 3), &r);
    return staff_desk(j, &r, on ? "Granted." : "Taken back.");
}

int run_plvl(struct staff_job *j)
{
    struct span what = staff_arg(j, 1);
    struct desk_request r = {.op = DESK_SET_LEVEL};
    if (staff_same(what, "single") || staff_same(what, "singleaccount"))
        return grant(j, true);
    if (staff_same(what, "remove") || staff_same(what, "removeaccount"))
        return grant(j, false);
    bool confirmed = j->words.n == 4 && staff_same(staff_arg(j, 3), "confirm");
    if (j->words.n != 3 && !confirmed)
        return staff_usage(j);
    if (!staff_number(j, 1, LEVEL_PLAYER, LEVEL_ADMIN, &r.number))
        return JOB_DONE;
    whose(j, staff_arg(j, 2), &r);
    bool own = r.id ? r.id == j->by.account : j->by.account && span_eq(r.name, j->by.name);
    if (own && r.number < j->by.level && !confirmed) {
        staff_print(j, "This lowers your own level. Say it with confirm behind it.");
        return JOB_DONE;
    }
    return staff_desk(j, &r, "The level is set.");
}

/* ---- /account ---- */

static void on_status(void *ctx, struct now now, const struct desk_result *r)
{
    struct staff_job *j = ctx;
    if (r->rc)
        staff_print(j, "It cannot be done: %s.", r->why);
    else
        staff_print(j, "%.*s", (int)r->json.n, (const char *)r->json.p);
    staff_finish(j, now);
}

static int status(struct staff_job *j)
{
    struct span how = staff_arg(j, 3);
    struct desk_request r = {.op = DESK_SHOW, .name = staff_arg(j, 2)};
    if (j->words.n == 3)
        return ask(j, &r, on_status);
    r.op = DESK_SET_SUSPENDED;
    r.on = staff_same(how, "suspend");
    if (!r.on && !staff_same(how, "restore"))
        return staff_usage(j);
    return staff_desk(j, &r, r.on ? "Suspended." : "Restored.");
}

static void on_lifted(void *ctx, struct now now, int rc, int64_t id)
{
    struct staff_job *j = ctx;
    (void)id;
    staff_print(j, rc ? "A ban is not known to be gone from the database." : "A ban is lifted.");
    if (--j->pending == 0)
        staff_finish(j, now);
}

/* Those of the account, not those of its addresses. */
static void on_unban(void *ctx, struct now now, const struct desk_result *r)
{
    struct staff_job *j = ctx;
    struct ban_desk *desk = j->staff->cfg.bans;
    const struct ban *b;
    j->pending = 1;
    if (r->rc)
        staff_print(j, "It cannot be done: %s.", r->why);
    else
        staff_about_account(j, r->account);
    for (unsigned n = 0; r->rc == 0 && desk && n < TARGETS_MAX; n++) {
        for (b = bans_next(ban_desk_list(desk), NULL); b; b = bans_next(ban_desk_list(desk), b))
            if (b->kind == BAN_ACCOUNT && b->account == r->account)
                break;
        j->pending++;
        if (!b || ban_desk_remove(desk, now, b->id, j->by.name, on_lifted, j)) {
            j->pending--;
            break;
        }
    }
    if (--j->pending)
        return;
    if (j->out.n == 0)
        staff_print(j, "The account is not banned.");
    staff_finish(j, now);
}

int run_account(struct staff_job *j)
{
    struct span what = staff_arg(j, 1);
    struct desk_request r = {.name = staff_arg(j, 2), .password = staff_arg(j, 3)};
    size_t n = j->words.n;
    if (staff_same(what, "create") && n == 4) {
        r.op = DESK_CREATE;
        return staff_desk(j, &r, "Account created.");
    }
    if (staff_same(what, "changepassword") && n == 4) {
        r.op = DESK_SET_PASSWORD;
        return staff_desk(j, &r, "Password changed.");
    }
    if (staff_same(what, "delete") && n == 3) {
        r.op = DESK_DELETE;
        return staff_desk(j, &r, "Account deleted.");
    }
    if (staff_same(what, "status") && (n == 3 || n == 4))
        return status(j);
    if (staff_same(what, "unban") && n == 3) {
        r.op = DESK_SHOW;
        return ask(j, &r, on_unban);
    }
    if (staff_same(what, "accountname") && n == 3) {
        if (staff_online(j, staff_arg(j, 2), false, &j->target))
            staff_print(j, "Account #%lld.", (long long)j->target.account);
        return JOB_DONE;
    }
    if (staff_same(what, "deletecharacter") || staff_same(what, "movecharacter")) {
        staff_print(j, "There are no characters here.");
        return JOB_DONE;
    }
    return staff_usage(j);
}

/* ---- one's own account ---- */

static bool has_account(struct staff_job *j)
{
    if (j->by.account == 0)
        staff_print(j, "You have no account here: see slipgate account --help.");
    return j->by.account != 0;
}

static void on_export(void *ctx, struct now now, const struct desk_result *r)
{
    struct staff_job *j = ctx;
    if (r->rc)
        staff_print(j, "It cannot be done: %s.", r->why);
    else if (buf_append_span(&j->out, r->json)) {
        buf_clear(&j->out);
        staff_print(j, "It is too long for chat. Ask the operator: slipgate account export.");
    }
    staff_finish(j, now);
}

int run_account_export(struct staff_job *j)
{
    struct desk_request r = {
        .op = DESK_EXPORT, .own = true, .id = j->by.account, .old = staff_arg(j, 2)};
    const struct rate pace = rate_per(60 * NSEC_PER_S, EXPORTS_PER_MINUTE);
    if (j->words.n != 3)
        return staff_usage(j);
    if (!has_account(j))
        return JOB_DONE;
    if (!bucket_take(&j->staff->exports, &pace, j->now.mono)) {
        staff_print(j, "Too many players ask for this now. Please try again in a minute.");
        return JOB_DONE;
    }
    return ask(j, &r, on_export);
}

int run_account_delete_own(struct staff_job *j)
{
    struct desk_request r = {
        .op = DESK_DELETE, .own = true, .id = j->by.account, .old = staff_arg(j, 3)};
    if (j->words.n != 4)
        return staff_usage(j);
    return has_account(j) ? staff_desk(j, &r, "Your account is deleted.") : JOB_DONE;
}

int run_password(struct staff_job *j)
{
    struct desk_request r = {.op = DESK_SET_PASSWORD,
                             .own = true,
                             .id = j->by.account,
                             .old = staff_arg(j, 1),
                             .password = staff_arg(j, 2)};
    if (j->words.n != 3)
        return staff_usage(j);
    return has_account(j) ? staff_desk(j, &r, "Your password is changed. Other sessions end.")
                          : JOB_DONE;
}

/* ---- /shutdown ---- */

static void announce(struct staff *st, const char *text)
{
    const struct staff_games *g = st->cfg.games;
    struct order o = {.kind = ORDER_TELL, .text = span_str(text)};
    for (size_t i = 0; i < g->count(g->ctx); i++)
        (void)g->order(g->ctx, i, &o);
}

static void shut(struct staff *st, bool on)
{
    const struct staff_games *g = st->cfg.games;
    struct order o = {.kind = ORDER_SHUT, .on = on};
    if (st->shut == on)
        return;
    st->shut = on;
    for (size_t i = 0; i < g->count(g->ctx); i++)
        (void)g->order(g->ctx, i, &o);
}

bool staff_logins_shut(const struct staff *st)
{
    return st && st->shut;
}

/* When players are told: the seconds that are left. */
static const uint32_t told_at[] = {3600, 1800, 900, 600, 300, 120, 60, 30, 10, 5, 4, 3, 2, 1};

static void wake_next(struct staff *st, struct now now)
{
    nsec next = st->shutdown_at;
    for (size_t i = ARRAY_LEN(told_at); i-- > 0;) {
        nsec at = st->shutdown_at - told_at[i] * NSEC_PER_S;
        if (st->shutdown_at > told_at[i] * NSEC_PER_S && at > now.mono && at < next)
            next = at;
    }
    st->cfg.loop->ops->timer_set(st->countdown, next);
}

/* Whoever came in the last moments would be thrown out before he has read why. */
static void tell_left(struct staff *st, struct now now)
{
    char text[96];
    uint64_t left = (st->shutdown_at - now.mono + NSEC_PER_S / 2) / NSEC_PER_S;
    shut(st, left <= SHUT_LAST);
    (void)snprintf(text, sizeof text, "The server goes down in %llu second%s.",
                   (unsigned long long)left, left == 1 ? "" : "s");
    announce(st, text);
}

void staff_countdown(void *ctx, struct now now)
{
    struct staff *st = ctx;
    struct buf why;
    if (now.mono < st->shutdown_at) {
        tell_left(st, now);
        wake_next(st, now);
        return;
    }
    st->shutdown_at = NSEC_NEVER;
    buf_init(&why, 512);
    (void)st->cfg.life(st->cfg.ctx, now, OPERATE_STOP, &why);
    buf_fini(&why);
}

/* "HH:MM", the next time it comes: seconds from now. */
static bool time_of_day(struct span s, struct now now, int64_t *ret)
{
    if (s.n != 5 || s.p[2] != ':')
        return false;
    for (size_t i = 0; i < 5; i++)
        if (i != 2 && (s.p[i] < '0' || s.p[i] > '9'))
            return false;
    int64_t h = (s.p[0] - '0') * 10 + (s.p[1] - '0'), m = (s.p[3] - '0') * 10 + (s.p[4] - '0');
    int64_t ms = (h * 60 + m) * MINUTE_MS - now.unix_ms % DAY_MS;
    *ret = (ms <= 0 ? ms + DAY_MS : ms) / 1000;
    return h < 24 && m < 60;
}

int run_shutdown(struct staff_job *j)
{
    struct staff *st = j->staff;
    struct span what = staff_arg(j, 1);
    int64_t seconds;
    if (staff_same(what, "stop") && j->words.n == 2) {
        bool set = st->shutdown_at != NSEC_NEVER;
        st->shutdown_at = NSEC_NEVER;
        st->cfg.loop->ops->timer_set(st->countdown, NSEC_NEVER);
        shut(st, false);
        if (set)
            announce(st, "The server does not go down after all.");
        staff_print(j, set ? "The countdown is stopped." : "There is no countdown.");
        return JOB_DONE;
    }
    if (staff_same(what, "on") && j->words.n == 3) {
        if (!time_of_day(staff_arg(j, 2), j->now, &seconds))
            return staff_usage(j);
    } else if (j->words.n != 2) {
        return staff_usage(j);
    } else if (!staff_number(j, 1, 0, SHUTDOWN_MAX, &seconds)) {
        return JOB_DONE;
    }
    st->shutdown_at = j->now.mono + (nsec)seconds * NSEC_PER_S;
    if (seconds)
        tell_left(st, j->now);
    wake_next(st, j->now);
    staff_print(j, "The server goes down in %lld seconds.", (long long)seconds);
    return JOB_DONE;
}
