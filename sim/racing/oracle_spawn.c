/* Spawn positions: by order of joining, along the document's grid ("Spawn positions"). */
#include "sim/racing/oracle_model.h"

static const double grid[] = {66, 60, 54, 47,  41,  35,  28,  22,  16,  9,
                              3,  -3, -9, -15, -22, -28, -34, -41, -47, -54};

static bool is(const struct json_val *v, double want)
{
    double d;
    return json_double(v, &d) == 0 && d > want - 1e-6 && d < want + 1e-6;
}

static uint32_t place_of(const struct racing_oracle *o, const struct o_room *r, struct span id)
{
    uint32_t who = o_link_by_id(o, id);
    for (uint32_t i = 0; i < r->n; i++)
        if (r->members[i] == who)
            return i;
    return NOBODY;
}

void o_spawns_judge(struct racing_oracle *o, const struct o_room *r, struct span line)
{
    static const char *const axes[] = {"x", "y", "z"};
    struct json_val v, p[3];
    struct span id;
    uint32_t n = 0;
    uint64_t seen = 0;
    bool right = o->said[S_SPAWNS].type == JSON_OBJECT;
    for (size_t at = 0; right && json_member(o->said[S_SPAWNS].raw, &at, &id, &v); n++) {
        uint32_t i = place_of(o, r, id);
        right = i != NOBODY && !(seen >> i & 1) && json_object(v.raw, axes, 3, p) == JSON_OBJECT &&
                is(&p[0], grid[i % ARRAY_LEN(grid)]) && is(&p[1], -2) && is(&p[2], 0.8);
        seen |= i == NOBODY ? 0 : UINT64_C(1) << i;
    }
    o->stats.spawns++;
    if (!right || n != r->n)
        sim_find(o->sim, "spawn", "room %.8s of %u starts with %.*s", r->id, (unsigned)r->n,
                 line.n > 400 ? 400 : (int)line.n, (const char *)line.p);
}
