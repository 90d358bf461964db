/* UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing past U+10FFFF. */
#ifndef SLIPGATE_BASE_UTF8_H
#define SLIPGATE_BASE_UTF8_H

#include "base/types.h"

/* Length (1 to 4) of the one valid sequence that p begins with, 0 if there is none. n >= 1. */
size_t utf8_sequence(const uint8_t *p, size_t n);
bool utf8_valid(struct span s);
/* Valid, min..max bytes, and free of control characters (C0, DEL, C1): what a name may be. */
bool utf8_is_name(struct span s, size_t min, size_t max);
/* Whether people see all of it: valid, no blank at an end, and nothing that is invisible, is a
 * blank that looks like another, or turns the direction of writing (the default ignorable
 * characters of Unicode 15.1, its spaces but U+0020, and U+2800). "" shows. */
bool utf8_shows(struct span s);

#endif
