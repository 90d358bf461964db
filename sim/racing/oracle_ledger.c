/* What is said without a request, against what the model says should be: both as counts of
 * (recipient, event, subject), because the service may tell of a change before the reply by which
 * the model learns of it. They balance when the call ends. */
#include "sim/racing/oracle_model.h"

#include <stdlib.h>

static const char *const event_names[] = {
    [EV_RELAYED] = "RELAYED_MESSAGE",
    [EV_JOINED] = "PLAYER_JOINED",
    [EV_LEFT] = "PLAYER_LEFT",
    [EV_STARTED] = "GAME_STARTED",
    [EV_STARTED_HOST] = "GAME_STARTED (the reply)",
    [EV_ROOM_CLOSED] = "ROOM_CLOSED",
    [EV_BYE_ADMIN] = "BYE_ADMIN",
    [EV_CLOSING] = "SERVER_CLOSING",
    [EV_WELCOME] = "CONNECTED",
    [EV_END] = "the end of its connection",
    [EV_LOST] = "anything in reply to a command",
};

static const char *const event_oracles[] = {
    [EV_RELAYED] = "replies", [EV_JOINED] = "rooms",       [EV_LEFT] = "rooms",
    [EV_STARTED] = "spawn",   [EV_STARTED_HOST] = "spawn", [EV_ROOM_CLOSED] = "rooms",
    [EV_BYE_ADMIN] = "drain", [EV_CLOSING] = "drain",      [EV_WELCOME] = "replies",
    [EV_END] = "resources",   [EV_LOST] = "replies",
};

static void enter(struct racing_oracle *o, uint32_t link, enum o_event event, uint32_t about,
                  int what)
{
    for (uint32_t i = o->ledger_n; i--;) {
        struct o_entry *e = &o->ledger[i];
        if (e->link == link && e->event == event && e->about == about) {
            e->balance += what;
            return;
        }
    }
    o->ledger = o_grow(o->ledger, o->ledger_n, &o->ledger_cap, sizeof *o->ledger);
    o->ledger[o->ledger_n++] = (struct o_entry){event, link, about, what};
}

void o_expect(struct racing_oracle *o, uint32_t link, enum o_event event, uint32_t about)
{
    if (!o->links[link].mute)
        enter(o, link, event, about, -1);
}

void o_observe(struct racing_oracle *o, uint32_t link, enum o_event event, uint32_t about)
{
    o->stats.events++;
    enter(o, link, event, about, 1);
}

/* A room's number stands in `about` where the event is about one. */
static bool about_a_link(enum o_event event)
{
    return event == EV_RELAYED || event == EV_JOINED || event == EV_LEFT || event == EV_STARTED ||
           event == EV_STARTED_HOST;
}

void o_ledger_settle(struct racing_oracle *o)
{
    for (uint32_t i = 0; i < o->ledger_n; i++) {
        const struct o_entry *e = &o->ledger[i];
        /* Without memory not everybody may hear of everything; but who got no reply must go. */
        if (e->balance == 0 || (o->ledger_void && e->event != EV_END && e->event != EV_LOST))
            continue;
        if (o_ended_hard(o, e->link) || (about_a_link(e->event) && o_ended_hard(o, e->about)))
            continue;
        /* Who was told goodbye hears nothing more in the same call. */
        if (e->balance < 0 && o->links[e->link].mute && o->links[e->link].bye_said &&
            e->event != EV_BYE_ADMIN)
            continue;
        o_suspect(o, event_oracles[e->event], "session %.8s %s %s%s%.8s", o->links[e->link].id,
                  e->balance < 0 ? "was not told" : "was told without cause:",
                  event_names[e->event], about_a_link(e->event) ? ", about " : "",
                  about_a_link(e->event) ? o->links[e->about].id : "");
    }
    o->ledger_n = 0;
    o->ledger_void = false;
}
