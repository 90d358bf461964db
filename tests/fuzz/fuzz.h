/* What every fuzz target shares: the entry point's prototype and a check that stays in any build.
 */
#ifndef SLIPGATE_TESTS_FUZZ_FUZZ_H
#define SLIPGATE_TESTS_FUZZ_FUZZ_H

#include "base/types.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                             \
    do {                                                                       \
        if (!(cond)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond); \
            abort();                                                           \
        }                                                                      \
    } while (0)

/* Takes bytes off the front of an input to steer a target by; zeros when there are none left. */
static inline uint8_t fuzz_byte(struct span *in)
{
    uint8_t b = in->n ? in->p[0] : 0;
    *in = span_skip(*in, 1);
    return b;
}

#endif
