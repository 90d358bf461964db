/* `slipgate serve`. */
#include "base/err.h"
#include "bin/app.h"

#include <stdio.h>

static int run(const struct cmdline *line)
{
    struct config *config;
    struct app *app;
    struct buf why;
    int code = options_config(line, &config);
    if (code)
        return code;
    buf_init(&why, 4096);
    int rc = app_create(&app, line, config, &why);
    if (rc) {
        code = why.n ? command_failed("%.*s", (int)why.n, (const char *)why.p)
                     : command_failed("cannot start: %s", err_text(rc));
    } else {
        app_run(app);
        app_destroy(app);
    }
    buf_fini(&why);
    return code;
}

static const struct option_row options[] = {OPTION_CONFIG, OPTION_SET};

const struct command command_serve = {
    .name = "serve",
    .summary = "Run the server in the foreground",
    .arguments = "",
    .options = options,
    .options_n = ARRAY_LEN(options),
    .details = "SIGTERM and SIGINT let players finish within server.drain_timeout_s, a second one\n"
               "ends it at once. SIGHUP reloads configuration, certificate and log file. SIGUSR1\n"
               "drains without an end.\n",
    .examples = "  slipgate serve --config slipgate.ini\n"
                "  slipgate serve --set data.dir=data --set log.level=debug\n",
    .run = run,
};
