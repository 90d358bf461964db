/* Command lines: any words for `slipgate bots`, and a server's name built and then damaged. What is
 * accepted is within its bounds, and a server that was built from host and port is taken apart into
 * them. What is said to people goes nowhere. */
#include "fuzz.h"

#include "bin/cmd_bots.h"
#include "bin/command.h"

#include <math.h>

#define WORDS 8

struct outcome {
    bool ran;
    int code;
    struct bots_options o;
};

/* command_main gives its commands nothing to keep their results in. */
static struct outcome *outcome;

static int probe(const struct cmdline *line)
{
    outcome->ran = true;
    outcome->code = bots_options_read(line, &outcome->o);
    return outcome->code;
}

static struct outcome run(size_t n, char **words)
{
    struct outcome result = {.ran = false};
    struct command c = command_bots;
    const struct command *const commands[] = {&c};
    char name[] = "slipgate", sub[] = "bots", *argv[WORDS + 3] = {name, sub};
    FILE *out = stdout, *err = stderr, *nowhere = fopen("/dev/null", "w");
    MUST(nowhere);
    memcpy(argv + 2, words, n * sizeof *words);
    c.run = probe;
    outcome = &result;
    stdout = stderr = nowhere;
    int code = command_main(commands, 1, (int)n + 2, argv);
    stdout = out;
    stderr = err;
    outcome = NULL;
    (void)fclose(nowhere);
    MUST(code == EXIT_FINE || code == EXIT_USAGE);
    MUST(!result.ran || code == result.code);
    return result;
}

static void check(const struct bots_options *o)
{
    MUST(o->port >= 1 && memchr(o->host, '\0', sizeof o->host) && o->host[0]);
    MUST(o->players >= 1 && o->players <= BOTS_PLAYERS_MAX);
    MUST(o->room_size >= 1 && o->room_size <= BOTS_ROOM_SIZE_MAX);
    MUST(o->rate_hz >= 0.01 && o->rate_hz <= 1000 && isfinite(o->ramp_per_s));
    MUST(strlen(o->names) >= 1 && strlen(o->names) <= 48 && o->password);
}

static void any_words(struct span in)
{
    static const char *const known[] = {"--server",   "--players=", "--rate", "--ramp=",
                                        "--duration", "--names=",   "--udp",  "--verify",
                                        "--pin=x",    "--insecure", "--ca=y", "--json",
                                        "--no-room",  "--pla=3",    "--",     "--room-size"};
    char *words[WORDS];
    size_t n = 0;
    for (; in.n && n < WORDS; n++) {
        uint8_t what = fuzz_byte(&in);
        struct span rest = fuzz_take(&in, what & 128 ? fuzz_below(&in, 24) : 0);
        words[n] = fuzz_alloc(64);
        int len = snprintf(words[n], 64, "%s", what & 64 ? "" : known[what % ARRAY_LEN(known)]);
        if (rest.n)
            memcpy(words[n] + len, rest.p, rest.n);
        words[n][(size_t)len + rest.n] = '\0';
        for (char *slash = words[n]; (slash = strchr(slash, '/'));)
            *slash = '_'; /* no word names a file */
    }
    struct outcome r = run(n, words);
    if (r.ran && r.code == 0)
        check(&r.o);
    while (n > 0)
        free(words[--n]);
}

static void a_server(struct span *in)
{
    static const char *const hosts[] = {"localhost", "play.example.org", "192.0.2.1", "::1",
                                        "2001:db8::7"};
    const char *host = hosts[fuzz_below(in, ARRAY_LEN(hosts))];
    uint8_t form = fuzz_byte(in);
    unsigned port = (unsigned)fuzz_number(in, 2);
    char text[80], option[] = "--server", *words[] = {option, text};
    bool brackets = strchr(host, ':') && !(form & 2);
    snprintf(text, sizeof text, brackets ? "[%s]" : "%s", host);
    bool with_port = form & 1 && (brackets || !strchr(host, ':'));
    if (with_port)
        snprintf(text + strlen(text), sizeof text - strlen(text), ":%u", port);
    struct outcome r = run(2, words);
    MUST(r.ran && (r.code == 0) == (!with_port || port > 0));
    if (r.code == 0) {
        check(&r.o);
        MUST(strcmp(r.o.host, host) == 0 && r.o.port == (with_port ? port : 443));
    }
    struct span bad = fuzz_damage(in, span_str(text));
    char *other = fuzz_string(bad);
    words[1] = other;
    r = run(2, words);
    if (r.ran && r.code == 0)
        check(&r.o);
    free(other);
    fuzz_free(bad);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    if (fuzz_byte(&in) & 1)
        any_words(in);
    else
        a_server(&in);
    return 0;
}
