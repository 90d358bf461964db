#include "bin/options.h"

#include "base/err.h"
#include "bin/config_check.h"
#include "bin/config_env.h"
#include "bin/config_file.h"
#include "bin/rows.h"

#include <stdio.h>
#include <unistd.h>

const char *options_file(const struct cmdline *line)
{
    const char *given = cmdline_option(line, "config");
    if (given)
        return given;
    return access(OPTIONS_CONFIG_PATH, F_OK) == 0 ? OPTIONS_CONFIG_PATH : NULL;
}

static int set_option(struct config *c, const char *text, struct buf *why)
{
    const char *eq = strchr(text, '=');
    if (!eq) {
        (void)buf_printf(why, "--set %s: write --set SECTION.KEY=VALUE", text);
        return E_CONFIG;
    }
    (void)buf_append_str(why, "--set: ");
    int rc =
        config_set(c, span_of(text, (size_t)(eq - text)), span_str(eq + 1), CONFIG_OPTION, why);
    if (rc == 0)
        buf_clear(why);
    return rc == 0 || rc == E_NOMEM ? rc : E_CONFIG;
}

static int fill(const struct cmdline *line, struct config *c, struct buf *warnings, struct buf *why)
{
    const char *path = options_file(line);
    int rc = path ? config_file_load(c, path, why) : 0;
    if (rc == 0)
        rc = config_env_load(c, (const char *const *)environ, warnings, why);
    for (size_t i = 0; i < line->options_n && rc == 0; i++)
        if (strcmp(line->options[i].row->name, "set") == 0)
            rc = set_option(c, line->options[i].value, why);
    return rc ? rc : config_check(c, why);
}

int options_load(const struct cmdline *line, struct config **ret, struct buf *warnings,
                 struct buf *why)
{
    struct config *c;
    int rc = rows_config(&c);
    if (rc == 0) {
        rc = fill(line, c, warnings, why);
        if (rc)
            config_destroy(c);
        else
            *ret = c;
    }
    if (rc == E_NOMEM)
        (void)buf_append_str(why, err_text(rc));
    return rc;
}

static void show_warnings(struct span lines)
{
    while (lines.n) {
        const uint8_t *lf = memchr(lines.p, '\n', lines.n);
        size_t n = lf ? (size_t)(lf - lines.p) : lines.n;
        (void)fprintf(stderr, "slipgate: warning: %.*s\n", (int)n, (const char *)lines.p);
        lines = span_skip(lines, n + 1);
    }
}

int options_config(const struct cmdline *line, struct config **ret)
{
    struct buf warnings, why;
    buf_init(&warnings, 65536);
    buf_init(&why, 2048);
    int rc = options_load(line, ret, &warnings, &why);
    if (rc)
        (void)command_wrong("%.*s", (int)why.n, why.n ? (const char *)why.p : "");
    else
        show_warnings(buf_span(&warnings));
    buf_fini(&warnings);
    buf_fini(&why);
    return rc == 0 ? 0 : rc == E_NOMEM ? EXIT_FAILED : EXIT_USAGE;
}
