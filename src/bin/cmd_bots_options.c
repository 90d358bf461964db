#include "base/addr.h"
#include "base/err.h"
#include "bin/cmd_bots.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SERVER_DEFAULT "127.0.0.1:8443"
#define CHEAT_LIMIT    60.0  /* without --limit */
#define CHEAT_JUMP     400.0 /* units */

/* "host", "host:port", "[v6]", "[v6]:port". */
static bool split_server(const char *text, struct bots_options *o)
{
    const char *colon = strrchr(text, ':'), *host = text;
    size_t n = strlen(text);
    long port = 443;
    if (text[0] == '[') {
        const char *end = strchr(text, ']');
        if (!end || (end[1] != '\0' && end[1] != ':'))
            return false;
        host = text + 1;
        n = (size_t)(end - host);
        colon = end[1] ? end + 1 : NULL;
    } else if (colon && strchr(text, ':') == colon) {
        n = (size_t)(colon - text);
    } else {
        colon = NULL; /* none, or a bare IPv6 address */
    }
    if (colon) {
        char *end;
        port = strtol(colon + 1, &end, 10);
        if (colon[1] < '0' || colon[1] > '9' || *end != '\0')
            return false;
    }
    if (n == 0 || n > BOTS_HOST_MAX || port < 1 || port > 65535)
        return false;
    memcpy(o->host, host, n);
    o->host[n] = '\0';
    o->port = (uint16_t)port;
    return true;
}

static bool read_rate(const struct cmdline *line, const char *name, double max, double fallback,
                      double *ret)
{
    const char *text = cmdline_option(line, name);
    char *end;
    *ret = fallback;
    if (!text)
        return true;
    double v = strtod(text, &end);
    bool good = end != text && *end == '\0' && isfinite(v) && v >= 0 && v <= max;
    if (good)
        *ret = v;
    else
        (void)command_wrong("--%s: \"%s\" is not accepted; give 0 to %g", name, text, max);
    return good;
}

static bool read_udp(const struct cmdline *line, struct bots_options *o)
{
    static const struct {
        const char *name;
        enum slipgate_udp_policy udp;
    } rows[] = {{"auto", SLIPGATE_UDP_PREFER_AEAD},
                {"aead", SLIPGATE_UDP_REQUIRE_AEAD},
                {"cbc", SLIPGATE_UDP_ONLY_CBC},
                {"plain", SLIPGATE_UDP_ONLY_PLAIN}};
    const char *text = cmdline_option(line, "udp");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(text ? text : "auto", rows[i].name) == 0) {
            o->udp = rows[i].udp;
            return true;
        }
    (void)command_wrong("--udp: \"%s\" is not accepted; give auto, aead, cbc or plain", text);
    return false;
}

static bool is_loopback(const char *host)
{
    struct addr a;
    return strcmp(host, "localhost") == 0 || (addr_parse(&a, host) == 0 && addr_is_loopback(&a));
}

/* On one's own machine the certificate proves nothing, so there it is not asked for. */
static bool read_verify(const struct cmdline *line, struct bots_options *o)
{
    bool verify = cmdline_has(line, "verify"), none = cmdline_has(line, "insecure");
    o->pin = cmdline_option(line, "pin");
    o->ca_file = cmdline_option(line, "ca");
    if ((verify || o->ca_file ? 1 : 0) + (o->pin ? 1 : 0) + (none ? 1 : 0) > 1) {
        (void)command_wrong("give only one of --verify (with --ca), --pin and --insecure");
        return false;
    }
    if (o->pin)
        o->verify = SLIPGATE_VERIFY_PIN;
    else if (none || (!verify && !o->ca_file && is_loopback(o->host)))
        o->verify = SLIPGATE_VERIFY_NONE;
    else
        o->verify = SLIPGATE_VERIFY_CA;
    return true;
}

/* All of a small file as a string; 0, or the error's number (EFBIG: it is too long or no text). */
static int read_small(const char *path, char *to, size_t cap)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return errno;
    errno = 0;
    size_t n = fread(to, 1, cap, f);
    int error = ferror(f) ? (errno ? errno : EIO) : 0;
    (void)fclose(f);
    if (error == 0 && (n == cap || memchr(to, '\0', n)))
        error = EFBIG;
    to[n < cap ? n : cap - 1] = '\0';
    return error;
}

/* A link's name, or else a file's. */
static bool read_link(const struct cmdline *line, struct bots_options *o)
{
    char why[256];
    const char *given = cmdline_option(line, "link");
    if (!given)
        return true;
    const char *text = slipgate_link_text(given);
    int error = text ? 0 : read_small(given, o->link, sizeof o->link);
    if (error == EFBIG) {
        (void)command_wrong("--link: \"%s\" is no text of at most %u bytes", given,
                            SLIPGATE_LINK_TEXT_MAX);
        return false;
    }
    if (error) {
        (void)command_wrong(
            "--link: \"%s\" is neither wifi, 4g, bad-dsl nor satellite, and as a file: "
            "%s",
            given, strerror(error));
        return false;
    }
    if (!text && !o->link[0]) {
        (void)command_wrong("--link: \"%s\" is empty; write lines of key = value", given);
        return false;
    }
    if (text)
        memcpy(o->link, text, strlen(text) + 1);
    o->link_name = given;
    o->link_known = text != NULL;
    int ms = slipgate_link_check(o->link, why, sizeof why);
    o->link_ms = ms > 0 ? (uint32_t)ms : 0;
    if (ms < 0)
        (void)command_wrong("--link: %s: %s", given, why);
    return ms > 0;
}

/* speed=N or teleport. */
static bool read_cheat(const struct cmdline *line, struct bots_options *o)
{
    const char *text = cmdline_option(line, "cheat");
    char *end;
    if (!read_rate(line, "limit", 1000000, 0, &o->limit))
        return false;
    if (!text)
        return true;
    if (strcmp(text, "teleport") == 0) {
        o->cheat_jump = CHEAT_JUMP;
    } else {
        bool speed = strncmp(text, "speed=", 6) == 0;
        o->cheat_pace = speed ? strtod(text + 6, &end) : 0;
        if (!speed || end == text + 6 || *end != '\0' || !(o->cheat_pace >= 0.1) ||
            o->cheat_pace > 1000) {
            (void)command_wrong(
                "--cheat: \"%s\" is not accepted; give teleport, or speed= and 0.1 to 1000", text);
            return false;
        }
    }
    if (o->limit == 0)
        o->limit = CHEAT_LIMIT;
    return true;
}

static bool read_gates(const struct cmdline *line, struct bots_options *o)
{
    char why[256];
    for (size_t i = 0; i < line->options_n; i++) {
        if (strcmp(line->options[i].row->name, "expect") != 0)
            continue;
        if (o->gates_n == BOTS_GATES_MAX) {
            (void)command_wrong("--expect: give at most %u", BOTS_GATES_MAX);
            return false;
        }
        if (!bots_gate_read(&o->gates[o->gates_n++], line->options[i].value, why, sizeof why)) {
            (void)command_wrong("--expect: %s", why);
            return false;
        }
    }
    return true;
}

int bots_options_read(const struct cmdline *line, struct bots_options *o)
{
    int64_t players, room_size, duration_s, seed;
    const char *server = cmdline_option(line, "server");
    *o = (struct bots_options){.names = "bot", .password = "slipgate-bot"};
    if (!split_server(server ? server : SERVER_DEFAULT, o))
        return command_wrong("--server: \"%s\" is not accepted; give HOST:PORT", server);
    if (!cmdline_int(line, "players", 1, BOTS_PLAYERS_MAX, 20, &players) ||
        !cmdline_int(line, "room-size", 1, BOTS_ROOM_SIZE_MAX, 20, &room_size) ||
        !cmdline_int(line, "duration", 0, 30 * 86400, 30, &duration_s) ||
        !read_rate(line, "rate", 1000, 20, &o->rate_hz) ||
        !read_rate(line, "ramp", 10000, 50, &o->ramp_per_s) || !read_udp(line, o) ||
        !cmdline_int(line, "seed", 0, INT64_MAX, 1, &seed) || !read_verify(line, o) ||
        !read_link(line, o) || !read_cheat(line, o) || !read_gates(line, o))
        return EXIT_USAGE;
    if (o->rate_hz < 0.01)
        return command_wrong("--rate: give at least 0.01");
    if (cmdline_option(line, "names"))
        o->names = cmdline_option(line, "names");
    if (cmdline_option(line, "password"))
        o->password = cmdline_option(line, "password");
    if (strlen(o->names) == 0 || strlen(o->names) > 48)
        return command_wrong("--names: give 1 to 48 bytes");
    o->players = (uint32_t)players;
    o->seed = (uint64_t)seed;
    o->room_size = (uint32_t)room_size;
    o->duration_s = (uint32_t)duration_s;
    o->no_room = cmdline_has(line, "no-room");
    o->json = cmdline_has(line, "json");
    o->progress = cmdline_has(line, "progress") || isatty(STDERR_FILENO);
    return 0;
}
