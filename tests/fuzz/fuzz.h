/* What every fuzz target shares: the entry point's prototype, a check that stays in any build, and
 * for the structured targets (f_*_shape.c and others that build something valid first) the means to
 * take choices off the input and to damage what was built.
 *
 * A structured target takes its choices from the front of the input, builds a message, checks that
 * it decodes to what was built, damages it with what is left of the input, and checks that it is
 * now refused or means what another reading of it says. */
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

/* The next bytes as a number, at most eight of them. */
static inline uint64_t fuzz_number(struct span *in, size_t bytes)
{
    uint64_t v = 0;
    while (bytes--)
        v = v << 8 | fuzz_byte(in);
    return v;
}

/* 0 to n - 1; n > 0. */
static inline size_t fuzz_below(struct span *in, size_t n)
{
    return (size_t)fuzz_number(in, n <= 256 ? 1 : n <= 65536 ? 2 : 4) % n;
}

static inline bool fuzz_chance(struct span *in, uint8_t of_256)
{
    return fuzz_byte(in) < of_256;
}

/* Up to n bytes of the input. */
static inline struct span fuzz_take(struct span *in, size_t n)
{
    struct span s = {in->p, n < in->n ? n : in->n};
    *in = span_skip(*in, s.n);
    return s;
}

static inline void *fuzz_alloc(size_t n)
{
    void *p = malloc(n ? n : 1);
    MUST(p);
    return p;
}

/* A copy in a block of exactly its size, so that a sanitizer sees a read past its end. */
static inline uint8_t *fuzz_copy(struct span s)
{
    uint8_t *p = fuzz_alloc(s.n);
    if (s.n)
        memcpy(p, s.p, s.n);
    return p;
}

/* The same with a NUL behind it: a C string, up to its first NUL. */
static inline char *fuzz_string(struct span s)
{
    char *p = fuzz_alloc(s.n + 1);
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

/* A damaged copy of was, in a block of exactly its size that the caller frees: a bit flipped, a
 * byte changed, added, taken out or moved, the end cut off, or a piece doubled. */
static inline struct span fuzz_damage(struct span *in, struct span was)
{
    size_t at = was.n ? fuzz_below(in, was.n) : 0, n = was.n;
    uint8_t how = (uint8_t)(fuzz_byte(in) % 7), b = fuzz_byte(in);
    uint8_t *p = fuzz_alloc(n + n + 1);
    if (n)
        memcpy(p, was.p, n);
    if (n == 0 || how == 0) {
        memmove(p + at + 1, p + at, n - at);
        p[at] = b;
        n++;
    } else if (how == 1) {
        p[at] ^= (uint8_t)(1 << b % 8);
    } else if (how == 2) {
        p[at] = b;
    } else if (how == 3) {
        memmove(p + at, p + at + 1, n - at - 1);
        n--;
    } else if (how == 4) {
        n = at;
    } else if (how == 5) {
        uint8_t t = p[at];
        p[at] = p[b % n];
        p[b % n] = t;
    } else {
        size_t piece = b < n - at ? b : n - at;
        memmove(p + at + piece, p + at, n - at);
        n += piece;
    }
    struct span s = {fuzz_copy(span_of(p, n)), n};
    free(p);
    return s;
}

static inline void fuzz_free(struct span s)
{
    free((void *)(uintptr_t)s.p);
}

#endif
