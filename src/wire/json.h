/* JSON (RFC 8259), read in place and written compactly; no tree, no allocation.
 *
 * Reading: json_check walks a text once and says whether it is exactly one valid value (strict
 * grammar, valid UTF-8, surrogate pairs whole, depth limited, nothing but whitespace behind it).
 * After that json_object picks the wanted members of an object out of it; values stay slices of
 * the text and are converted on demand. Keys are compared after unescaping, letter case counts, the
 * last of duplicate keys wins, unknown keys are skipped.
 *
 * Thread safety: no state. Limits: depth and the sizes of what the caller hands in. */
#ifndef SLIPGATE_WIRE_JSON_H
#define SLIPGATE_WIRE_JSON_H

#include "base/buf.h"
#include "base/types.h"

#define JSON_DEPTH_MAX 64u /* nesting of arrays and objects: 64 is accepted, 65 refused */
#define JSON_NAMES_MAX 32u /* members one json_object call can pick */

enum json_type {
    JSON_ABSENT = 0,
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json_val {
    enum json_type type;
    struct span raw; /* the value's text, quotes and brackets included, no surrounding whitespace */
};

/* Type of the one value in text (> 0), or E_FORMAT. */
MUST_USE int json_check(struct span text);

/* Validates text as json_check does and, if it is an object, fills out[i] with its member names[i]
 * (JSON_ABSENT where there is none, and everywhere if it is no object). Returns the value's type or
 * E_FORMAT, out then being worth nothing. One pass: made for the datagram path. text may also be
 * the raw of a nested object. n <= JSON_NAMES_MAX. */
MUST_USE int json_object(struct span text, const char *const *names, size_t n,
                         struct json_val *out);

/* Walks the elements of an array value of a checked text: start with *at = 0; false at the end. */
bool json_next(struct span array, size_t *at, struct json_val *ret);

/* The same for the members of an object, duplicates included, in text order; name is the text
 * between its quotes, escapes left as they are; compare it with json_name_is alone, because
 * "\u0061" is "a". */
bool json_member(struct span object, size_t *at, struct span *name, struct json_val *ret);
bool json_name_is(struct span name, const char *want);

/* Unescapes a string value into to; returns its length in bytes, or E_LIMIT when cap is too small,
 * E_FORMAT when v is no string. Never adds a NUL; the result may hold NUL bytes (from \u0000). */
MUST_USE int json_string(const struct json_val *v, void *to, size_t cap);
/* Like json_string without copying when nothing is escaped: returns the slice of the text, or the
 * bytes written to scratch. E_LIMIT, E_FORMAT as json_string. */
MUST_USE int json_string_view(const struct json_val *v, void *scratch, size_t cap,
                              struct span *ret);
/* Finite double of a number value; E_RANGE when it overflows, E_FORMAT when v is no number.
 * Independent of the process locale. */
MUST_USE int json_double(const struct json_val *v, double *ret);
/* Finite float, rounded once, from the text; E_RANGE beyond FLT_MAX. */
MUST_USE int json_float(const struct json_val *v, float *ret);
/* An integer literal: E_FORMAT with a fraction or an exponent, E_RANGE when it does not fit. */
MUST_USE int json_int(const struct json_val *v, int64_t *ret);

/* Writing. Strings must be valid UTF-8 (CHECKed by the caller's decoder, not here); quotes,
 * backslash and control characters are escaped, everything else is written raw. Errors stay in
 * b->failed. */
void json_put_string(struct buf *b, struct span s);
/* The first of %.6g to %.9g that reads back as the same float: 66, -2, 0.8, 1e-05. A f that is not
 * finite has no JSON: it fails the buffer. */
void json_put_float(struct buf *b, float f);
void json_put_int(struct buf *b, int64_t v);

#endif
