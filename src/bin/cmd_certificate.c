/* `slipgate certificate show|renew`. Both work beside a running server, which notices a new file by
 * itself. */
#include "base/err.h"
#include "base/utf8.h"
#include "bin/options.h"
#include "bin/rows_tls.h"
#include "os/clock.h"
#include "wire/json.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX   65536u
#define SUFFIX_MAX 32u
#define DAY_S      INT64_C(86400)

/* What is shown; kept: where renew put the old file, or "". */
struct shown {
    const struct cert *c;
    struct cert_info info;
    struct buf names, missing; /* comma separated */
    char from[SUFFIX_MAX], until[SUFFIX_MAX];
    int64_t days_left;
    const char *kept;
};

/* "2026-01-02T03:04:05Z" */
static void date_text(int64_t unix_s, char to[SUFFIX_MAX])
{
    time_t t = (time_t)unix_s;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || strftime(to, SUFFIX_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        (void)snprintf(to, SUFFIX_MAX, "?");
}

/* The same for a file's name: "20260102T030405Z". */
static void date_suffix(int64_t unix_s, char to[SUFFIX_MAX])
{
    char text[SUFFIX_MAX];
    size_t n = 0;
    date_text(unix_s, text);
    for (const char *p = text; *p; p++)
        if (*p != '-' && *p != ':')
            to[n++] = *p;
    to[n] = '\0';
}

static void json_text(struct buf *to, const char *key, struct span value)
{
    (void)buf_printf(to, "%s\"%s\":", to->n > 1 ? "," : "", key);
    json_put_string(to, utf8_valid(value) ? value : SPAN_LIT("?"));
}

/* "a, b" as ["a","b"]. */
static void json_list(struct buf *to, const char *key, struct span all)
{
    (void)buf_printf(to, ",\"%s\":[", key);
    for (size_t i = 0; all.n > 0; i++) {
        const uint8_t *comma = memchr(all.p, ',', all.n);
        struct span one = {all.p, comma ? (size_t)(comma - all.p) : all.n};
        (void)buf_append_str(to, i ? "," : "");
        json_put_string(to, one);
        all = span_skip(all, one.n + 2);
    }
    (void)buf_append_byte(to, ']');
}

static void print_json(const struct shown *s, struct buf *to)
{
    (void)buf_append_byte(to, '{');
    json_text(to, "file", span_str(s->c->path));
    json_text(to, "subject", span_str(s->info.subject));
    json_text(to, "key", span_str(s->info.key));
    json_text(to, "not_before", span_str(s->from));
    json_text(to, "not_after", span_str(s->until));
    (void)buf_append_str(to, ",\"days_left\":");
    json_put_int(to, s->days_left);
    json_text(to, "sha1", span_str(s->info.sha1));
    json_text(to, "sha256", span_str(s->info.sha256));
    json_list(to, "names", buf_span(&s->names));
    json_list(to, "missing_names", buf_span(&s->missing));
    if (*s->kept)
        json_text(to, "old_file", span_str(s->kept));
    (void)buf_append_str(to, "}\n");
}

static void print_text(const struct shown *s, struct buf *to)
{
    (void)buf_printf(to,
                     "file:    %s\nsubject: %s\nkey:     %s\nfrom:    %s\nuntil:   %s (%lld days "
                     "left)\nSHA-1:   %s\nSHA-256: %s\nnames:   ",
                     s->c->path, s->info.subject, s->info.key, s->from, s->until,
                     (long long)s->days_left, s->info.sha1, s->info.sha256);
    (void)buf_append_span(to, buf_span(&s->names));
    (void)buf_append_byte(to, '\n');
    if (s->missing.n) {
        (void)buf_append_str(to, "missing: ");
        (void)buf_append_span(to, buf_span(&s->missing));
        (void)buf_append_str(to, " (configured, but not in it: slipgate certificate renew)\n");
    }
    if (*s->kept)
        (void)buf_printf(to, "old:     %s\n", s->kept);
}

static int show(const struct cmdline *line, const struct cert *c, const struct cert_setup *setup,
                const char *kept)
{
    struct shown s = {.c = c, .kept = kept};
    struct buf out;
    cert_info(c, &s.info);
    date_text(s.info.not_before_s, s.from);
    date_text(s.info.not_after_s, s.until);
    s.days_left = (s.info.not_after_s - clock_now().unix_ms / 1000) / DAY_S;
    buf_init(&s.names, TEXT_MAX);
    buf_init(&s.missing, TEXT_MAX);
    buf_init(&out, 4 * TEXT_MAX);
    int err = cert_names(c, &s.names);
    if (err == 0)
        err = cert_missing_names(c, setup, &s.missing);
    if (err == 0 && cmdline_has(line, "json"))
        print_json(&s, &out);
    else if (err == 0)
        print_text(&s, &out);
    if (err == 0 && out.failed)
        err = E_NOMEM;
    if (err == 0 && fwrite(out.p, 1, out.n, stdout) != out.n)
        err = E_IO;
    buf_fini(&out);
    buf_fini(&s.missing);
    buf_fini(&s.names);
    return err ? command_failed("certificate: %s", err_text(err)) : EXIT_FINE;
}

/* Keeps the present file under the name `kept` and puts `fresh` in its place, which is never empty
 * in between. The new file gets the owner of the old one: who renews may be root, who reads is not.
 */
static int swap(const char *path, const char *fresh, const char *kept, struct buf *why)
{
    struct stat st;
    if (stat(path, &st) != 0 || (geteuid() == 0 && chown(fresh, st.st_uid, st.st_gid) != 0) ||
        (link(path, kept) != 0 && rename(path, kept) != 0) || rename(fresh, path) != 0) {
        (void)buf_printf(why, "cannot replace %s: %s", path, strerror(errno));
        (void)unlink(fresh);
        return E_IO;
    }
    return 0;
}

/* Makes a new certificate where there is one already. */
static int replace(const struct cert_setup *setup, const char *path, int64_t unix_s,
                   char kept[CERT_PATH_MAX], struct buf *why)
{
    char fresh[CERT_PATH_MAX], suffix[SUFFIX_MAX];
    struct cert *c;
    date_suffix(unix_s, suffix);
    int n = snprintf(kept, CERT_PATH_MAX, "%s.old-%s", path, suffix);
    int m = snprintf(fresh, sizeof fresh, "%s.new-%s", path, suffix);
    if (n < 0 || n >= (int)CERT_PATH_MAX || m < 0 || m >= (int)sizeof fresh) {
        (void)buf_append_str(why, "data.dir is too long");
        return E_CONFIG;
    }
    if (access(kept, F_OK) == 0) {
        (void)buf_printf(why, "%s exists; wait a second and try again", kept);
        return E_EXISTS;
    }
    int err = cert_make(&c, setup, unix_s, why);
    if (err)
        return err;
    err = cert_save(c, fresh, setup->password, why);
    cert_destroy(c);
    return err ? err : swap(path, fresh, kept, why);
}

static int renew(const struct cert_setup *setup, char kept[CERT_PATH_MAX], struct buf *why)
{
    char path[CERT_PATH_MAX];
    if (*setup->certificate || *setup->key) {
        (void)buf_append_str(why, "tls.certificate or tls.key names a file of your own; renew it "
                                  "where it came from, the server notices");
        return E_CONFIG;
    }
    int err = cert_path(path, setup, why);
    if (err || access(path, F_OK) != 0)
        return err; /* there is none yet: opening makes it */
    return replace(setup, path, clock_now().unix_ms / 1000, kept, why);
}

static int load(struct cert **ret, const struct cert_setup *setup, struct buf *why)
{
    char path[CERT_PATH_MAX];
    int err = cert_path(path, setup, why);
    if (err == 0 && !*setup->certificate && access(path, F_OK) != 0 && errno == ENOENT) {
        (void)buf_printf(why,
                         "%s does not exist yet; the server makes it at its first start, or: "
                         "slipgate certificate renew",
                         path);
        return E_NOENT;
    }
    return err ? err : cert_load(ret, setup, why);
}

static int run_with(const struct cmdline *line, const struct cert_setup *setup)
{
    char kept[CERT_PATH_MAX] = "";
    struct cert *c = NULL;
    struct buf why;
    bool made, renews = strcmp(line->args[0], "renew") == 0;
    buf_init(&why, 2 * CERT_PATH_MAX);
    int err = renews ? renew(setup, kept, &why) : 0;
    if (err == 0 && renews)
        err = cert_open(&c, setup, clock_now().unix_ms / 1000, &made, &why);
    else if (err == 0)
        err = load(&c, setup, &why);
    int code = err == 0          ? show(line, c, setup, kept)
               : err == E_CONFIG ? command_wrong("%.*s", (int)why.n, (const char *)why.p)
                                 : command_failed("%.*s", (int)why.n, (const char *)why.p);
    cert_destroy(c);
    buf_fini(&why);
    return code;
}

static int run(const struct cmdline *line)
{
    struct config *config;
    struct cert_setup setup;
    if (strcmp(line->args[0], "show") != 0 && strcmp(line->args[0], "renew") != 0)
        return command_wrong("certificate %s: give show or renew", line->args[0]);
    int code = options_config(line, &config);
    if (code)
        return code;
    rows_tls_setup(config, &setup);
    code = run_with(line, &setup);
    config_destroy(config);
    return code;
}

static const struct option_row options[] = {
    OPTION_CONFIG,
    OPTION_SET,
    {"json", NULL, "print one JSON object"},
};

const struct command command_certificate = {
    .name = "certificate",
    .summary = "Show the certificate with its fingerprints, or make a new one",
    .arguments = "show|renew",
    .args_min = 1,
    .args_max = 1,
    .options = options,
    .options_n = ARRAY_LEN(options),
    .details =
        "renew makes a new certificate from tls.hostname and tls.public_ip and keeps the old\n"
        "file beside it. A running server notices and shows it to new connections; clients\n"
        "that pin the old fingerprint have to learn the new one.\n",
    .examples = "  slipgate certificate show\n"
                "  slipgate certificate renew --set tls.hostname=play.example.org\n",
    .run = run,
};
