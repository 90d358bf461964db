/* `slipgate account ...` (docs/moderation.md): with the server running over its control socket;
 * with none running on the store itself, under its lock. */
#include "bin/account_alone.h"
#include "bin/remote.h"
#include "core/ask.h"

#include <stdio.h>

/* ---- verbs that are more than one call ---- */

static int call_and_show(struct remote *r)
{
    int code = remote_call(r);
    if (code == EXIT_FINE)
        remote_show(r, buf_span(&r->result));
    return code;
}

static int with_password(struct remote *r, const struct remote_verb *verb)
{
    struct buf password;
    int code = remote_build(r, verb);
    if (code)
        return code;
    if (cmdline_has(r->line, "admin"))
        remote_number(r, "level", LEVEL_ADMIN);
    buf_init(&password, PASSWORD_LEGACY_MAX);
    code = remote_password(r->line, &password);
    if (code == EXIT_FINE) {
        remote_text(r, "password", buf_span(&password));
        code = call_and_show(r);
    }
    buf_fini_secret(&password);
    return code;
}

static int delete (struct remote *r, const struct remote_verb *verb)
{
    if (!cmdline_has(r->line, "yes"))
        return command_wrong("account delete: this cannot be undone; give --yes");
    int code = remote_build(r, verb);
    return code ? code : call_and_show(r);
}

/* What is asked for is a document: JSON in any case. */
static int export(struct remote *r, const struct remote_verb *verb)
{
    int code = remote_build(r, verb);
    if (code == EXIT_FINE)
        code = remote_call(r);
    if (code == EXIT_FINE)
        printf("%.*s\n", (int)r->result.n, (const char *)r->result.p);
    return code;
}

/* One call for each thing that is set. */
static int set(struct remote *r, const struct remote_verb *verb)
{
    static const char *const things[] = {"level", "email", "display-name", "notes"};
    const struct cmdline *line = r->line;
    struct cmdline whole = *line, one;
    int code = EXIT_FINE;
    unsigned n = 0;
    for (size_t i = 0; i < whole.options_n && code == EXIT_FINE; i++) {
        bool known = false;
        for (size_t k = 0; k < ARRAY_LEN(things); k++)
            known = known || strcmp(whole.options[i].row->name, things[k]) == 0;
        if (!known)
            continue;
        one = whole;
        one.options_n = 1;
        one.options[0] = whole.options[i];
        r->line = &one;
        n++;
        code = remote_build(r, verb);
        if (code == EXIT_FINE)
            code = remote_call(r);
    }
    r->line = line;
    if (n == 0)
        return command_wrong("account set: give --level, --email, --display-name or --notes");
    if (code == EXIT_FINE)
        remote_show(r, SPAN_NULL);
    return code;
}

static const struct remote_verb verbs[] = {
    {"create", "account create", "name", true, with_password},
    {"show", "account show", "name", true, NULL},
    {"list", "account list", "", true, NULL},
    {"set", "account set", "name", true, set},
    {"suspend", "account suspend", "name", true, NULL},
    {"unsuspend", "account unsuspend", "name", true, NULL},
    {"mute", "account mute", "name", true, NULL},
    {"unmute", "account unmute", "name", true, NULL},
    {"unlock", "account unlock", "name", true, NULL},
    {"password", "account password", "name", true, with_password},
    {"logout", "account logout", "name", true, NULL},
    {"delete", "account delete", "name", true, delete},
    {"export", "account export", "name", true, export},
    {"grant", "account grant", "name command", true, NULL},
    {"revoke", "account revoke", "name command", true, NULL},
    {"why", "account why", "name command", false, NULL},
    {"otp-enrol", "account otp-enrol", "name", true, NULL},
    {"otp-disable", "account otp-disable", "name", true, NULL},
};

static int run(const struct cmdline *line)
{
    return remote_run(line, verbs, ARRAY_LEN(verbs), account_alone);
}

static const struct option_row options[] = {
    OPTION_CONFIG,
    OPTION_SET,
    OPTION_JSON,
    {"admin", NULL, "create: level 3"},
    {"level", "N", "create, set: 1 player, 2 game master, 3 admin"},
    {"email", "ADDRESS", "create, set: nothing takes it away"},
    {"display-name", "TEXT", "set"},
    {"notes", "TEXT", "set: for staff"},
    {"password-stdin", NULL, "create, password: read it from standard input"},
    {"after", "NAME", "list: names behind this one"},
    {"most", "N", "list: at most so many"},
    {"yes", NULL, "delete: this cannot be undone"},
};

const struct command command_account = {
    .name = "account",
    .summary = "Make, look at, change and delete accounts",
    .arguments = "VERB [NAME [COMMAND]]",
    .args_min = 1,
    .args_max = 3,
    .options = options,
    .options_n = ARRAY_LEN(options),
    .details =
        "Verbs: create NAME, show NAME, list, set NAME, suspend NAME, unsuspend NAME, mute NAME,\n"
        "unmute NAME, unlock NAME, password NAME, logout NAME, delete NAME, export NAME,\n"
        "grant NAME COMMAND, revoke NAME COMMAND, why NAME COMMAND, otp-enrol NAME,\n"
        "otp-disable NAME. NAME is an account's name, or its email address.\n\n"
        "Passwords are asked for on the terminal, or read with --password-stdin. All but why work\n"
        "with the server stopped too, on the database itself. The first administrator is made\n"
        "like any other, with --admin.\n",
    .examples = "  slipgate account create --admin mary\n"
                "  slipgate account list --most 20\n"
                "  echo \"$PASSWORD\" | slipgate account password mary --password-stdin\n"
                "  slipgate account otp-enrol mary\n",
    .run = run,
};
