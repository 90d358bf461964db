/* Hexadecimal (lower case) and base64 (RFC 4648 section 4, padded). */
#ifndef SLIPGATE_WIRE_TEXT_H
#define SLIPGATE_WIRE_TEXT_H

#include "base/types.h"

/* Writes 2 * n characters and a NUL. */
void hex_encode(const void *p, size_t n, char *to);
/* Exactly 2 * n hex digits of either case into n bytes; E_FORMAT. */
MUST_USE int hex_decode(struct span text, void *to, size_t n);

#define BASE64_LEN(n) (((n) + 2) / 3 * 4)
/* Writes BASE64_LEN(n) characters and a NUL. */
void base64_encode(const void *p, size_t n, char *to);
/* Strict: canonical padding, no whitespace. Returns the length, E_FORMAT, or E_LIMIT over cap. */
MUST_USE int base64_decode(struct span text, void *to, size_t cap);

#endif
