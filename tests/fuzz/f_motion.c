/* Positions from a list of events: whatever is reported, the verdicts follow the policy and the
 * ladder; and who never moves faster than allowed, whenever the reports come, is never blamed. */
#include "fuzz.h"

#include "core/motion.h"

#include <math.h>

#define FINE_SHARE 0.999 /* of the allowed speed: floats round */

struct world {
    struct motion wild, tame;
    struct motion_policy p;
    nsec now, tame_at;
    double x; /* of the tame one, near 0 so that floats are exact enough */
    uint32_t action;
};

static float number(struct span *in)
{
    uint32_t bits = (uint32_t)fuzz_number(in, 4);
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void wild(struct world *w, struct span *in, bool any)
{
    struct motion_facts f;
    float pos[3] = {0};
    for (unsigned i = 0; i < 3; i++)
        pos[i] = any ? number(in) : (float)fuzz_number(in, 1);
    enum motion_verdict v = motion_report(&w->wild, &w->p, w->now, pos, &f);
    bool finite = isfinite(pos[0]) && isfinite(pos[1]) && isfinite(pos[2]);
    bool binding = w->p.mode == RULE_ENFORCE && !w->wild.exempt;
    MUST(finite || v == MOTION_FINE);
    MUST(w->p.mode != RULE_OFF || v == MOTION_FINE);
    MUST(f.drop == (binding && v != MOTION_FINE));
    MUST(v == MOTION_FINE || f.speed > f.allowed);
    MUST((f.action != 0) == (v > MOTION_VIOLATION));
    MUST(v < MOTION_ACT_CORRECT || binding);
    MUST(v != MOTION_ACT_DISCONNECT || f.action == w->p.ladder + 1);
    MUST(f.action <= w->action + 1 && f.action <= w->p.ladder + 1);
    if (f.action)
        w->action = f.action;
    struct motion_point trail[MOTION_TRAIL_MAX];
    unsigned n = motion_trail(&w->wild, w->now, trail, MOTION_TRAIL_MAX);
    MUST(n <= MOTION_TRAIL_MAX);
    for (unsigned i = 1; i < n; i++)
        MUST(trail[i].age_ms <= trail[i - 1].age_ms);
    MUST(!f.offence || (n >= 2 && memcmp(trail[n - 1].pos, pos, sizeof pos) == 0));
}

static void tame(struct world *w, struct span *in)
{
    struct motion_facts f;
    double most = (double)(w->now - w->tame_at) / 1e9 * w->p.max_speed * w->p.tolerance;
    double far = most * FINE_SHARE * fuzz_byte(in) / 255;
    far = far < 1000 ? far : 1000;
    w->x += w->x > 0 ? -far : far;
    float pos[3] = {0, 0, (float)w->x};
    w->tame_at = w->now;
    MUST(motion_report(&w->tame, &w->p, w->now, pos, &f) == MOTION_FINE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct world w = {.p = motion_policy_default(1 + (double)fuzz_byte(&in)), .now = NSEC_PER_S};
    w.p.mode = (enum rule_mode)(fuzz_byte(&in) % 4);
    w.p.ladder = fuzz_byte(&in) % 8;
    w.p.burst_n = fuzz_byte(&in) % 20;
    w.tame_at = w.now;
    motion_init(&w.wild, fuzz_chance(&in, 64));
    motion_init(&w.tame, false);
    while (in.n) {
        uint8_t what = fuzz_byte(&in);
        switch (what & 7) {
        case 0: w.now += fuzz_number(&in, 1 + what / 8 % 4); break;
        case 1: w.now += (nsec)fuzz_byte(&in) * (NSEC_PER_S / 64); break;
        case 2: tame(&w, &in); break;
        case 3: wild(&w, &in, true); break;
        case 4:
            if (what & 64)
                motion_moved(&w.wild, &w.p, w.now);
            else
                motion_set_speed(&w.wild, &w.p, w.now, fuzz_byte(&in));
            break;
        default: wild(&w, &in, false); break;
        }
    }
    return 0;
}
