#include "bin/command.h"

#include "base/check.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const struct option_row *row_of(const struct cmdline *c, const char *name)
{
    for (size_t i = 0; i < c->command->options_n; i++)
        if (strcmp(c->command->options[i].name, name) == 0)
            return &c->command->options[i];
    UNREACHABLE();
}

const char *cmdline_option(const struct cmdline *c, const char *name)
{
    const struct option_row *row = row_of(c, name);
    for (size_t i = c->options_n; i-- > 0;)
        if (c->options[i].row == row)
            return c->options[i].value;
    return NULL;
}

bool cmdline_has(const struct cmdline *c, const char *name)
{
    return cmdline_option(c, name) != NULL;
}

bool cmdline_int(const struct cmdline *c, const char *name, int64_t min, int64_t max,
                 int64_t fallback, int64_t *ret)
{
    const char *text = cmdline_option(c, name);
    char *end;
    *ret = fallback;
    if (!text)
        return true;
    errno = 0;
    intmax_t v = strtoimax(text, &end, 10);
    bool good = errno == 0 && end != text && *end == '\0' && v >= min && v <= max;
    if (good)
        *ret = v;
    else
        (void)command_wrong("--%s: \"%s\" is not accepted; give %" PRId64 " to %" PRId64, name,
                            text, min, max);
    return good;
}

/* One write for one line, so that lines of several processes do not mix. */
static void put_error(const char *text)
{
    char line[2048 + sizeof "slipgate: \n"];
    int n = snprintf(line, sizeof line, "slipgate: %s\n", text);
    (void)fwrite(line, 1, n < 0 ? 0 : (size_t)n, stderr);
}

int command_wrong(const char *fmt, ...)
{
    char text[2048];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    put_error(text);
    return EXIT_USAGE;
}

int command_failed(const char *fmt, ...)
{
    char text[2048];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    put_error(text);
    return EXIT_FAILED;
}

static void help_row(const char *left, const char *right)
{
    printf("  %-28s %s\n", left, right);
}

static int help_program(const struct command *const *commands, size_t n)
{
    printf("Usage: slipgate COMMAND [OPTION]...\n\n"
           "A game server: multiplayer games on one account system.\n\nCommands:\n");
    for (size_t i = 0; i < n; i++)
        help_row(commands[i]->name, commands[i]->summary);
    printf("\nOptions:\n");
    help_row("--help", "show this, or after a command that command's help");
    help_row("--version", "show the version");
    printf("\nExit codes: 0 fine, 1 failed while running, 2 wrong use or configuration.\n");
    return EXIT_FINE;
}

static int help_command(const struct command *c)
{
    char left[64];
    printf("Usage: slipgate %s%s%s [OPTION]...\n\n%s.\n\nOptions:\n", c->name,
           c->arguments[0] ? " " : "", c->arguments, c->summary);
    for (size_t i = 0; i < c->options_n; i++) {
        const struct option_row *row = &c->options[i];
        snprintf(left, sizeof left, "--%s%s%s", row->name, row->value ? " " : "",
                 row->value ? row->value : "");
        help_row(left, row->meaning);
    }
    help_row("--help", "show this");
    if (c->details)
        printf("\n%s", c->details);
    if (c->examples)
        printf("\nExamples:\n%s", c->examples);
    return EXIT_FINE;
}

static int show_version(void)
{
    printf("slipgate %s\n", SLIPGATE_VERSION);
    return EXIT_FINE;
}

enum { PARSE_RUN = -1 }; /* no exit code: go on and run the command */

static int wrong_option(const struct command *c, int code, char **argv)
{
    const char *given = argv[optind - 1];
    return command_wrong(code == ':' ? "%s needs a value; see `slipgate %s --help`"
                                     : "%s is not an option here; see `slipgate %s --help`",
                         given, c->name);
}

/* argv[0] is the command's name. */
static int parse(const struct command *c, int argc, char **argv, struct cmdline *ret)
{
    struct option rows[COMMAND_OPTIONS_MAX + 2] = {{0}};
    int help = (int)c->options_n, at;
    CHECK(c->options_n <= COMMAND_OPTIONS_MAX);
    for (size_t i = 0; i < c->options_n; i++) {
        rows[i].name = c->options[i].name;
        rows[i].has_arg = c->options[i].value ? required_argument : no_argument;
    }
    rows[help].name = "help";
    optind = 0; /* start anew */
    for (int code; (code = getopt_long(argc, argv, ":h", rows, &at)) != -1;) {
        if (code == 'h' || (code == 0 && at == help)) {
            (void)help_command(c);
            return EXIT_FINE;
        }
        if (code != 0)
            return wrong_option(c, code, argv);
        if (ret->options_n == COMMAND_GIVEN_MAX)
            return command_wrong("more than %u options", COMMAND_GIVEN_MAX);
        ret->options[ret->options_n].row = &c->options[at];
        ret->options[ret->options_n++].value = optarg ? optarg : "";
    }
    for (; optind < argc; optind++) {
        if (ret->args_n == COMMAND_GIVEN_MAX)
            return command_wrong("more than %u arguments", COMMAND_GIVEN_MAX);
        ret->args[ret->args_n++] = argv[optind];
    }
    if (ret->args_n < c->args_min || ret->args_n > c->args_max)
        return command_wrong("%s %s; see `slipgate %s --help`", c->name,
                             ret->args_n > c->args_max ? "does not take that argument"
                                                       : "needs one argument more",
                             c->name);
    return PARSE_RUN;
}

/* What was printed may not have reached its file: a full disk is a failure. */
static int finish(int code)
{
    if (fflush(stdout) || ferror(stdout))
        return code ? code : command_failed("standard output: %s", strerror(errno));
    return code;
}

int command_main(const struct command *const *commands, size_t n, int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (argc < 2)
        return command_wrong("name a command, for example `slipgate serve`; see `slipgate --help`");
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return finish(help_program(commands, n));
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0)
        return finish(show_version());
    for (size_t i = 0; i < n; i++) {
        if (strcmp(commands[i]->name, name) != 0)
            continue;
        struct cmdline line = {.command = commands[i]};
        int code = parse(commands[i], argc - 1, argv + 1, &line);
        return finish(code == PARSE_RUN ? commands[i]->run(&line) : code);
    }
    return command_wrong("\"%s\" is not a command; see `slipgate --help`", name);
}
