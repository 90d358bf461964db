/* `slipgate ban ...` (docs/moderation.md). */
#include "bin/remote.h"
#include "core/ban.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define CHUNK       24000u /* bytes of lines that one request of an import carries */
#define CHUNK_LINES 500u   /* and lines: fewer than the server can have under way */

struct import {
    struct remote *r;
    struct buf lines; /* that wait to be sent */
    uint32_t held;    /* how many those are */
    int64_t from;     /* number of the first of them */
    int64_t added, refused;
    bool told; /* what was wrong with some: the first ones say enough */
};

static int send_chunk(struct import *x)
{
    struct remote *r = x->r;
    struct buf errors;
    remote_begin(r, "ban import");
    remote_text(r, "lines", buf_span(&x->lines));
    remote_number(r, "from_line", x->from);
    if (cmdline_has(r->line, "force"))
        remote_flag(r, "force");
    buf_clear(&x->lines);
    x->from += x->held;
    x->held = 0;
    int code = remote_call(r);
    if (code)
        return code;
    x->added += remote_member_int(r, "added");
    x->refused += remote_member_int(r, "refused");
    buf_init(&errors, 16384);
    if (!x->told && remote_member_text(r, "errors", &errors) && errors.n) {
        x->told = true;
        (void)command_failed("%.*s", (int)errors.n, (const char *)errors.p);
    }
    buf_fini(&errors);
    return EXIT_FINE;
}

/* Line by line into chunks; what is wrong is said by the server, with the line's number. */
static int send_file(struct import *x, FILE *file)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    int code = EXIT_FINE;
    while (code == EXIT_FINE && (n = getline(&line, &cap, file)) >= 0) {
        if (x->held && (x->lines.n + (size_t)n > CHUNK || x->held == CHUNK_LINES))
            code = send_chunk(x);
        x->held++;
        if (code == EXIT_FINE && buf_append(&x->lines, line, (size_t)n))
            code = command_failed("a line is too long");
    }
    if (code == EXIT_FINE && ferror(file))
        code = command_failed("%s", strerror(errno));
    if (code == EXIT_FINE && x->held)
        code = send_chunk(x);
    free(line);
    return code;
}

static int import(struct remote *r, const struct remote_verb *verb)
{
    const char *path = r->line->args_n == 2 ? r->line->args[1] : NULL;
    struct import x = {.r = r, .from = 1};
    (void)verb;
    if (!path)
        return command_wrong("ban import needs: FILE; - is standard input");
    bool in = strcmp(path, "-") == 0;
    FILE *file = in ? stdin : fopen(path, "re");
    if (!file)
        return command_failed("%s: %s", path, strerror(errno));
    buf_init(&x.lines, 2 * CHUNK);
    int code = send_file(&x, file);
    buf_fini(&x.lines);
    if (!in)
        (void)fclose(file);
    if (code)
        return code;
    char text[96];
    int n = snprintf(text, sizeof text, "{\"added\":%lld,\"refused\":%lld}", (long long)x.added,
                     (long long)x.refused);
    remote_show(r, span_of(text, (size_t)n));
    return x.refused ? EXIT_FAILED : EXIT_FINE;
}

static int export(struct remote *r, const struct remote_verb *verb)
{
    struct buf lines;
    int64_t after = 0;
    int code;
    (void)verb;
    buf_init(&lines, 4u << 20);
    do {
        remote_begin(r, "ban export");
        remote_number(r, "after_id", after);
        code = remote_call(r);
        buf_clear(&lines);
        if (code == EXIT_FINE && remote_member_text(r, "lines", &lines))
            (void)fwrite(lines.p, 1, lines.n, stdout);
        after = remote_member_int(r, "after_id");
    } while (code == EXIT_FINE && remote_member_true(r, "more"));
    buf_fini(&lines);
    return code;
}

/* Whom to ban may stand by itself: what looks like an address is one, anything else is a name. */
static int add(struct remote *r, const struct remote_verb *verb)
{
    struct remote_verb known = *verb;
    struct ban net;
    const char *whom = r->line->args_n == 2 ? r->line->args[1] : NULL;
    if (whom)
        known.arguments =
            strpbrk(whom, "/:") || ban_net_parse(&net, whom) == 0 ? "address" : "account";
    int code = remote_build(r, &known);
    if (code == EXIT_FINE)
        code = remote_call(r);
    if (code == EXIT_FINE)
        remote_show(r, buf_span(&r->result));
    return code;
}

static const struct remote_verb verbs[] = {
    {"add", "ban add", "", false, add},          {"list", "ban list", "", false, NULL},
    {"remove", "ban remove", "id", false, NULL}, {"import", "ban import", "", false, import},
    {"export", "ban export", "", false, export},
};

static int run(const struct cmdline *line)
{
    return remote_run(line, verbs, ARRAY_LEN(verbs), NULL);
}

static const struct option_row options[] = {
    OPTION_CONFIG,
    OPTION_SET,
    OPTION_JSON,
    {"account", "NAME", "whom to ban: an account"},
    {"address", "NET", "or an address, or a network such as 203.0.113.0/24"},
    {"reason", "TEXT", "why, for people"},
    {"for-s", "N", "seconds until it ends; without it, it does not"},
    {"game", "NAME", "only in this game"},
    {"evidence", "TEXT", "what it rests on"},
    {"force", NULL, "also networks that hold very many addresses"},
    {"after-id", "N", "list: bans made after this one"},
    {"most", "N", "list: at most so many"},
};

const struct command command_ban = {
    .name = "ban",
    .summary = "Ban accounts, addresses and networks",
    .arguments = "add WHOM|list|remove ID|import FILE|export",
    .args_min = 1,
    .args_max = 2,
    .options = options,
    .options_n = ARRAY_LEN(options),
    .details =
        "WHOM is an address, a network such as 203.0.113.0/24, or an account's name.\n"
        "\n"
        "  slipgate ban add 203.0.113.0/24 --reason spam --for-s 3600\n"
        "  slipgate ban add bob --reason insults --game racing\n"
        "\n"
        "add ends the sessions it covers at once. export writes one JSON object a line, and\n"
        "import reads such; - is standard input. A server must be running.\n",
    .examples = "  slipgate ban add --address 203.0.113.0/24 --for-s 86400 --reason bots\n"
                "  slipgate ban add --account bob --reason cheating\n"
                "  slipgate ban export > bans.jsonl\n",
    .run = run,
};
