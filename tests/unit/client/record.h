/* Callbacks that write what they are told into a text, one line each, for comparison. */
#ifndef SLIPGATE_TESTS_CLIENT_RECORD_H
#define SLIPGATE_TESTS_CLIENT_RECORD_H

#include <slipgate/slipgate.h>

struct record {
    char text[65536];
    size_t n;
};

/* Callbacks whose user pointer is a struct record. */
void record_callbacks(struct slipgate_callbacks *);
/* Forgets what was recorded. */
void record_clear(struct record *);

#define assert_record(r, expected)                \
    do {                                          \
        assert_string_equal((r)->text, expected); \
        record_clear(r);                          \
    } while (0)

#endif
