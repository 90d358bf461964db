/* What a player would feel: how regularly the positions of each room-mate come, and how old the
 * newest one known is. Pure; microseconds of one clock for senders and receivers.
 *
 * Gap: the time between two updates of one mate that each brought something newer; late and doubled
 * ones bring nothing. A gap of more than FEEL_FREEZE_US is a freeze. Age: how long ago the newest
 * position known of a mate was sent, looked at every FEEL_LOOK_US, which is no divisor of usual
 * pauses between updates. */
#ifndef SLIPGATE_BIN_CMD_BOTS_FEEL_H
#define SLIPGATE_BIN_CMD_BOTS_FEEL_H

#include "bin/cmd_bots_hist.h"

#define FEEL_FREEZE_US UINT64_C(250000)
#define FEEL_LOOK_US   UINT64_C(19000)

/* What one player knows of one mate. Zero: nothing yet. */
struct feel_mate {
    uint64_t sent_us, arrived_us; /* of the newest update; sent_us 0: none */
};

struct feel {
    uint64_t from_us; /* the measurement's start */
    uint64_t freezes;
    struct bots_hist gap, age;
};

/* An update arrived; f NULL: before the measurement. */
void feel_update(struct feel *f, struct feel_mate *m, uint64_t now_us, uint64_t sent_us);
/* The measurement begins: who is not known yet is as if known and silent since now. */
void feel_begin(const struct feel *f, struct feel_mate *m);
/* The measurement ends: a freeze still going on counts, with its length so far. */
void feel_end(struct feel *f, const struct feel_mate *m, uint64_t now_us);

#endif
