/* Keys of the server's own in data.dir: 32 random bytes in a file of mode 0600, as hexadecimal
 * digits and a line end. Made once and never replaced. */
#ifndef SLIPGATE_OS_KEY_FILE_H
#define SLIPGATE_OS_KEY_FILE_H

#include "base/buf.h"
#include "base/entropy.h"

#define KEY_FILE_BYTES 32u

/* Reads dir/WHAT.key; with entropy it is made where it is missing. E_NOENT: there is none;
 * E_REFUSED: others may read it; E_FORMAT: it holds something else; E_IO. why then says what and
 * how to mend it, in one line without a full stop. The caller wipes key. */
MUST_USE int key_file_open(uint8_t key[KEY_FILE_BYTES], const char *dir, const char *what,
                           struct entropy *, struct buf *why);

#endif
