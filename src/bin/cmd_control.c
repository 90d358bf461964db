/* `slipgate reload|drain|status|command`: the running server itself. */
#include "bin/remote.h"

static const struct remote_verb reload = {"", "reload", "", false, NULL};
static const struct remote_verb drain = {"", "drain", "", false, NULL};
static const struct remote_verb status = {"", "status", "", false, NULL};
static const struct remote_verb say = {"", "command", "line", false, NULL};

static int run_reload(const struct cmdline *line)
{
    return remote_run(line, &reload, 1, NULL);
}

static int run_drain(const struct cmdline *line)
{
    return remote_run(line, &drain, 1, NULL);
}

static int run_status(const struct cmdline *line)
{
    return remote_run(line, &status, 1, NULL);
}

static int run_say(const struct cmdline *line)
{
    return remote_run(line, &say, 1, NULL);
}

static const struct option_row options[] = {OPTION_CONFIG, OPTION_SET, OPTION_JSON};

static const struct option_row options_drain[] = {
    OPTION_CONFIG,
    OPTION_SET,
    OPTION_JSON,
    {"stop", NULL, "end the server when the players are gone"},
};

const struct command command_reload = {
    .name = "reload",
    .summary = "Have the running server read its configuration again",
    .arguments = "",
    .options = options,
    .options_n = ARRAY_LEN(options),
    .details = "Says what is wrong, if anything is; then nothing has changed.\n",
    .examples = "  slipgate config check && slipgate reload\n",
    .run = run_reload,
};

const struct command command_drain = {
    .name = "drain",
    .summary = "Have the running server let nobody in any more",
    .arguments = "",
    .options = options_drain,
    .options_n = ARRAY_LEN(options_drain),
    .details = "Those who play may finish within server.drain_timeout_s.\n",
    .examples = "  slipgate drain --stop\n",
    .run = run_drain,
};

const struct command command_status = {
    .name = "status",
    .summary = "How the running server is",
    .arguments = "",
    .options = options,
    .options_n = ARRAY_LEN(options),
    .examples = "  slipgate status\n"
                "  slipgate status --json | jq .services\n",
    .run = run_status,
};

const struct command command_command = {
    .name = "command",
    .summary = "Say a moderation command, as in chat, with an admin's rights",
    .arguments = "LINE",
    .args_min = 1,
    .args_max = 1,
    .options = options,
    .options_n = ARRAY_LEN(options),
    .details = "The answer is printed. See docs/moderation.md.\n",
    .examples = "  slipgate command '/kick bob'\n"
                "  slipgate command '/announce log The server restarts at noon.'\n",
    .run = run_say,
};
