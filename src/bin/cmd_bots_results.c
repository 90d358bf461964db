/* A run's counts as figures that people and gates ask for. */
#include "bin/cmd_bots_player.h"

#include <math.h>

static double ms_of(const struct bots_hist *h, double q)
{
    return h->n ? (double)bots_hist_quantile(h, q) / 1000 : (double)NAN;
}

static double share_of(uint64_t part, uint64_t whole, double scale)
{
    return whole ? scale * (double)part / (double)whole : (double)NAN;
}

void bots_run_results(const struct bots_run *run, struct bots_results *ret)
{
    const struct bots_totals *t = &run->totals;
    const struct feel *f = &run->feel;
    uint64_t lost = t->expected > t->delivered ? t->expected - t->delivered : 0;
    double player_minutes = t->measured_s / 60 * t->in;
    *ret =
        (struct bots_results){&run->o, t, &run->latency, f, run->udp_mode, run->first_error, {{0}}};
    double *v = ret->figures.v;
    v[BOTS_p50_gap_ms] = ms_of(&f->gap, 0.5);
    v[BOTS_p99_gap_ms] = ms_of(&f->gap, 0.99);
    v[BOTS_max_gap_ms] = ms_of(&f->gap, 1);
    v[BOTS_p50_age_ms] = ms_of(&f->age, 0.5);
    v[BOTS_p99_age_ms] = ms_of(&f->age, 0.99);
    v[BOTS_freezes] = f->age.n ? (double)f->freezes : (double)NAN;
    v[BOTS_freezes_per_minute] =
        f->age.n && player_minutes > 0 ? (double)f->freezes / player_minutes : (double)NAN;
    v[BOTS_p50_latency_ms] = ms_of(&run->latency, 0.5);
    v[BOTS_p99_latency_ms] = ms_of(&run->latency, 0.99);
    v[BOTS_max_latency_ms] = ms_of(&run->latency, 1);
    v[BOTS_sent] = (double)t->sent;
    v[BOTS_delivered] = (double)t->delivered;
    v[BOTS_lost] = (double)lost;
    v[BOTS_lost_percent] = share_of(lost, t->expected, 100);
    v[BOTS_link_lost_percent] = share_of(t->link_lost, t->link_lost + t->expected, 100);
    v[BOTS_duplicates] = (double)t->duplicates;
    v[BOTS_players_in] = t->in;
    v[BOTS_disconnects] = t->disconnects;
    v[BOTS_cheats] = t->cheats;
    v[BOTS_told] = t->told;
    v[BOTS_caught] = t->caught;
    v[BOTS_max_told_s] = t->told ? t->told_max_s : (double)NAN;
    v[BOTS_max_caught_s] = t->caught ? t->caught_max_s : (double)NAN;
    v[BOTS_p50_login_ms] = ms_of(&run->login, 0.5);
    v[BOTS_max_login_ms] = ms_of(&run->login, 1);
}
