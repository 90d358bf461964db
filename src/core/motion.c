#include "core/motion.h"

#include <math.h>

#define DEFAULT_TOLERANCE 1.2
#define DEFAULT_TELEPORT  50.0
#define LATE_DETOUR       1.15 /* a late report lies on the way between two others, or nearly */
#define EXCESS_TOP        1.5  /* of the slack: more is not held against anybody */
#define BUNCH_HOLES       2 /* teleport distances that losses within a late bunch may leave out */
#define EARTHLY           1e30 /* limits beyond it are none */

struct motion_policy motion_policy_default(double max_speed)
{
    return (struct motion_policy){
        .mode = RULE_OBSERVE,
        .max_speed = max_speed,
        .tolerance = DEFAULT_TOLERANCE,
        .teleport = DEFAULT_TELEPORT,
        .slack_ms = 300,
        .grace_ms = 1500,
        .burst_n = 3,
        .burst_ms = 2000,
        .pause_ms = 750,
        .ladder = 3,
        .decay_s = 60,
    };
}

void motion_init(struct motion *m, bool exempt)
{
    *m = (struct motion){.exempt = exempt};
}

void motion_set_exempt(struct motion *m, bool exempt)
{
    m->exempt = exempt;
}

static nsec ms(uint32_t n)
{
    return n * NSEC_PER_MS;
}

static nsec since(nsec then, nsec now)
{
    return now > then ? now - then : 0;
}

static double seconds(nsec t)
{
    return (double)t / (double)NSEC_PER_S;
}

/* ---- limits ---- */

static bool judges_speed(const struct motion *m, const struct motion_policy *p)
{
    return m->speed > 0 || p->max_speed > 0;
}

static double own_speed(const struct motion *m, const struct motion_policy *p)
{
    return m->speed > 0 ? m->speed : p->max_speed > 0 ? p->max_speed : p->any_speed;
}

/* 0: nothing is judged. */
static double allowed_speed(const struct motion *m, const struct motion_policy *p, nsec now)
{
    double v = own_speed(m, p), tolerance = p->tolerance > 1 ? p->tolerance : 1;
    if (now < m->speed_until && m->speed_was > v)
        v = m->speed_was;
    v *= tolerance;
    return v > 0 && v < EARTHLY ? v : 0;
}

/* ---- what was reported before ---- */

static double distance(const float a[3], const float b[3])
{
    double x = (double)a[0] - (double)b[0], y = (double)a[1] - (double)b[1];
    double z = (double)a[2] - (double)b[2];
    return sqrt(x * x + y * y + z * z);
}

/* Whether pos lies on the way the player came in the last second: overtaken by others, or a copy.
 */
static bool is_late(const struct motion *m, const float pos[3], nsec now)
{
    for (unsigned i = 0; i + 1 < m->recent_n; i++) {
        const float *to = m->recent[i].pos, *from = m->recent[i + 1].pos;
        if (since(m->recent[i + 1].at, now) > ms(MOTION_RECENT_MS))
            return false;
        double whole = distance(from, to);
        if (whole > 0 && distance(from, pos) + distance(pos, to) <= LATE_DETOUR * whole)
            return true;
    }
    return false;
}

static void remember(struct motion *m, const float pos[3], nsec now)
{
    memmove(m->recent + 1, m->recent, sizeof m->recent - sizeof m->recent[0]);
    memcpy(m->recent[0].pos, pos, sizeof m->recent[0].pos);
    m->recent[0].at = now;
    if (m->recent_n < MOTION_RECENT)
        m->recent_n++;
}

static void trail_add(struct motion *m, const float pos[3], nsec at)
{
    memcpy(m->trail[m->trail_at].pos, pos, sizeof m->trail[0].pos);
    m->trail[m->trail_at].at_ms = (uint32_t)(at / NSEC_PER_MS);
    m->trail_at = (uint8_t)((m->trail_at + 1) % MOTION_TRAIL_MAX);
    if (m->trail_n < MOTION_TRAIL_MAX)
        m->trail_n++;
}

/* Due times stay in step with the clock, so that reports each 50 ms do not become one each 150. */
static void trail_keep(struct motion *m, const float pos[3], nsec now)
{
    nsec every = ms(MOTION_TRAIL_MS);
    if (now < m->trail_due)
        return;
    m->trail_due = now - m->trail_due < every ? m->trail_due + every : now + every;
    m->trail_last = now;
    trail_add(m, pos, now);
}

/* The step from the last report to pos, whatever is due. */
static void trail_keep_step(struct motion *m, const float pos[3], nsec now)
{
    if (m->trail_last != m->last_at)
        trail_add(m, m->last, m->last_at);
    m->trail_due = now;
    trail_keep(m, pos, now);
}

unsigned motion_trail(const struct motion *m, nsec now, struct motion_point *ret, unsigned max)
{
    unsigned n = m->trail_n < max ? m->trail_n : max;
    for (unsigned i = 0; i < n; i++) {
        unsigned at = (m->trail_at + MOTION_TRAIL_MAX - n + i) % MOTION_TRAIL_MAX;
        memcpy(ret[i].pos, m->trail[at].pos, sizeof ret[i].pos);
        ret[i].age_ms = (uint32_t)(now / NSEC_PER_MS) - m->trail[at].at_ms;
    }
    return n;
}

/* ---- judging ---- */

static void clear_excess(struct motion *m, nsec now)
{
    m->excess = m->floor = m->run_distance = 0;
    m->run_at = now;
}

/* Measured from pos on, with nothing held against the player. */
static void start_at(struct motion *m, const float pos[3], nsec now)
{
    memcpy(m->last, pos, sizeof m->last);
    m->last_at = now;
    m->started = true;
    m->recent_n = 0;
    m->burst_n = 0;
    remember(m, pos, now);
    clear_excess(m, now);
}

void motion_set_speed(struct motion *m, const struct motion_policy *p, nsec now, double max_speed)
{
    m->speed_was = own_speed(m, p);
    m->speed_until = now + ms(p->grace_ms);
    m->speed = max_speed > 0 ? max_speed : 0;
    clear_excess(m, now); /* it was measured by the old limit */
}

void motion_moved(struct motion *m, const struct motion_policy *p, nsec now)
{
    m->grace_until = now + ms(p->grace_ms);
    m->started = false;
    m->burst_n = 0;
    clear_excess(m, now);
}

/* Adds one step to the account. */
static void account(struct motion *m, double step, double allowed, nsec now)
{
    nsec elapsed = since(m->last_at, now);
    double before = m->excess;
    m->excess += step - allowed * seconds(elapsed);
    if (elapsed > ms(MOTION_STALL_MS) && m->excess < 0) {
        double most = -allowed * seconds(ms(MOTION_STALL_MAX_MS));
        nsec hold = MOTION_STALL_HOLD *
                    (elapsed < ms(MOTION_STALL_MAX_MS) ? elapsed : ms(MOTION_STALL_MAX_MS));
        m->floor = m->excess > most ? m->excess : most;
        m->floor_until = now + (hold > NSEC_PER_S ? hold : NSEC_PER_S);
    } else if (now >= m->floor_until)
        m->floor = 0;
    if (m->excess < m->floor)
        m->excess = m->floor;
    if (before <= 0) { /* the excess begins with this step, if at all */
        m->run_distance = 0;
        m->run_at = m->last_at;
    }
    m->run_distance += step;
}

static bool is_burst(struct motion *m, const struct motion_policy *p, nsec now)
{
    unsigned want = p->burst_n < 1                  ? 1
                    : p->burst_n > MOTION_BURST_MAX ? MOTION_BURST_MAX
                                                    : p->burst_n;
    unsigned old = 0;
    while (old < m->burst_n && since(m->burst[old], now) >= ms(p->burst_ms))
        old++;
    if (old == 0 && m->burst_n == MOTION_BURST_MAX)
        old = 1;
    m->burst_n = (uint8_t)(m->burst_n - old);
    memmove(m->burst, m->burst + old, m->burst_n * sizeof m->burst[0]);
    m->burst[m->burst_n++] = now;
    return m->burst_n >= want;
}

static enum motion_verdict act(struct motion *m, const struct motion_policy *p, nsec now,
                               struct motion_facts *f)
{
    f->offence = true;
    m->pause_until = now + ms(p->pause_ms);
    m->burst_n = 0;
    clear_excess(m, now);
    enum rule_action action =
        ladder_step(&m->ladder, p->mode, f->exempt, p->ladder, p->decay_s, now);
    if (action == RULE_NOTED)
        return MOTION_VIOLATION;
    f->action = m->ladder.step;
    if (p->mode == RULE_WARN)
        return MOTION_ACT_WARN;
    return action == RULE_ENDED ? MOTION_ACT_DISCONNECT : MOTION_ACT_CORRECT;
}

static void measure(struct motion_facts *f, double way, nsec elapsed)
{
    f->distance = way;
    f->elapsed = elapsed;
    f->speed = way / seconds(elapsed > NSEC_PER_MS ? elapsed : NSEC_PER_MS);
}

static enum motion_verdict judge(struct motion *m, const struct motion_policy *p, nsec now,
                                 double step, struct motion_facts *f)
{
    nsec elapsed = since(m->last_at, now);
    double credit = m->excess < 0 && now < m->floor_until ? -m->excess : 0;
    if (credit > BUNCH_HOLES * p->teleport)
        credit = BUNCH_HOLES * p->teleport;
    if (step - f->allowed * seconds(elapsed) - credit > p->teleport) {
        f->teleport = true;
        measure(f, step, elapsed);
        if (now >= m->pause_until)
            return act(m, p, now, f);
        clear_excess(m, now);
        return MOTION_VIOLATION;
    }
    if (!judges_speed(m, p)) {
        clear_excess(m, now);
        return MOTION_FINE;
    }
    account(m, step, f->allowed, now);
    if (now < m->pause_until && m->excess > 0)
        clear_excess(m, now);
    double slack = f->allowed * seconds(ms(p->slack_ms));
    if (m->excess <= slack)
        return MOTION_FINE;
    measure(f, m->run_distance, since(m->run_at, now));
    if (m->excess > EXCESS_TOP * slack)
        m->excess = EXCESS_TOP * slack;
    return is_burst(m, p, now) ? act(m, p, now, f) : MOTION_VIOLATION;
}

enum motion_verdict motion_report(struct motion *m, const struct motion_policy *p, nsec now,
                                  const float pos[3], struct motion_facts *facts)
{
    *facts = (struct motion_facts){.exempt = m->exempt};
    if (p->mode == RULE_OFF) {
        m->started = false; /* a later mode starts anew */
        return MOTION_FINE;
    }
    if (!isfinite(pos[0]) || !isfinite(pos[1]) || !isfinite(pos[2]))
        return MOTION_FINE;
    if (m->started && now < m->last_at)
        now = m->last_at;
    facts->allowed = allowed_speed(m, p, now);
    if (!m->started || now < m->grace_until || facts->allowed == 0) {
        trail_keep(m, pos, now);
        start_at(m, pos, now);
        return MOTION_FINE;
    }
    bool late = is_late(m, pos, now);
    enum motion_verdict v = judge(m, p, now, late ? 0 : distance(m->last, pos), facts);
    if (facts->offence)
        trail_keep_step(m, pos, now);
    else
        trail_keep(m, pos, now);
    m->last_at = now;
    if (facts->teleport)
        m->recent_n = 0; /* the way between is none */
    if (!late) {
        memcpy(m->last, pos, sizeof m->last);
        remember(m, pos, now);
    }
    facts->drop = v != MOTION_FINE && p->mode == RULE_ENFORCE && !m->exempt;
    return v;
}
