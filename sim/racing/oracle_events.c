/* What is said without a request: whether it may be said at all, and whether it says the truth. */
#include "sim/racing/oracle_model.h"

static bool says(const struct racing_oracle *o, const char *command)
{
    return o_text_is(&o->said[S_COMMAND], command);
}

static void lie(struct racing_oracle *o, const char *oracle, const struct o_link *l,
                struct span line, const char *why)
{
    sim_find(o->sim, oracle, "session %.8s was told %.*s: %s", l->id,
             line.n > 200 ? 200 : (int)line.n, (const char *)line.p, why);
}

/* The session a member names. */
static uint32_t named(struct racing_oracle *o, enum o_said member)
{
    struct span id;
    return o_string(o, 2, &o->said[member], &id) < 0 ? NOBODY : o_link_by_id(o, id);
}

static void relayed(struct racing_oracle *o, struct o_link *l, struct span line)
{
    struct span text, target;
    struct o_link *from = o_link(o, named(o, S_SENDER_ID));
    const struct o_command *c = from && !from->login.on ? o_next_replied(o, from) : NULL;
    if (!c || c->kind != O_RELAY || !from->auth) {
        lie(o, "replies", l, line, "nobody asked for that");
        return;
    }
    bool right =
        o_string(o, 0, &c->v[OM_TARGET], &target) > 0 && span_eq(target, span_of(l->id, ID_N)) &&
        o_string(o, 1, &c->v[OM_MESSAGE], &text) > 0 && o_span_is(o, &o->said[S_MESSAGE], text) &&
        o_span_is(o, &o->said[S_SENDER_NAME], span_of(from->name, from->name_n));
    if (!right)
        lie(o, "replies", l, line, "that is not what was to be relayed");
    o_observe(o, o_index(o, l), EV_RELAYED, o_index(o, from));
}

/* ---- races ---- */

static bool awaited(const struct racing_oracle *o, uint32_t link, enum o_event event,
                    uint32_t about)
{
    for (uint32_t i = 0; i < o->ledger_n; i++) {
        const struct o_entry *e = &o->ledger[i];
        if (e->link == link && e->event == event && e->about == about)
            return e->balance < 0;
    }
    return false;
}

/* The first line of a start: its host's command, and everybody is to hear of it. */
static bool start(struct racing_oracle *o, struct o_room *r)
{
    struct o_link *host = &o->links[r->host];
    const struct o_command *c = host->login.on ? NULL : o_next_replied(o, host);
    if (!c || c->kind != O_START_GAME || !host->auth)
        return false;
    r->active = true;
    for (uint32_t i = 0; i < r->n; i++)
        o_expect(o, r->members[i], EV_STARTED, r->host);
    if (o->set.start_reply)
        o_expect(o, r->host, EV_STARTED_HOST, r->host);
    o_handled(o, host, c);
    o->stats.replies++;
    return true;
}

static void started(struct racing_oracle *o, struct o_link *l, struct span line)
{
    uint32_t i = o_index(o, l), host = named(o, S_HOST_ID);
    struct o_room *r = o_room_of(o, l);
    bool reply = o->said[S_HOST_ID].type == JSON_ABSENT;
    if (!r || !o_text_is(&o->said[S_ROOM_ID], r->id)) {
        lie(o, "spawn", l, line, "it is not in that room");
        return;
    }
    if (reply ? r->host != i : r->host != host) {
        lie(o, "rooms", l, line, "that is not the room's host");
        return;
    }
    if (!reply && !awaited(o, i, EV_STARTED, host) && !start(o, r)) {
        lie(o, "replies", l, line, "its host did not ask for that");
        return;
    }
    o_spawns_judge(o, r, line);
    o_observe(o, i, reply ? EV_STARTED_HOST : EV_STARTED, r->host);
}

/* ---- rooms ---- */

static void room_event(struct racing_oracle *o, struct o_link *l, struct span line,
                       enum o_event event)
{
    uint32_t who = named(o, S_SESSION_ID);
    const struct o_room *r = o_room_of(o, l);
    if (!o->set.room_events) {
        lie(o, "rooms", l, line, "room events are off");
    } else if (who == NOBODY || !r || !o_text_is(&o->said[S_ROOM_ID], r->id) ||
               who == o_index(o, l) ||
               !o_span_is(o, &o->said[S_NAME], span_of(o->links[who].name, o->links[who].name_n))) {
        lie(o, "rooms", l, line, "there is no such player in its room");
    } else {
        o_observe(o, o_index(o, l), event, who); /* the ledger knows whether that one did */
    }
}

static void room_closed(struct racing_oracle *o, struct o_link *l, struct span line)
{
    uint32_t i = o_index(o, l);
    for (uint32_t e = 0; e < o->ledger_n; e++) {
        const struct o_entry *x = &o->ledger[e];
        if (x->link == i && x->event == EV_ROOM_CLOSED && x->balance < 0 &&
            o_text_is(&o->said[S_ROOM_ID], o->rooms[x->about].id) &&
            o_text_is(&o->said[S_MESSAGE], "Room closed by administrator")) {
            o_observe(o, i, EV_ROOM_CLOSED, x->about);
            return;
        }
    }
    lie(o, "rooms", l, line, "nobody closed its room");
}

/* ---- goodbyes ---- */

/* Ended because its player signs in elsewhere, in this very call. */
static bool replaced(const struct racing_oracle *o, const struct o_link *l)
{
    if (o->kind != CALL_ANSWERED || o->chain == NOBODY || o->set.single != O_REPLACE || !l->auth)
        return false;
    const struct o_chain *c = &o->chains[o->chain];
    return (c->result == RES_OK || c->result == RES_CREATED) && c->account.id == l->account;
}

static void bye(struct racing_oracle *o, struct o_link *l, struct span line)
{
    const struct json_val *m = &o->said[S_MESSAGE];
    const struct o_room *r = o_room_of(o, l);
    bool racing = r && r->active && o_now(o) < o->drain_deadline;
    uint32_t i = o_index(o, l);
    if (l->bye_said)
        lie(o, "drain", l, line, "it was told goodbye before");
    l->bye_said = true;
    if (o_text_is(m, "Signed in from another connection")) {
        if (!replaced(o, l))
            lie(o, "login", l, line, "nobody did");
    } else if (o_text_is(m, "Server is shutting down")) {
        if (!o->draining || racing)
            lie(o, "drain", l, line, "that was not to be yet");
        else if (o->kind == CALL_NOTICE)
            o_observe(o, i, EV_BYE_ADMIN, NOBODY);
    } else if (o->kind == CALL_NOTICE && (o_text_is(m, "Disconnected by administrator") ||
                                          o_text_is(m, "Server is closing all connections"))) {
        o_observe(o, i, EV_BYE_ADMIN, NOBODY);
    } else {
        lie(o, "drain", l, line, "nobody said so");
    }
    o_must_end(o, l, ENDING_DUE);
}

static void closing(struct racing_oracle *o, struct o_link *l, struct span line)
{
    int64_t seconds;
    if (!o_text_is(&o->said[S_MESSAGE], "Server is shutting down") ||
        json_int(&o->said[S_SECONDS], &seconds) || !o->draining || seconds < 0 ||
        (nsec)seconds * NSEC_PER_S > o->drain_deadline - o_now(o) ||
        ((nsec)seconds + 1) * NSEC_PER_S <= o->drain_deadline - o_now(o))
        lie(o, "drain", l, line, "that is not so");
    o_observe(o, o_index(o, l), EV_CLOSING, NOBODY);
}

bool o_unasked(struct racing_oracle *o, struct o_link *l, struct span line)
{
    if (says(o, "RELAYED_MESSAGE"))
        relayed(o, l, line);
    else if (says(o, "GAME_STARTED"))
        started(o, l, line);
    else if (says(o, "PLAYER_JOINED"))
        room_event(o, l, line, EV_JOINED);
    else if (says(o, "PLAYER_LEFT"))
        room_event(o, l, line, EV_LEFT);
    else if (says(o, "ROOM_CLOSED"))
        room_closed(o, l, line);
    else if (says(o, "BYE_ADMIN"))
        bye(o, l, line);
    else if (says(o, "SERVER_CLOSING"))
        closing(o, l, line);
    else
        return false;
    return true;
}
