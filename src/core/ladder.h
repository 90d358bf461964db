/* What becomes of offences against a rule: the mode a rule is in, and how often somebody may commit
 * one before his session ends. Each offence is a step; one is forgiven each decay_s. In
 * RULE_ENFORCE the first `steps` of them are answered by a word (and whatever the game does
 * besides), the next one ends the session. Standing is kept only where the player heard of it:
 * neither in RULE_OBSERVE nor for who is exempt (staff), whose offences are facts for the audit
 * only.
 *
 * Pure: time is handed in; time that runs backwards stands still. Embedded, one thread. */
#ifndef SLIPGATE_CORE_LADDER_H
#define SLIPGATE_CORE_LADDER_H

#include "base/types.h"

enum rule_mode {
    RULE_OFF,     /* nothing is judged or kept */
    RULE_OBSERVE, /* facts for the audit only */
    RULE_WARN,    /* the player is told, and goes on */
    RULE_ENFORCE,
};

enum rule_action { RULE_NOTED, RULE_TOLD, RULE_ENDED };

struct ladder {
    uint32_t step; /* 0: nobody holds anything against him */
    nsec at;       /* when forgiving began to count */
};

/* An offence: what is to be done about it. ladder->step says where he stands now, from 1, unless
 * RULE_NOTED. mode is not RULE_OFF; decay_s 0: nothing is forgiven. */
static inline enum rule_action ladder_step(struct ladder *l, enum rule_mode mode, bool exempt,
                                           uint32_t steps, uint32_t decay_s, nsec now)
{
    if (exempt || mode <= RULE_OBSERVE)
        return RULE_NOTED;
    nsec every = decay_s * NSEC_PER_S;
    if (l->step && every) {
        nsec times = (now > l->at ? now - l->at : 0) / every;
        l->at += times * every;
        l->step = times < l->step ? l->step - (uint32_t)times : 0;
    }
    if (l->step == 0)
        l->at = now;
    if (l->step <= steps && l->step < UINT32_MAX)
        l->step++;
    return mode == RULE_ENFORCE && l->step > steps ? RULE_ENDED : RULE_TOLD;
}

#endif
