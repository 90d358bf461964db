/* Where unpredictable bytes come from: the operating system in production, a seeded generator in
 * the simulator. A pool in front makes a 16-byte IV cost nanoseconds instead of a system call. */
#ifndef SLIPGATE_BASE_ENTROPY_H
#define SLIPGATE_BASE_ENTROPY_H

#include "base/types.h"

struct entropy {
    void (*fill)(struct entropy *, void *to, size_t n); /* never fails; aborts if the source does */
    size_t left;                                        /* unused bytes at the end of pool */
    uint8_t pool[4096];
};

/* fill is the source behind the pool. */
void entropy_init(struct entropy *e, void (*fill)(struct entropy *, void *, size_t));
void entropy_fini(struct entropy *e); /* wipes the pool */
/* Bytes handed out are wiped from the pool, so a later memory disclosure cannot reveal them. */
void entropy_get(struct entropy *e, void *to, size_t n);

#endif
