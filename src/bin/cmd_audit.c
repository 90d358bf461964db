/* `slipgate audit`: what it can do, and its smaller parts. It reads the store itself, beside a
 * running server or without one. */
#include "bin/cmd_audit.h"

#include "base/err.h"
#include "bin/options.h"
#include "wire/text.h"

#include <stdio.h>

int audit_failed(int rc, const struct buf *why)
{
    if (rc == E_CONFIG && why->n == 0)
        return EXIT_USAGE; /* said already */
    if (why->n == 0)
        return command_failed("the audit log cannot be read: %s", err_text(rc));
    return rc == E_CONFIG ? command_wrong("%.*s", (int)why->n, (const char *)why->p)
                          : command_failed("%.*s", (int)why->n, (const char *)why->p);
}

static int show_key(const struct cmdline *line, const struct config *config)
{
    uint8_t key[CHAIN_KEY];
    char text[2 * CHAIN_KEY + 1];
    struct buf why;
    (void)line;
    buf_init(&why, 2048);
    int rc = audit_public_key(config, key, &why);
    int code = rc ? audit_failed(rc, &why) : EXIT_FINE;
    if (rc == 0) {
        hex_encode(key, CHAIN_KEY, text);
        printf("%s\n", text);
    }
    buf_fini(&why);
    return code;
}

static int newest_head(struct audit_db *db, const char *node, struct buf *text)
{
    struct chain_head head;
    int rc = audit_db_newest_head(db, node, CHAIN_SIGNED, &head);
    if (rc == 0 && head.seq == 0)
        return E_NOENT;
    if (rc == 0)
        chain_head_write(text, &head);
    return rc;
}

static int show_head(const struct cmdline *line, const struct config *config)
{
    const char *node = cmdline_option(line, "node");
    struct audit_db db;
    struct buf text;
    buf_init(&text, 2048);
    node = node ? node : config_text(config, "server.node");
    int rc = audit_db_open(&db, config, &text);
    if (rc == 0) {
        rc = newest_head(&db, node, &text);
        audit_db_close(&db);
    }
    int code = rc == E_NOENT ? command_failed("%s has no signed head yet", node)
               : rc          ? audit_failed(rc, &text)
                             : EXIT_FINE;
    if (rc == 0)
        printf("%.*s\n", (int)text.n, (const char *)text.p);
    buf_fini(&text);
    return code;
}

static int list(const struct cmdline *line, const struct config *config)
{
    return audit_list(line, config, false);
}

static int tail(const struct cmdline *line, const struct config *config)
{
    return audit_list(line, config, true);
}

#define FILTERS " node account player type subtype json "

static const struct {
    const char *name;
    int (*run)(const struct cmdline *, const struct config *);
    const char *options; /* it takes, besides config and set */
} actions[] = {
    {"list", list, FILTERS "since until limit "},
    {"tail", tail, FILTERS "limit "},
    {"export", audit_export, " node "},
    {"verify", audit_verify, " node file head key "},
    {"key", show_key, " "},
    {"head", show_head, " node "},
};

static bool takes(const char *options, const char *name)
{
    char word[64];
    (void)snprintf(word, sizeof word, " %s ", name);
    return strcmp(name, "config") == 0 || strcmp(name, "set") == 0 || strstr(options, word);
}

static int run(const struct cmdline *line)
{
    struct config *config;
    size_t i = 0;
    while (i < ARRAY_LEN(actions) && strcmp(line->args[0], actions[i].name) != 0)
        i++;
    if (i == ARRAY_LEN(actions))
        return command_wrong("audit %s: give list, tail, export, verify, key or head",
                             line->args[0]);
    for (size_t k = 0; k < line->options_n; k++)
        if (!takes(actions[i].options, line->options[k].row->name))
            return command_wrong("audit %s does not take --%s; see `slipgate audit --help`",
                                 line->args[0], line->options[k].row->name);
    int code = options_config(line, &config);
    if (code)
        return code;
    code = actions[i].run(line, config);
    config_destroy(config);
    return code;
}

static const struct option_row options[] = {
    OPTION_CONFIG,
    OPTION_SET,
    {"node", "NAME", "the records of this process only, by its server.node"},
    {"account", "NAME", "list, tail: records of this account"},
    {"player", "NAME", "list, tail: records of this player name"},
    {"type", "TYPE", "list, tail: Account, GMCommand, Security, Trade or Item"},
    {"subtype", "SUBTYPE", "list, tail: for example SpeedHack"},
    {"since", "TIME",
     "list: not older; 2026-01-31, 2026-01-31T12:00:00 (UTC), or 90m, 12h, 7d ago"},
    {"until", "TIME", "list: older than that"},
    {"limit", "N", "list, tail: at most the newest N; 100, for tail 10"},
    {"json", NULL, "list, tail: one JSON object a line"},
    {"file", "FILE", "verify: an export instead of the store; - is standard input"},
    {"head", "HEAD", "verify: a copy of a signed head kept elsewhere, or a file with it"},
    {"key", "HEX", "verify: a public key heads may be signed with, besides our own; repeatable"},
};

const struct command command_audit = {
    .name = "audit",
    .summary = "Read, follow, export and verify the audit log",
    .arguments = "list|tail|export|verify|key|head",
    .args_min = 1,
    .args_max = 1,
    .options = options,
    .options_n = ARRAY_LEN(options),
    .details =
        "verify says in one line a chain whether it is whole, and else which record was edited,\n"
        "removed or moved first; it then ends with 1. Whoever can write the store could remove\n"
        "the newest records with the heads that tell of them: keep what head prints elsewhere\n"
        "from time to time, and give it back with --head. key prints the public key. export\n"
        "writes lines of JSON that verify --file reads. tail goes on until it is interrupted.\n",
    .examples = "  slipgate audit list --type GMCommand --since 7d\n"
                "  slipgate audit verify\n",
    .run = run,
};
