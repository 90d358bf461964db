/* The machine's clocks and its entropy. Everything below os/ is handed time and random bytes. */
#ifndef SLIPGATE_OS_CLOCK_H
#define SLIPGATE_OS_CLOCK_H

#include "base/entropy.h"
#include "base/types.h"

/* CLOCK_MONOTONIC and CLOCK_REALTIME, read now. Any thread. */
struct now clock_now(void);
/* A pool filled by getrandom(2); waits for the kernel's generator to be seeded once at boot. */
void clock_entropy_init(struct entropy *e);

#endif
