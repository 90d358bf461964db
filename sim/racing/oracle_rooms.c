/* Rooms: who is in which, who hosts it, and what is told of them. */
#include "sim/racing/oracle_model.h"

#include "base/check.h"
#include "base/utf8.h"

#include <stdlib.h>

#define ROOMS_STEP 64u

static bool says(const struct racing_oracle *o, const char *command)
{
    return o_text_is(&o->said[S_COMMAND], command);
}

static bool is_error(const struct racing_oracle *o, const char *text)
{
    return says(o, "ERROR") && o_text_is(&o->said[S_MESSAGE], text);
}

struct o_room *o_room_of(struct racing_oracle *o, const struct o_link *l)
{
    return l->room == NOBODY ? NULL : &o->rooms[l->room];
}

struct o_room *o_room_by_id(struct racing_oracle *o, struct span id)
{
    uint64_t v;
    return id.n == ID_N && hmap_get(&o->room_by_id, id.p, &v) ? &o->rooms[v] : NULL;
}

static uint32_t room_add(struct racing_oracle *o, struct span id, struct span name)
{
    if (o->rooms_free == NOBODY) {
        uint32_t n = o->rooms_n + ROOMS_STEP;
        o->rooms = realloc(o->rooms, n * sizeof *o->rooms);
        CHECK(o->rooms);
        memset(o->rooms + o->rooms_n, 0, ROOMS_STEP * sizeof *o->rooms);
        for (uint32_t i = n; i-- > o->rooms_n;) {
            o->rooms[i].next_free = o->rooms_free;
            o->rooms_free = i;
        }
        o->rooms_n = n;
    }
    uint32_t i = o->rooms_free;
    struct o_room *r = &o->rooms[i];
    o->rooms_free = r->next_free;
    *r = (struct o_room){.used = true, .name_n = (uint8_t)name.n, .host = NOBODY};
    memcpy(r->id, id.p, ID_N);
    memcpy(r->name, name.p, name.n);
    CHECK(hmap_put(&o->room_by_id, r->id, i) == 0);
    o->rooms_live++;
    return i;
}

static void room_free(struct racing_oracle *o, struct o_room *r)
{
    (void)hmap_del(&o->room_by_id, r->id);
    r->used = false;
    r->next_free = o->rooms_free;
    o->rooms_free = (uint32_t)(r - o->rooms);
    o->rooms_live--;
}

static void enter(struct racing_oracle *o, struct o_link *l, uint32_t room)
{
    struct o_room *r = &o->rooms[room];
    CHECK(r->n <= MEMBERS_N);
    if (r->n == 0)
        r->host = o_index(o, l);
    r->members[r->n++] = o_index(o, l);
    l->room = room;
}

static void tell_others(struct racing_oracle *o, const struct o_room *r, uint32_t who,
                        enum o_event event)
{
    for (uint32_t i = 0; o->set.room_events && i < r->n; i++)
        if (r->members[i] != who)
            o_expect(o, r->members[i], event, who);
}

void o_room_leave(struct racing_oracle *o, struct o_link *l, bool tell)
{
    struct o_room *r = o_room_of(o, l);
    uint32_t i = 0, who = o_index(o, l);
    if (!r)
        return;
    while (r->members[i] != who)
        i++;
    memmove(r->members + i, r->members + i + 1, (--r->n - i) * sizeof *r->members);
    l->room = NOBODY;
    if (r->n == 0) {
        room_free(o, r);
        return;
    }
    if (r->host == who)
        r->host = r->members[0]; /* who joined earliest */
    if (tell)
        tell_others(o, r, who, EV_LEFT);
}

void o_room_close(struct racing_oracle *o, struct o_room *r)
{
    for (uint32_t i = 0; i < r->n; i++)
        o->links[r->members[i]].room = NOBODY;
    r->n = 0;
    room_free(o, r);
}

/* ---- replies ---- */

static const char *create_refusal(struct racing_oracle *o, const struct o_command *c,
                                  struct span *name)
{
    const struct json_val *v = &c->v[OM_NAME];
    if (v->type == JSON_ABSENT)
        return "Room name is required.";
    *name = SPAN_LIT("Race Room");
    if (v->type == JSON_NULL)
        return NULL;
    if (o_string(o, 0, v, name) < 0 || !utf8_is_name(*name, 0, o->set.name_max))
        return "Room name is not valid.";
    return NULL;
}

void o_reply_create(struct racing_oracle *o, struct o_link *l, const struct o_command *c,
                    struct span line)
{
    static const char too_many[] = "Too many rooms. Please try again later.";
    struct span name, id;
    const char *refusal = create_refusal(o, c, &name);
    const struct o_room *old = o_room_of(o, l);
    bool full = o->rooms_live - (old && old->n == 1) >= o->set.max_rooms;
    if (refusal || full || is_error(o, too_many)) {
        if (!is_error(o, refusal ? refusal : too_many))
            o_wrong_reply(o, l, c, line, refusal ? refusal : too_many);
        else if (!refusal && !full)
            o_suspect(o, "rooms", "session %.8s was refused the %u. room of %u", l->id,
                      (unsigned)o->rooms_live + 1, (unsigned)o->set.max_rooms);
        o_handled(o, l, c);
        return;
    }
    if (!says(o, "ROOM_CREATED") || !o_span_is(o, &o->said[S_NAME], name) ||
        o_string(o, 1, &o->said[S_ROOM_ID], &id) != ID_N || o_room_by_id(o, id)) {
        o_wrong_reply(o, l, c, line, "ROOM_CREATED");
        return;
    }
    o_room_leave(o, l, true);
    enter(o, l, room_add(o, id, name));
    o_handled(o, l, c);
}

void o_reply_join(struct racing_oracle *o, struct o_link *l, const struct o_command *c,
                  struct span line)
{
    struct span id;
    (void)o_string(o, 0, &c->v[OM_ROOM_ID], &id);
    struct o_room *r = o_room_by_id(o, id);
    const char *refusal = NULL;
    if (!r)
        refusal = "Room not found.";
    else if (r->active || r->n >= o->set.room_size || r == o_room_of(o, l))
        refusal = "Failed to join room. Room may be full or inactive.";
    if (refusal ? !is_error(o, refusal)
                : !says(o, "JOIN_OK") || !o_text_is(&o->said[S_ROOM_ID], r->id)) {
        o_wrong_reply(o, l, c, line, refusal ? refusal : "JOIN_OK");
        return;
    }
    if (!refusal) {
        uint32_t room = (uint32_t)(r - o->rooms);
        o_room_leave(o, l, true);
        enter(o, l, room);
        tell_others(o, &o->rooms[room], o_index(o, l), EV_JOINED);
    }
    o_handled(o, l, c);
}

void o_reply_leave(struct racing_oracle *o, struct o_link *l, const struct o_command *c,
                   struct span line)
{
    static const char nowhere[] = "Cannot leave room. No room joined.";
    const struct o_room *r = o_room_of(o, l);
    if (r ? !says(o, "LEAVE_OK") || !o_text_is(&o->said[S_ROOM_ID], r->id)
          : !is_error(o, nowhere)) {
        o_wrong_reply(o, l, c, line, r ? "LEAVE_OK" : nowhere);
        return;
    }
    o_room_leave(o, l, true);
    o_handled(o, l, c);
}

/* ---- lists ---- */

/* One room as listed; why it is wrong, or NULL. */
static const char *listed(struct racing_oracle *o, struct json_val *e)
{
    static const char *const names[] = {"id", "name", "playerCount", "isActive", "hostId"};
    struct json_val v[5];
    struct span id;
    int64_t count;
    if (json_object(e->raw, names, 5, v) != JSON_OBJECT || o_string(o, 0, &v[0], &id) < 0)
        return "it is no room";
    struct o_room *r = o_room_by_id(o, id);
    if (!r || r->seen == o->walk)
        return r ? "it is there twice" : "it is gone";
    r->seen = o->walk;
    if (!o_span_is(o, &v[1], span_of(r->name, r->name_n)))
        return "it has another name";
    if (json_int(&v[2], &count) || count != (int64_t)r->n)
        return "it has not so many members";
    if (v[3].type != (r->active ? JSON_TRUE : JSON_FALSE))
        return r->active ? "it is running" : "it is not running";
    return o_text_is(&v[4], o->links[r->host].id) ? NULL : "that is not its host";
}

void o_reply_list(struct racing_oracle *o, struct o_link *l, const struct o_command *c,
                  struct span line)
{
    struct json_val e;
    uint32_t n = 0;
    if (!says(o, "ROOM_LIST") || o->said[S_ROOMS].type != JSON_ARRAY) {
        o_wrong_reply(o, l, c, line, "ROOM_LIST");
        return;
    }
    o->walk++;
    for (size_t at = 0; json_next(o->said[S_ROOMS].raw, &at, &e); n++) {
        const char *wrong = listed(o, &e);
        if (wrong)
            sim_find(o->sim, "rooms", "session %.8s was told of room %.*s: %s", l->id,
                     e.raw.n > 200 ? 200 : (int)e.raw.n, (const char *)e.raw.p, wrong);
        o->stats.rooms_listed++;
    }
    if (n != o->rooms_live)
        sim_find(o->sim, "rooms", "session %.8s was told of %u rooms, there are %u", l->id,
                 (unsigned)n, (unsigned)o->rooms_live);
    o_handled(o, l, c);
}

void o_reply_players(struct racing_oracle *o, struct o_link *l, const struct o_command *c,
                     struct span line)
{
    static const char *const names[] = {"id", "name"};
    static const char nowhere[] = "Cannot get players. No room joined.";
    const struct o_room *r = o_room_of(o, l);
    struct json_val e, v[2];
    uint32_t n = 0;
    bool right = r ? says(o, "ROOM_PLAYERS") && o_text_is(&o->said[S_ROOM_ID], r->id) &&
                         o->said[S_PLAYERS].type == JSON_ARRAY
                   : is_error(o, nowhere);
    if (!right) {
        o_wrong_reply(o, l, c, line, r ? "ROOM_PLAYERS" : nowhere);
        return;
    }
    for (size_t at = 0; r && json_next(o->said[S_PLAYERS].raw, &at, &e); n++) {
        const struct o_link *m = n < r->n ? &o->links[r->members[n]] : NULL;
        if (!m || json_object(e.raw, names, 2, v) != JSON_OBJECT || !o_text_is(&v[0], m->id) ||
            !o_span_is(o, &v[1], span_of(m->name, m->name_n)))
            sim_find(o->sim, "rooms", "session %.8s was told of player %.*s in its room", l->id,
                     e.raw.n > 200 ? 200 : (int)e.raw.n, (const char *)e.raw.p);
    }
    if (r && n < r->n)
        sim_find(o->sim, "rooms", "session %.8s was told of %u players of %u", l->id, (unsigned)n,
                 (unsigned)r->n);
    o_handled(o, l, c);
}
