/* The audit trail of a process that has ended: what was acknowledged is in it, and it is whole. */
#ifndef SLIPGATE_SIM_TRAIL_H
#define SLIPGATE_SIM_TRAIL_H

#include "sim/accounts/town.h"

#define MARK "mark "

/* Between processes. */
void trail_judge(struct town *);

#endif
