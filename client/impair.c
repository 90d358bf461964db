#include "client/impair.h"

#define DETOUR_MIN_US 1000u

/* The luck of one datagram, each number uniform in [0, 1). */
struct luck {
    double burst, lost, twice;
    double jitter[IMPAIR_COPIES_MAX], detour[IMPAIR_COPIES_MAX], extra[IMPAIR_COPIES_MAX];
};

void impair_init(struct impair *m, const struct impair_profile *profile, uint64_t seed)
{
    *m = (struct impair){.profile = *profile, .rng = {seed}};
}

static struct luck draw(struct rng *r)
{
    struct luck k = {.burst = rng_unit(r), .lost = rng_unit(r), .twice = rng_unit(r)};
    for (unsigned i = 0; i < IMPAIR_COPIES_MAX; i++) {
        k.jitter[i] = rng_unit(r);
        k.detour[i] = rng_unit(r);
        k.extra[i] = rng_unit(r);
    }
    return k;
}

static nsec later(nsec t, uint64_t by)
{
    return by > NSEC_NEVER - t ? NSEC_NEVER : t + by;
}

/* Takes its turn at the bottleneck; *at is when its last byte is through. False: the queue is full.
 * What is being sent does not wait: an idle bottleneck takes a datagram of any size. */
static bool pass_bottleneck(struct impair *m, nsec now, size_t n, nsec *at)
{
    const struct impair_profile *p = &m->profile;
    *at = now;
    if (p->rate_bytes_per_s == 0)
        return true;
    uint64_t queue = p->queue_bytes ? p->queue_bytes : p->rate_bytes_per_s;
    uint64_t queue_ns = queue * NSEC_PER_S / p->rate_bytes_per_s;
    uint64_t bytes = n > UINT32_MAX ? UINT32_MAX : n;
    uint64_t send_ns = bytes * NSEC_PER_S / p->rate_bytes_per_s;
    nsec start = m->free_at > now ? m->free_at : now;
    if (start > now && (start - now > queue_ns || send_ns > queue_ns - (start - now)))
        return false;
    *at = m->free_at = later(start, send_ns);
    return true;
}

static bool is_lost(struct impair *m, const struct luck *k)
{
    const struct impair_profile *p = &m->profile;
    if (m->burst ? k->burst < p->burst_leave : k->burst < p->burst_enter)
        m->burst = !m->burst;
    return k->lost < (m->burst ? p->burst_loss : p->loss);
}

static nsec travel(struct impair *m, nsec from, const struct luck *k, unsigned copy)
{
    const struct impair_profile *p = &m->profile;
    double us = (double)p->delay_us + (2 * k->jitter[copy] - 1) * (double)p->jitter_us;
    nsec at = later(from, us > 0 ? (uint64_t)(us * 1000) : 0);
    if (at < m->last_at)
        at = m->last_at;
    if (k->detour[copy] < p->reorder) {
        uint64_t most_us = p->reorder_us ? p->reorder_us : (uint64_t)p->delay_us + p->jitter_us;
        if (most_us < DETOUR_MIN_US && p->reorder_us == 0)
            most_us = DETOUR_MIN_US;
        m->reordered++;
        return later(at, (uint64_t)(k->extra[copy] * (double)most_us * 1000));
    }
    return m->last_at = at;
}

unsigned impair_decide(struct impair *m, nsec now, size_t n, nsec at[IMPAIR_COPIES_MAX])
{
    struct luck k = draw(&m->rng);
    nsec through;
    bool passed = pass_bottleneck(m, now, n, &through), lost = is_lost(m, &k);
    if (!passed) {
        m->queue_full++;
        return 0;
    }
    if (lost) {
        m->lost++;
        return 0;
    }
    at[0] = travel(m, through, &k, 0);
    if (!(k.twice < m->profile.duplicate))
        return 1;
    m->duplicated++;
    at[1] = travel(m, through, &k, 1);
    return 2;
}
