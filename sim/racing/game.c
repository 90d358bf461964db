/* Racing as a simulated game: its parts put together (sim/game.h). */
#include "base/err.h"
#include "base/mem.h"
#include "games/racing/racing.h"
#include "sim/racing/calm.h"
#include "sim/racing/oracle.h"

static void close_game(struct sim *s)
{
    struct racing_sim *r = racing_sim(s);
    if (!r)
        return;
    bots_destroy(s, r->bots);
    racing_oracle_destroy(s, r->oracle);
    mem_free(r);
    s->game_state = NULL;
}

static int open_game(struct sim *s)
{
    struct racing_sim *r = mem_zalloc(1, sizeof *r);
    if (!r)
        return E_NOMEM;
    s->game_state = r;
    int rc = racing_oracle_create(s, &r->oracle);
    return rc ? rc : bots_create(s, &r->bots);
}

static void each(struct sim *s, void (*what)(struct bot *))
{
    struct bots *all = racing_sim(s)->bots;
    for (uint32_t i = 0; i < all->n; i++)
        what(all->bot[i]);
}

static void calm_one(struct bot *b)
{
    b->ops->calm(b);
}

static void calm(struct sim *s)
{
    each(s, calm_one);
}

static bool evening_done(const struct sim *s)
{
    const struct bots *all = racing_sim(s)->bots;
    for (uint32_t i = 0; i < all->n; i++)
        if (all->bot[i]->role == BOT_HONEST && !honest_done(all->bot[i]))
            return false;
    return true;
}

static void leave_one(struct bot *b)
{
    b->ops->leave(b);
}

static void leave(struct sim *s)
{
    each(s, leave_one);
}

static bool everybody_left(const struct sim *s)
{
    const struct bots *all = racing_sim(s)->bots;
    for (uint32_t i = 0; i < all->n; i++)
        if (!all->bot[i]->home || peer_is_up(all->bot[i]->peer))
            return false;
    return true;
}

static void unfinished(const struct sim *s, struct buf *to)
{
    const struct bots *all = racing_sim(s)->bots;
    unsigned n = 0;
    for (uint32_t i = 0; i < all->n; i++) {
        struct bot *b = all->bot[i];
        bool honest = b->role == BOT_HONEST;
        if (s->phase == PHASE_CALM ? !honest || honest_done(b) : b->home && !peer_is_up(b->peer))
            continue;
        if (++n <= 5)
            (void)buf_printf(to, "bot %u (%s) is %s; ", b->number,
                             b->library ? "libslipgate" : "own client",
                             honest ? honest_mood(b) : "still there");
    }
    (void)buf_printf(to, "%u in all", n);
}

/* Ends one session, or all, or closes one room, or all. */
static bool operator_notice(struct sim *s, struct notice *ret)
{
    struct bots *all = racing_sim(s)->bots;
    uint64_t how = sim_below(s, CHANCE_BOTS, 20);
    struct bot *b = bots_any(all, NULL);
    const char *room = bots_any_room(all);
    *ret = (struct notice){.kind = how < 10 ? NOTICE_KICK : NOTICE_CLOSE_ROOM};
    if (how == 0 || how == 10)
        return true;
    if (how < 10 ? !b : !room)
        return false;
    ret->u.id = span_str(how < 10 ? b->id : room);
    return true;
}

const struct sim_game sim_racing = {
    .name = "racing",
    .ops = &racing_ops,
    .tap = RACING_ORACLE_TAP,
    .settings = racing_settings,
    .open = open_game,
    .close = close_game,
    .calm = calm,
    .evening_done = evening_done,
    .leave = leave,
    .everybody_left = everybody_left,
    .unfinished = unfinished,
    .operator_notice = operator_notice,
};
