#include "sim/racing/calm.h"

#include "base/err.h"
#include "base/mem.h"
#include "sim/plan.h"

#include <stdio.h>

static void name_room(struct calm_group *g)
{
    (void)snprintf(g->room, sizeof g->room, "calm-%u-%u", g->number, g->round);
}

/* Two by two; the last of an odd number makes a group of three; one alone is a group too. */
int calm_init(struct bots *all)
{
    uint32_t honest = all->sim->plan->honest;
    all->calm_groups = honest < 2 ? 1 : honest / 2;
    all->groups = mem_zalloc(all->calm_groups, sizeof(struct calm_group));
    if (!all->groups)
        return E_NOMEM;
    for (uint32_t i = 0; i < all->calm_groups; i++) {
        struct calm_group *g = &all->groups[i];
        g->number = i;
        g->size = honest < 2 ? 1 : i + 1 < all->calm_groups ? 2 : honest - 2 * i;
        name_room(g);
    }
    return 0;
}

void calm_fini(struct bots *all)
{
    mem_free(all->groups);
    all->groups = NULL;
}

struct calm_group *calm_group(struct bots *all, uint32_t number, bool *leads)
{
    uint32_t i = (number - 1) / 2;
    *leads = (number - 1) % 2 == 0 && i < all->calm_groups;
    return &all->groups[i < all->calm_groups ? i : all->calm_groups - 1];
}

void calm_again(struct calm_group *g)
{
    g->round++;
    g->seen = 0;
    name_room(g);
}
