/* `slipgate config check|print`. What print writes is a configuration file that sets what is in
 * force: keys that have their default are commented out, unless --effective is given, and secrets
 * always. Printed where nothing is set, it is the file that is shipped. */
#include "bin/config_env.h"
#include "bin/config_file.h"
#include "bin/options.h"
#include "bin/rows.h"
#include "wire/json.h"

#include <stdio.h>

#define LINE_WIDTH 98u
#define SHOWN_MAX  60 /* bytes of a value within a comment */
#define MASK       "********"

static const char *const source_text[] = {
    [CONFIG_DEFAULT] = "the default",
    [CONFIG_FILE] = "from the file",
    [CONFIG_ENV] = "from the environment",
    [CONFIG_OPTION] = "from --set",
};

static const char *const when_text[] = {
    [CONFIG_LIVE] = "at once on reload",
    [CONFIG_NEW_CONNECTIONS] = "for new connections on reload",
    [CONFIG_RESTART] = "at restart",
};

/* A comment, broken between words. */
static void print_comment(const struct buf *text)
{
    size_t column = 0;
    for (struct span rest = buf_span(text); rest.n;) {
        const uint8_t *blank = memchr(rest.p, ' ', rest.n);
        size_t n = blank ? (size_t)(blank - rest.p) : rest.n;
        if (column && column + 1 + n > LINE_WIDTH) {
            (void)putchar('\n');
            column = 0;
        }
        column += (size_t)printf(column ? " %.*s" : "# %.*s", (int)n, (const char *)rest.p);
        rest = span_skip(rest, n + 1);
    }
    (void)putchar('\n');
}

static void print_section(const struct config *c, size_t i)
{
    const char *key = config_row_at(c, i)->key, *last = i ? config_row_at(c, i - 1)->key : "";
    size_t n = strcspn(key, ".");
    if (strncmp(key, last, n + 1) != 0)
        printf("\n[%.*s]\n", (int)n, key);
}

/* "# racing.port = 443 (the default). Meaning." and, on lines of their own, range and the like. */
static void print_about(const struct config_row *row, const char *value, enum config_source source)
{
    char env[CONFIG_KEY_MAX + sizeof "SLIPGATE_"];
    bool secret = row->type == CONFIG_SECRET;
    const char *end = row->meaning + strlen(row->meaning);
    struct buf text;
    buf_init(&text, 8192);
    const char *shown = !value[0] ? "nothing" : secret ? MASK : value;
    (void)buf_printf(&text, "%s = %.*s%s (%s", row->key, SHOWN_MAX, shown,
                     strlen(shown) > SHOWN_MAX ? "..." : "", source_text[source]);
    if (source != CONFIG_DEFAULT && !secret)
        (void)buf_printf(&text, "; default: %s", row->fallback[0] ? row->fallback : "nothing");
    (void)buf_printf(&text, "). %s%s", row->meaning, end[-1] == '.' ? "" : ".");
    print_comment(&text);
    buf_clear(&text);
    config_row_range(row, &text);
    (void)buf_printf(&text, "; a change takes effect %s; %s", when_text[row->when],
                     config_env_name(row->key, env));
    print_comment(&text);
    buf_fini(&text);
}

static void print_value(const struct config_row *row, const char *value, bool active)
{
    const char *name = strchr(row->key, '.') + 1;
    const char *fault = config_file_refuses(name, value);
    if (row->type == CONFIG_SECRET)
        printf("#%s =\n", name);
    else if (fault)
        printf("# only the environment can hold this value: %s\n", fault);
    else
        printf("%s%s =%s%s\n", active ? "" : "#", name, value[0] ? " " : "", value);
}

static void print_ini(const struct config *c, bool all)
{
    printf("# Configuration of slipgate. A key that is commented out has its default. --set and\n"
           "# the environment go before this file. `slipgate config check` says whether it is "
           "right.\n");
    for (size_t i = 0; i < config_count(c); i++) {
        const struct config_row *row = config_row_at(c, i);
        enum config_source source = config_source_at(c, i);
        print_section(c, i);
        (void)putchar('\n');
        print_about(row, config_text_at(c, i), source);
        print_value(row, config_text_at(c, i), all || source != CONFIG_DEFAULT);
    }
}

static void put_member(struct buf *to, const char *name, const char *value)
{
    (void)buf_printf(to, ",\"%s\":", name);
    json_put_string(to, span_str(value));
}

/* All values as the texts a file would hold; secrets are null. */
static void put_key(struct buf *to, const struct config *c, size_t i)
{
    static const char *const source_names[] = {"default", "file", "environment", "option"};
    const struct config_row *row = config_row_at(c, i);
    const struct limit_row *limit = rows_limit(row->key);
    char env[CONFIG_KEY_MAX + sizeof "SLIPGATE_"];
    struct buf range;
    buf_init(&range, 1024);
    config_row_range(row, &range);
    (void)buf_append_byte(&range, '\0');
    (void)buf_append_str(to, "{\"key\":");
    json_put_string(to, span_str(row->key));
    if (row->type == CONFIG_SECRET) {
        (void)buf_append_str(to, ",\"value\":null,\"default\":null");
    } else {
        put_member(to, "value", config_text_at(c, i));
        put_member(to, "default", row->fallback);
    }
    put_member(to, "source", source_names[config_source_at(c, i)]);
    put_member(to, "range", range.failed ? "" : (const char *)range.p);
    put_member(to, "takes_effect", when_text[row->when]);
    put_member(to, "environment", config_env_name(row->key, env));
    put_member(to, "meaning", row->meaning);
    if (limit) {
        put_member(to, "limits", limit->what);
        put_member(to, "enforced", limit->where);
    }
    (void)buf_append_byte(to, '}');
    buf_fini(&range);
}

static int print_json(const struct config *c)
{
    struct buf text;
    buf_init(&text, 1u << 20);
    for (size_t i = 0; i < config_count(c); i++) {
        (void)buf_append_str(&text, i ? ",\n" : "[");
        put_key(&text, c, i);
    }
    (void)buf_append_str(&text, "]\n");
    bool good = !text.failed && fwrite(text.p, 1, text.n, stdout) == text.n;
    buf_fini(&text);
    return good ? EXIT_FINE : command_failed("the configuration could not be printed");
}

static int print(const struct cmdline *line)
{
    struct config *c;
    int code = options_config(line, &c);
    if (code)
        return code;
    if (cmdline_has(line, "json"))
        code = print_json(c);
    else
        print_ini(c, cmdline_has(line, "effective"));
    config_destroy(c);
    return code;
}

static int check(const struct cmdline *line)
{
    struct config *c;
    int code = options_config(line, &c);
    if (code)
        return code;
    const char *path = options_file(line);
    printf("configuration is fine (%s)\n", path ? path : "no file");
    config_destroy(c);
    return EXIT_FINE;
}

static int run(const struct cmdline *line)
{
    if (strcmp(line->args[0], "check") == 0)
        return check(line);
    if (strcmp(line->args[0], "print") == 0)
        return print(line);
    return command_wrong("config %s: give check or print", line->args[0]);
}

static const struct option_row options[] = {
    OPTION_CONFIG,
    OPTION_SET,
    {"json", NULL, "print for machines"},
    {"effective", NULL, "comment no key out, so that a later change of a default changes nothing"},
};

const struct command command_config = {
    .name = "config",
    .summary = "Check the configuration, or print every key",
    .arguments = "check|print",
    .args_min = 1,
    .args_max = 1,
    .options = options,
    .options_n = ARRAY_LEN(options),
    .details =
        "check says whether the configuration is right, and if not, what to change.\n"
        "print writes a configuration file with every key, its value, where that comes from, its\n"
        "meaning and range. Keys at their default are commented out; secrets are masked.\n",
    .examples = "  slipgate config check --config new.ini\n"
                "  slipgate config print > slipgate.ini\n",
    .run = run,
};
