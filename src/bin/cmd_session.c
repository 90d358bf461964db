/* `slipgate session ...`: who is online. */
#include "bin/remote.h"

static const struct remote_verb verbs[] = {
    {"list", "session list", "", false, NULL},
    {"kick", "session kick", "session", false, NULL},
    {"kick-all", "session kick", "", false, NULL},
};

static int run(const struct cmdline *line)
{
    return remote_run(line, verbs, ARRAY_LEN(verbs), NULL);
}

static const struct option_row options[] = {
    OPTION_CONFIG,
    OPTION_SET,
    OPTION_JSON,
    {"game", "NAME", "list: only of this game"},
    {"name", "NAME", "list: only players of this name"},
    {"after", "SESSION", "list: those behind this one, by their ids"},
    {"most", "N", "list: at most so many, and 1,000"},
    {"reason", "TEXT", "kick: what the player reads"},
    {"all", NULL, "kick-all: yes, everybody"},
};

const struct command command_session = {
    .name = "session",
    .summary = "List players who are online, or end their sessions",
    .arguments = "list|kick SESSION|kick-all",
    .args_min = 1,
    .args_max = 2,
    .options = options,
    .options_n = ARRAY_LEN(options),
    .details = "A server must be running.\n",
    .examples =
        "  slipgate session list --name bob\n"
        "  slipgate session kick 0123456789abcdef0123456789abcdef --reason 'See you tomorrow'\n",
    .run = run,
};
