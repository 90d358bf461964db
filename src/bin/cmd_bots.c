#include "bin/cmd_bots.h"

#include "base/err.h"

#include <math.h>
#include <stdio.h>

static bool gates_kept(const struct bots_results *r)
{
    bool kept = true;
    for (size_t i = 0; i < r->o->gates_n; i++) {
        const struct bots_gate *g = &r->o->gates[i];
        if (bots_gate_holds(g, &r->figures))
            continue;
        double v = r->figures.v[g->figure];
        if (isnan(v))
            (void)command_failed("bots: expected %s, but nothing was measured", g->text);
        else
            (void)command_failed("bots: expected %s, found %.12g", g->text, v);
        kept = false;
    }
    return kept;
}

static int judge(const struct bots_results *r)
{
    const struct bots_options *o = r->o;
    const struct bots_totals *t = r->t;
    if (r->error[0])
        (void)command_failed("bots: the first error: %s", r->error);
    bool stayed = t->interrupted || t->still_in + t->caught == o->players;
    bool good = t->in + t->caught == o->players && stayed && t->failed == 0 &&
                t->disconnects == 0 && t->errors == 0 && t->corrupt == 0 && t->foreign == 0;
    return gates_kept(r) && good ? EXIT_FINE : EXIT_FAILED;
}

static int run(const struct cmdline *line)
{
    struct bots_options o;
    struct bots_run *r;
    int code = bots_options_read(line, &o);
    if (code != 0)
        return code;
    int rc = bots_run_create(&r, &o);
    if (rc == E_CONFIG)
        return EXIT_USAGE;
    if (rc != 0)
        return command_failed("bots: %s", err_text(rc));
    rc = bots_run_play(r);
    if (rc != 0) {
        code = command_failed("bots: %s", err_text(rc));
    } else {
        struct bots_results found;
        bots_run_results(r, &found);
        (o.json ? bots_report_json : bots_report_table)(&found);
        code = judge(&found);
    }
    bots_run_destroy(r);
    return code;
}

static const struct option_row options[] = {
    {"server", "HOST:PORT", "where to play; default 127.0.0.1:8443"},
    {"players", "N", "how many; default 20"},
    {"room-size", "N", "players in a room; default 20"},
    {"rate", "HZ", "updates a second from each; default 20"},
    {"duration", "S", "measured seconds, 0: until interrupted; default 30"},
    {"ramp", "N", "logins begun in a second, 0: all at once; default 50"},
    {"names", "PREFIX", "players are PREFIX-0001 and so on; default bot"},
    {"password", "TEXT", "of all of them; default slipgate-bot"},
    {"udp", "auto|aead|cbc|plain", "protection of datagrams; auto prefers aead, else cbc"},
    {"verify", NULL, "check the certificate against trusted authorities; default but on loopback"},
    {"ca", "FILE", "trust the certificates in this PEM file instead of the system's"},
    {"pin", "FINGERPRINT", "accept exactly this certificate, SHA-256 or SHA-1"},
    {"insecure", NULL, "accept any certificate; default on loopback"},
    {"link", "NAME|FILE", "players behind bad links: wifi, 4g, bad-dsl, satellite or a FILE"},
    {"seed", "N", "of the links' luck: the same again for the same number; default 1"},
    {"limit", "UNITS", "drive at 95 % of so many units a second; default 38 to 58, as it comes"},
    {"cheat", "speed=N|teleport",
     "the last player of each room drives N times the limit, or jumps"},
    {"expect", "FIGURE<NUMBER", "exit with 1 unless so; < <= > >= ==; up to 32 times"},
    {"no-room", NULL, "stay in the lobby, and send all the same"},
    {"json", NULL, "close with one line of JSON instead of a table"},
    {"progress", NULL, "a line each second even if standard error is no terminal"},
};

const struct command command_bots = {
    .name = "bots",
    .summary = "Play: load generator and demo players",
    .arguments = "",
    .options = options,
    .options_n = ARRAY_LEN(options),
    .details =
        "Players log in, form rooms, and race round an oval; each opens what it receives. When "
        "the\n"
        "last one is in and all have heard each other, the measurement begins. It ends with a\n"
        "table, also after Ctrl-C. The names are registered with the first use of their password.\n"
        "Exit code 1: a player did not get in or was disconnected, a message arrived damaged or "
        "in\n"
        "the wrong room, or something given with --expect is not so. Figures for --expect:\n"
#define X(name, meaning) "  " #name ": " meaning "\n"
    BOTS_FIGURES(X)
#undef X
        "An update that --link took is neither expected nor lost. A name that is no link's is a "
        "FILE.\n",
    .examples = "  slipgate bots --players 20 --duration 30 --link wifi\n",
    .run = run,
};
