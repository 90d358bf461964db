/* Where a command's configuration comes from: every module's rows joined, then the file, the
 * environment and --set, in rising precedence (docs/operations.md, "Configuration").
 *
 * The file is --config's, or /etc/slipgate/slipgate.ini if that exists. A command that calls this
 * has OPTION_CONFIG and OPTION_SET among its rows. */
#ifndef SLIPGATE_BIN_OPTIONS_H
#define SLIPGATE_BIN_OPTIONS_H

#include "base/buf.h"
#include "bin/command.h"
#include "core/config.h"

#define OPTIONS_CONFIG_PATH "/etc/slipgate/slipgate.ini"

/* Loads and checks the configuration; the caller destroys it. warnings gets one line for each thing
 * that is odd but no error, each ending in LF. E_CONFIG: why says in one line what is wrong and how
 * to mend it; the same for E_NOMEM. */
MUST_USE int options_load(const struct cmdline *, struct config **ret, struct buf *warnings,
                          struct buf *why);

/* The same for a command's start: errors and warnings are on standard error already; 0, or the exit
 * code to end with. */
MUST_USE int options_config(const struct cmdline *, struct config **ret);

/* The path of the file that options_load reads, NULL when there is none. */
const char *options_file(const struct cmdline *);

#endif
