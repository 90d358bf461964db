/* The list of deliberate defects (base/plant.def) by name. */
#ifndef SLIPGATE_SIM_PLANTS_H
#define SLIPGATE_SIM_PLANTS_H

#include <stdbool.h>
#include <stddef.h>

struct plant_row {
    const char *name, *fault, *text; /* fault: what it needs to show; "": nothing */
};

/* From 1 on; NULL past the end. Its name is the identifier; see plant_name. */
const struct plant_row *plant_row(size_t i);
/* As it is written on the command line: in lower case, with hyphens. */
const char *plant_name(const struct plant_row *, char to[64]);
/* Switches one in, "none" for none. False: there is no such one. */
bool plant_choose(const char *name);

#endif
