/* Newline framing: lines end with LF (0x0A); one CR before it and a UTF-8 byte order mark in front
 * (both made by .NET writers) are not part of the line (docs/protocol-racing.md, "Lines"). */
#ifndef SLIPGATE_WIRE_LINE_H
#define SLIPGATE_WIRE_LINE_H

#include "base/types.h"

/* Takes the first line of in. 0: *line is its text (borrowed from in, LF, CR, BOM removed) and
 * *used how many bytes to drop. E_MORE: no LF yet, and not too long so far. E_LIMIT: the first line
 * is longer than max bytes (counted without LF, one CR and a BOM), whether or not its end is there.
 */
MUST_USE int line_next(struct span in, size_t max, struct span *line, size_t *used);

#endif
