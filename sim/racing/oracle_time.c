/* What has to happen by a certain time: silent links end, those that speak do not, nothing waits
 * for ever, and a server that goes down is empty when it said it would be. And whether what the
 * service counts is what there is. */
#include "sim/racing/oracle_model.h"

#include "games/racing/tables.h"
#include "sim/node.h"

#define SWEEP (2 * NSEC_PER_S) /* idle links are looked for once a second */
#define LOGIN_MAX \
    (60 * NSEC_PER_S)    /* without an ask: delays of guessers, and turns of an address */
#define SAID_MAX 270000u /* the longest of all replies: a list of 1,000 rooms */
#define STUCK    (30 * NSEC_PER_S)

/* ---- endings ---- */

/* Part of a line that a reload has made too long is looked at when more of it comes. */
static bool is_waiting(struct racing_oracle *o, struct o_link *l)
{
    const struct o_command *c = o_next_replied(o, l);
    return c && c->kind != O_TOO_LONG;
}

static void idle_judge(struct racing_oracle *o, struct o_link *l)
{
    nsec silent = o_now(o) - l->touched;
    if (l->login.on)
        sim_find(o->sim, "idle", "session %.8s waited for its login and was ended as idle", l->id);
    else if (silent <= o->set.idle && !l->unsure)
        sim_find(o->sim, "idle", "session %.8s was heard %llu ms ago and was ended as idle", l->id,
                 (unsigned long long)(silent / NSEC_PER_MS));
    else if (!l->unsure && o_now(o) - l->progress > SWEEP && !sim_node_unsent(o->sim, l->no) &&
             is_waiting(o, l))
        o_suspect(o, "replies", "session %.8s was ended as idle and its requests were waiting",
                  l->id);
}

/* Everybody hears why, in the second before the host cuts what is left. */
static bool may_end_untold(const struct racing_oracle *o, const struct o_link *l, bool by_service)
{
    if (l->bye_said || !l->welcomed)
        return true;
    return !by_service && o->draining && o_now(o) >= o->drain_at &&
           l->opened_at + SWEEP > o->drain_at;
}

void o_closing_judge(struct racing_oracle *o, struct o_link *l, enum close_why why, bool by_service)
{
    if (why == CLOSE_IDLE)
        idle_judge(o, l);
    else if ((why == CLOSE_KICK || why == CLOSE_DRAIN) && !may_end_untold(o, l, by_service))
        o_suspect(o, "drain", "session %.8s was ended and not told why", l->id);
    else if (why == CLOSE_BYE && !l->ending)
        o_suspect(o, "replies", "session %.8s was ended and did not say goodbye", l->id);
    else if (why == CLOSE_PROTOCOL && by_service && !l->ending)
        o_suspect(o, "replies", "session %.8s was ended for a line that was not too long", l->id);
    else if (why == CLOSE_SLOW && by_service &&
             sim_node_unsent(o->sim, l->no) + SAID_MAX < RACING_OUT_MAX)
        o_suspect(o, "resources", "session %.8s was ended as a slow reader", l->id);
    else if (why == CLOSE_ERROR)
        o_suspect(o, "resources", "session %.8s was ended by an error and there was none", l->id);
}

/* ---- going down ---- */

void o_drain_begin(struct racing_oracle *o, nsec deadline)
{
    bool first = !o->draining;
    o->draining = true;
    o->drain_at = deadline;
    o->drain_deadline = deadline > NSEC_PER_S ? deadline - NSEC_PER_S : 0;
    for (uint32_t i = 0; i < o->links_n; i++) {
        struct o_link *l = o_link(o, i);
        if (!l || l->mute || !l->welcomed)
            continue;
        const struct o_room *r = o_room_of(o, l);
        if (r && r->active && o_now(o) < o->drain_deadline) {
            if (first)
                o_expect(o, i, EV_CLOSING, NOBODY);
        } else {
            o_expect(o, i, EV_BYE_ADMIN, NOBODY);
            o_must_end(o, l, ENDING_DUE);
        }
    }
}

static void drain_judge(struct racing_oracle *o, const struct o_link *l)
{
    const struct o_room *r = o_room_of(o, l);
    nsec now = o_now(o);
    bool racing = r && r->active;
    if (now > o->drain_at + SWEEP)
        sim_find(o->sim, "drain", "session %.8s is there after the deadline", l->id);
    else if (racing ? now > o->drain_deadline + SWEEP
                    : now > l->active + SWEEP + NSEC_PER_S && now > l->opened_at + SWEEP)
        sim_find(o->sim, "drain", "session %.8s was not sent home", l->id);
}

/* ---- waiting ---- */

static void waiting_judge(struct racing_oracle *o, struct o_link *l)
{
    nsec now = o_now(o);
    if (l->login.on && !o_chain_active(o, l->login.req)) {
        if (o_may_wait_its_turn(o, &l->peer))
            l->login.since = now;
        else if (now - l->login.since > LOGIN_MAX)
            sim_find(o->sim, "replies", "the login of session %.8s waits for nothing", l->id);
    }
    size_t unsent = sim_node_unsent(o->sim, l->no);
    if (unsent > RACING_OUT_MAX)
        sim_find(o->sim, "resources", "%zu bytes wait for session %.8s", unsent, l->id);
    if (l->login.on || unsent) {
        l->progress = now; /* who has to read first is not served */
        return;
    }
    const struct o_command *c = o_next_replied(o, l);
    bool made_long = c && c->kind == O_TOO_LONG && l->progress < o->set.since; /* by a reload */
    if (made_long)
        c = NULL;
    if (c && now - l->progress > (o_is_login(o, l, c) ? LOGIN_MAX : STUCK))
        sim_find(o->sim, "replies", "session %.8s waits for a reply to %.*s", l->id,
                 c->text.n > 200 ? 200 : (int)c->text.n, (const char *)c->text.p);
    if (c)
        return;
    if (!made_long)
        l->progress = now;
    /* A shorter time that has just been configured is looked at with the next sweep. */
    nsec end = l->active + o->set.idle;
    if (now > (end > o->set.since ? end : o->set.since) + 2 * SWEEP)
        sim_find(o->sim, "idle", "session %.8s was silent for %llu ms and is still there", l->id,
                 (unsigned long long)((now - l->active) / NSEC_PER_MS));
}

/* ---- counts ---- */

static void counts_judge(struct racing_oracle *o)
{
    struct service_view v, want = {0};
    uint32_t doubtful = 0;
    if (!sim_node_view(o->sim, &v))
        return;
    for (uint32_t i = 0; i < o->links_n; i++) {
        const struct o_link *l = o_link(o, i);
        want.sessions += l && !l->no_session;
        doubtful += l && l->no_session;
        want.authenticated += l && l->auth;
    }
    want.rooms = o->rooms_live;
    for (uint32_t i = 0; i < o->rooms_n; i++) {
        want.rooms_active += o->rooms[i].used && o->rooms[i].active;
        want.players_in_rooms += o->rooms[i].used ? o->rooms[i].n : 0;
    }
    if (v.sessions < want.sessions || v.sessions > want.sessions + doubtful ||
        v.authenticated != want.authenticated)
        sim_find(o->sim, "resources", "%u sessions, %u signed in; there should be %u, %u",
                 v.sessions, v.authenticated, want.sessions, want.authenticated);
    if (v.rooms != want.rooms || v.rooms_active != want.rooms_active ||
        v.players_in_rooms != want.players_in_rooms)
        sim_find(o->sim, "rooms", "%u rooms, %u running, %u players; there should be %u, %u, %u",
                 v.rooms, v.rooms_active, v.players_in_rooms, want.rooms, want.rooms_active,
                 want.players_in_rooms);
}

void o_time_judge(struct racing_oracle *o)
{
    for (uint32_t i = 0; i < o->links_n; i++) {
        struct o_link *l = o_link(o, i);
        if (l && l->mute && !l->gone)
            sim_find(o->sim, "resources", "session %.8s was ended and its connection was not",
                     l->id);
        if (!l || l->mute || !l->welcomed)
            continue;
        waiting_judge(o, l);
        if (o->draining)
            drain_judge(o, l);
    }
    counts_judge(o);
}
