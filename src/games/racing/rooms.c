#include "games/racing/rooms.h"

#include "base/check.h"
#include "base/err.h"
#include "base/plant.h"

/* The room that its last member leaves for the new one makes place for it. */
static uint32_t rooms_of_its_own(const struct racing *g, const struct session *s)
{
    const struct room *old = room_get(g, s->room);
    uint8_t of[16], mine[16];
    if (!old || old->members_n > 1 || !old->counted)
        return 0;
    addr_limit_key(&old->maker, of);
    addr_limit_key(&s->peer, mine);
    return memcmp(of, mine, sizeof of) == 0;
}

static void uncount_room(struct racing *g, struct room *r)
{
    if (r->counted)
        addr_count_give(&g->room_makers, &r->maker);
    r->counted = false;
}

/* False past the limit of its maker's address. */
static bool count_room(struct racing *g, struct room *r, const struct session *s)
{
    if (g->set.rooms_per_addr == 0 || exempt_has(&g->exempt, &s->peer))
        return true;
    r->maker = s->peer;
    r->counted =
        addr_count_take(&g->room_makers, &s->peer, g->set.rooms_per_addr + rooms_of_its_own(g, s));
    return r->counted;
}

int room_create(struct racing *g, struct session *s, struct span name, struct room **ret)
{
    CHECK(name.n <= RACING_NAME_MAX);
    struct ref self;
    struct room *r = slots_add(&g->rooms, &self);
    if (!r)
        return E_FULL;
    r->self = self;
    id_make(g->host, r->id);
    int rc = count_room(g, r, s) ? hmap_put(&g->room_by_id, r->id, ref_pack(self)) : E_FULL;
    if (rc) {
        uncount_room(g, r);
        slots_del(&g->rooms, self);
        return rc;
    }
    memcpy(r->name, name.p, name.n);
    r->name_n = (uint8_t)name.n;
    list_init(&r->members);
    r->host = s->self;
    host_count(g->host, M_ROOMS_CREATED, 1);
    LOG(g->host->log, &log_room_created, LF_SPAN("room", span_of(r->id, 8)),
        LF_SPAN("name", span_of(r->name, r->name_n)), LF_SPAN("player", session_name(s)));
    *ret = r;
    return 0;
}

struct room *room_find(const struct racing *g, struct span id)
{
    uint64_t v;
    if (id.n != ID_LEN || !hmap_get(&g->room_by_id, id.p, &v))
        return NULL;
    return room_get(g, ref_unpack(v));
}

bool room_admits(const struct racing *g, const struct room *r, const struct session *s)
{
    return !r->active && r->members_n < g->set.room_size && !ref_eq(s->room, r->self);
}

void room_join(struct racing *g, struct room *r, struct session *s)
{
    (void)g;
    CHECK(ref_is_none(s->room));
    list_push_back(&r->members, &s->in_room);
    r->members_n++;
    s->room = r->self;
}

static void remove_room(struct racing *g, struct room *r)
{
    LOG(g->host->log, &log_room_removed, LF_SPAN("room", span_of(r->id, 8)));
    (void)hmap_del(&g->room_by_id, r->id);
    uncount_room(g, r);
    slots_del(&g->rooms, r->self);
}

void room_leave(struct racing *g, struct session *s)
{
    struct room *r = room_get(g, s->room);
    if (!r)
        return;
    list_remove(&s->in_room);
    s->room = REF_NONE;
    if (--r->members_n == 0)
        remove_room(g, r);
    else if (ref_eq(r->host, s->self) && !(PLANTED(HOST_NOT_MOVED) && !s->ending))
        r->host = room_member(r->members.next)->self;
}

struct spawn room_spawn(uint32_t i)
{
    static const int8_t x[20] = {66, 60, 54, 47,  41,  35,  28,  22,  16,  9,
                                 3,  -3, -9, -15, -22, -28, -34, -41, -47, -54};
    return (struct spawn){x[i % ARRAY_LEN(x)], -2.0f, 0.8f};
}
