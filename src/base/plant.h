/* Deliberate defects, one of which the simulator's build can switch on to prove that its oracles
 * would notice. Everywhere else PLANTED is plainly false and what stands behind it is not compiled
 * in. base/plant.def lists them. */
#ifndef SLIPGATE_BASE_PLANT_H
#define SLIPGATE_BASE_PLANT_H

#ifdef SLIPGATE_PLANTS

#define PLANT(id, fault, text) PLANT_##id,
enum plant {
    PLANT_NONE,
#include "base/plant.def"
    PLANTS_N
};
#undef PLANT

/* Set once, before the first call of anything; defined by the program that is built so. */
extern enum plant plant_set;

#define PLANTED(id) (plant_set == PLANT_##id)

#else

#include <stdbool.h>

#define PLANTED(id) false

#endif

#endif
