#include "sim/accounts/town.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "games/racing/racing.h"
#include "sim/plan.h"

#include <stdio.h>

static uint32_t below(struct rng *r, uint32_t n)
{
    return (uint32_t)rng_below(r, n);
}

/* Fewer come than to a race; but whatever befalls accounts is likelier than elsewhere. */
static void plan(struct sim_plan *p, struct rng *r, uint32_t without)
{
    static const struct {
        enum sim_fault fault;
        double often;
    } rows[] = {{FAULT_OPERATOR, 0.85},  {FAULT_HOSTILE, 0.7},    {FAULT_CRASH, 0.35},
                {FAULT_POWER, 0.35},     {FAULT_STORE_LOST, 0.2}, {FAULT_STORE_FAIL, 0.2},
                {FAULT_STORE_SLOW, 0.2}, {FAULT_DISK, 0.2},       {FAULT_DRAIN, 0.2}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        double x = rng_unit(r);
        bool on = rng_unit(r) < rows[i].often && !(without >> rows[i].fault & 1);
        if (on && p->strength[rows[i].fault] < 0.1)
            p->strength[rows[i].fault] = 0.1 + 0.6 * x;
    }
    p->strength[FAULT_ALLOC] = 0; /* whoever is not let in for want of memory shows nothing */
    p->strength[FAULT_CONFUSED] = 0;
    p->honest = 3 + below(r, 12);
    p->confused = 0;
    p->hostile = p->strength[FAULT_HOSTILE] > 0 ? 1 + below(r, 3) : 0;
    p->storm = (60 + below(r, 240)) * NSEC_PER_S;
    p->storm_events = 4000 + below(r, 8000);
    p->model = below(r, 2) == 0;
}

static size_t settings(struct sim *s, char ret[SIM_SETTINGS_MAX][96])
{
    static const char *const singles[] = {"replace", "replace", "refuse", "allow"};
    static const uint32_t bans[] = {20, 60, 600}, locks[] = {10, 60, 300};
    static const uint32_t lives[] = {5, 30, 86400, 86400};
    struct town *t = town_of(s);
    const char *single = singles[sim_below(s, CHANCE_BOTS, ARRAY_LEN(singles))];
    size_t n = 0;
    t->reloaded_at = s->now.mono;
    t->refuse |= strcmp(single, "refuse") == 0;
    t->threshold = (uint32_t)sim_between(s, CHANCE_BOTS, 3, 8);
    t->ban_s = bans[sim_below(s, CHANCE_BOTS, ARRAY_LEN(bans))];
    t->resume_s = lives[sim_below(s, CHANCE_BOTS, ARRAY_LEN(lives))];
    (void)snprintf(ret[n++], 96, "racing.single_login=%s", single);
    (void)snprintf(ret[n++], 96, "racing.idle_timeout_s=60");
    (void)snprintf(ret[n++], 96, "racing.password_min_length=6");
    (void)snprintf(ret[n++], 96, "limits.exempt=none");
    (void)snprintf(ret[n++], 96, "accounts.failed_login_threshold=%u", t->threshold);
    (void)snprintf(ret[n++], 96, "accounts.login_ban_s=%u", t->ban_s);
    (void)snprintf(ret[n++], 96, "accounts.lock_s=%u",
                   locks[sim_below(s, CHANCE_BOTS, ARRAY_LEN(locks))]);
    (void)snprintf(ret[n++], 96, "accounts.resume_ttl_s=%u", t->resume_s);
    return n;
}

static void close_town(struct sim *s)
{
    struct town *t = town_of(s);
    if (!t)
        return;
    clerk_close(t);
    folk_close(t);
    mem_free(t->tokens);
    mem_free(t);
    s->game_state = NULL;
}

static int open_town(struct sim *s)
{
    struct town *t = mem_zalloc(1, sizeof *t);
    if (!t)
        return E_NOMEM;
    s->game_state = t;
    t->sim = s;
    t->wall_ms = s->wall_ms;
    t->tokens = mem_zalloc(TOWN_TOKENS, sizeof *t->tokens);
    if (!t->tokens)
        return E_NOMEM;
    clerk_open(t);
    return folk_open(t);
}

static void calm(struct sim *s)
{
    folk_calm(town_of(s));
    clerk_calm(town_of(s));
}

static bool evening_done(const struct sim *s)
{
    return folk_done(town_of(s));
}

static void leave(struct sim *s)
{
    folk_leave(town_of(s));
}

static bool everybody_left(const struct sim *s)
{
    return folk_home(town_of(s));
}

static void unfinished(const struct sim *s, struct buf *to)
{
    folk_text(town_of(s), to);
}

const struct sim_game sim_accounts = {
    .name = "accounts",
    .ops = &racing_ops,
    .tap = {.started = judge_started,
            .stopped = judge_stopped,
            .opened = judge_opened,
            .heard = judge_heard,
            .said = judge_said,
            .closing = judge_closing,
            .closed = judge_closed,
            .storing = judge_storing,
            .stored = judge_stored,
            .settled = judge_settled},
    .desks = true,
    .plan = plan,
    .settings = settings,
    .open = open_town,
    .close = close_town,
    .calm = calm,
    .evening_done = evening_done,
    .leave = leave,
    .everybody_left = everybody_left,
    .unfinished = unfinished,
};
