/* `slipgate room ...`. */
#include "bin/remote.h"

static const struct remote_verb verbs[] = {
    {"list", "room list", "", false, NULL},
    {"close", "room close", "room", false, NULL},
    {"close-all", "room close", "", false, NULL},
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
    {"after", "ROOM", "list: those behind this one, by their ids"},
    {"most", "N", "list: at most so many, and 1,000"},
    {"all", NULL, "close-all: yes, every room"},
};

const struct command command_room = {
    .name = "room",
    .summary = "List rooms, or close them",
    .arguments = "list|close ROOM|close-all",
    .args_min = 1,
    .args_max = 2,
    .options = options,
    .options_n = ARRAY_LEN(options),
    .details = "Players of a closed room stay connected. A server must be running.\n",
    .examples = "  slipgate room list\n"
                "  slipgate room close 0123456789abcdef0123456789abcdef\n",
    .run = run,
};
