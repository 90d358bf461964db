/* Subcommands as rows: name, one-line summary, options, function. `--help` of the program and of
 * each subcommand, option parsing and the manual page's check all come from the rows. */
#ifndef SLIPGATE_BIN_COMMAND_H
#define SLIPGATE_BIN_COMMAND_H

#include "base/types.h"

/* What a command returns to the shell. */
enum exit_code {
    EXIT_FINE = 0,
    EXIT_FAILED = 1, /* failed while running */
    EXIT_USAGE = 2,  /* wrong use or configuration */
};

#define COMMAND_OPTIONS_MAX 32u /* rows of one command */
#define COMMAND_GIVEN_MAX   64u /* options and arguments on one command line */

struct option_row {
    const char *name;    /* "config" for --config */
    const char *value;   /* what --help calls its value, "FILE"; NULL: a flag */
    const char *meaning; /* one sentence without a full stop */
};

/* The two options of every command that reads the configuration; put them into its rows. */
#define OPTION_CONFIG                                                            \
    {                                                                            \
        "config", "FILE", "read this file instead of /etc/slipgate/slipgate.ini" \
    }
#define OPTION_SET                                                                       \
    {                                                                                    \
        "set", "SECTION.KEY=VALUE", "set one key, over file and environment; repeatable" \
    }

/* One command line taken apart; strings are argv's own. */
struct cmdline {
    const struct command *command;
    size_t options_n, args_n;
    struct {
        const struct option_row *row;
        const char *value; /* "" for a flag */
    } options[COMMAND_GIVEN_MAX];
    const char *args[COMMAND_GIVEN_MAX]; /* what is no option, in order */
};

struct command {
    const char *name, *summary;
    const char *arguments; /* for --help, after the name: "check|print"; "" for none */
    size_t args_min, args_max;
    const struct option_row *options;
    size_t options_n;
    const char *details;                /* further paragraphs of --help, or NULL */
    const char *examples;               /* lines of --help, each with its LF; or NULL */
    int (*run)(const struct cmdline *); /* an exit_code */
};

/* The last value given for an option, "" for a flag that was given, NULL when it was not. */
const char *cmdline_option(const struct cmdline *, const char *name);
bool cmdline_has(const struct cmdline *, const char *name);
/* An option's number, or fallback when it was not given. False, with the error on standard error:
 * it is no whole number of min..max. */
MUST_USE bool cmdline_int(const struct cmdline *, const char *name, int64_t min, int64_t max,
                          int64_t fallback, int64_t *ret);

/* One line on standard error, "slipgate: ..." and LF. Returns EXIT_USAGE or EXIT_FAILED, so that a
 * command can end with `return command_wrong(...)`. */
int command_wrong(const char *fmt, ...) PRINTF_LIKE(1, 2);
int command_failed(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Runs `slipgate argv[1]...`: an exit_code. */
int command_main(const struct command *const *commands, size_t n, int argc, char **argv);

/* Each is defined in its own cmd_*.c. */
extern const struct command command_serve, command_config, command_certificate, command_audit,
    command_bots, command_account, command_ban, command_session, command_room, command_reload,
    command_drain, command_status, command_command, command_migrate;

#endif
