/* The configuration file: INI as libinih reads it, and what libinih would misread without a word (a
 * line past its limit, ` ;` within a value, an indented line, a NUL byte) refused by line number
 * instead. docs/operations.md, "Configuration". */
#ifndef SLIPGATE_BIN_CONFIG_FILE_H
#define SLIPGATE_BIN_CONFIG_FILE_H

#include "base/buf.h"
#include "core/config.h"

#define CONFIG_FILE_BYTES_MAX (256u * 1024)
#define SECRET_FILE_BYTES_MAX (64u * 1024)

/* Sets what the text says; name is what errors call the file. E_CONFIG with why in one line. */
MUST_USE int config_file_parse(struct config *, const char *name, struct span text,
                               struct buf *why);
/* The same from a file. E_CONFIG with why, also when it cannot be read. */
MUST_USE int config_file_load(struct config *, const char *path, struct buf *why);

/* Why a value cannot stand in a file, NULL when it can: what would be read back must be the value.
 */
const char *config_file_refuses(const char *name, const char *value);

/* Reads a whole regular file or pipe of at most max bytes. E_LIMIT, E_IO with errno set, E_NOMEM.
 */
MUST_USE int file_read(const char *path, size_t max, struct buf *ret);

#endif
