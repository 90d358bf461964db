/* `slipgate migrate status|up`: which steps of the schema the database has, and applying those it
 * has not. status may be asked beside a running server; up wants the database for itself. */
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "bin/options.h"
#include "os/clock.h"
#include "store/store.h"
#include "wire/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define OUT_MAX   65536u
#define WHY_MAX   1024u
#define DATE_SIZE 32u

/* "2026-01-02T03:04:05Z" */
static void date_text(int64_t unix_ms, char to[DATE_SIZE])
{
    time_t t = (time_t)(unix_ms / 1000);
    struct tm tm;
    if (!gmtime_r(&t, &tm) || strftime(to, DATE_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        (void)snprintf(to, DATE_SIZE, "?");
}

static const char *state_of(const struct store_migration *m)
{
    return !m->known ? "applied by a newer program" : m->applied ? "applied" : "missing";
}

static void print_text(struct buf *to, const struct store_migration_list *list)
{
    size_t missing = 0, newer = 0;
    for (size_t i = 0; i < list->n; i++) {
        const struct store_migration *m = &list->v[i];
        char date[DATE_SIZE] = "";
        if (m->applied)
            date_text(m->applied_ms, date);
        (void)buf_printf(to, "%4" PRId64 "  %-20s  %-20s  %s\n", m->version, m->name, date,
                         state_of(m));
        missing += !m->applied;
        newer += !m->known;
    }
    if (newer)
        (void)buf_printf(to, "The database is newer than this program.\n");
    else if (missing)
        (void)buf_printf(to, "%zu missing: slipgate migrate up, or the server's next start.\n",
                         missing);
    else
        (void)buf_printf(to, "Up to date.\n");
}

static void print_json(struct buf *to, const struct store_migration_list *list)
{
    (void)buf_append_str(to, "{\"migrations\":[");
    for (size_t i = 0; i < list->n; i++) {
        const struct store_migration *m = &list->v[i];
        struct span name = span_str(m->name);
        (void)buf_printf(to, "%s{\"version\":", i ? "," : "");
        json_put_int(to, m->version);
        (void)buf_append_str(to, ",\"name\":");
        json_put_string(to, utf8_valid(name) ? name : SPAN_LIT("?"));
        (void)buf_printf(to, ",\"known\":%s,\"applied\":%s,\"applied_ms\":",
                         m->known ? "true" : "false", m->applied ? "true" : "false");
        if (m->applied)
            json_put_int(to, m->applied_ms);
        else
            (void)buf_append_str(to, "null");
        (void)buf_append_byte(to, '}');
    }
    (void)buf_append_str(to, "]}\n");
}

static int print(const struct cmdline *line, const struct store_migration_list *list)
{
    struct buf out;
    buf_init(&out, OUT_MAX);
    if (cmdline_has(line, "json"))
        print_json(&out, list);
    else
        print_text(&out, list);
    int rc = out.failed ? E_NOMEM : fwrite(out.p, 1, out.n, stdout) != out.n ? E_IO : 0;
    buf_fini(&out);
    return rc ? command_failed("migrate: %s", err_text(rc)) : EXIT_FINE;
}

static int run_with(const struct cmdline *line, const struct config *config)
{
    struct store_migration_list *list = mem_zalloc(1, sizeof *list);
    struct store_cfg cfg = {
        .url = config_text(config, "store.url"),
        .data_dir = config_text(config, "data.dir"),
    };
    struct buf why;
    if (!list)
        return command_failed("%s", err_text(E_NOMEM));
    buf_init(&why, WHY_MAX);
    bool up = strcmp(line->args[0], "up") == 0;
    int rc = store_schema(&cfg, up, clock_now().unix_ms, list, &why);
    int code = rc == 0          ? print(line, list)
               : why.n == 0     ? command_failed("%s", err_text(rc))
               : rc == E_CONFIG ? command_wrong("%.*s", (int)why.n, (const char *)why.p)
                                : command_failed("%.*s", (int)why.n, (const char *)why.p);
    buf_fini(&why);
    mem_free(list);
    return code;
}

static int run(const struct cmdline *line)
{
    struct config *config;
    if (strcmp(line->args[0], "status") != 0 && strcmp(line->args[0], "up") != 0)
        return command_wrong("migrate %s: give status or up", line->args[0]);
    int code = options_config(line, &config);
    if (code)
        return code;
    code = run_with(line, config);
    config_destroy(config);
    return code;
}

static const struct option_row options[] = {
    OPTION_CONFIG,
    OPTION_SET,
    {"json", NULL, "print one JSON object"},
};

const struct command command_migrate = {
    .name = "migrate",
    .summary = "Show the database's version, or bring it up to date",
    .arguments = "status|up",
    .args_min = 1,
    .args_max = 1,
    .options = options,
    .options_n = ARRAY_LEN(options),
    .details =
        "status lists every step of the schema with its name and when it was applied, and\n"
        "changes nothing. up applies those that are missing, each whole or not at all, with\n"
        "the database locked against others: stop the server first where it is SQLite. The\n"
        "server does the same when it starts.\n",
    .examples = "  slipgate migrate status\n",
    .run = run,
};
