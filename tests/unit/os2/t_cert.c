#include "base/err.h"
#include "base/log.h"
#include "os/cert.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW   INT64_C(1772442000) /* 2026-03-02T09:00:00Z */
#define DAY_S INT64_C(86400)

/* Every test has a folder of its own, and the settings of a server that was just installed. */
struct fixture {
    char folder[64], path[96];
    struct cert_setup setup;
    struct cert *c;
    bool made;
    struct buf why;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    (void)snprintf(f->folder, sizeof f->folder, "cert.XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    (void)snprintf(f->path, sizeof f->path, "%s/server.pfx", f->folder);
    f->setup = (struct cert_setup){.data_dir = f->folder,
                                   .certificate = "",
                                   .key = "",
                                   .password = "pass",
                                   .default_password = "default",
                                   .hostname = "game.example",
                                   .public_ip = "203.0.113.7",
                                   .key_type = CERT_KEY_P256};
    buf_init(&f->why, 1024);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    cert_destroy(f->c);
    buf_fini(&f->why);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", f->folder);
    int err = system(command);
    free(f);
    return err;
}

static int open_it(struct fixture *f)
{
    cert_destroy(f->c);
    f->c = NULL;
    buf_clear(&f->why);
    return cert_open(&f->c, &f->setup, NOW, &f->made, &f->why);
}

static void assert_why(struct fixture *f, const char *text)
{
    (void)buf_append_byte(&f->why, '\0');
    assert_non_null(strstr((const char *)f->why.p, text));
    assert_null(strchr((const char *)f->why.p, '\n'));
    buf_clear(&f->why);
}

static void write_file(const char *path, const void *bytes, size_t n)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static void makes_one_and_finds_it_again(void **state)
{
    struct fixture *f = *state;
    struct cert_info first, again;
    struct stat st;
    assert_int_equal(open_it(f), 0);
    assert_true(f->made);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    cert_info(f->c, &first);
    assert_string_equal(first.subject, "game.example");
    assert_string_equal(first.key, "EC P-256");
    assert_int_equal(strlen(first.sha1), 59);
    assert_int_equal(strlen(first.sha256), 95);
    assert_int_equal(first.not_before_s, NOW - DAY_S);
    assert_int_equal(first.not_after_s, INT64_C(1930208400)); /* 2031-03-02T09:00:00Z */

    f->setup.hostname = "other.example"; /* nothing configured later changes what clients pinned */
    f->setup.key_type = CERT_KEY_RSA2048;
    assert_int_equal(open_it(f), 0);
    assert_false(f->made);
    cert_info(f->c, &again);
    assert_string_equal(again.sha256, first.sha256);
    assert_false(cert_changed(f->c));
}

static void makes_an_rsa_key_on_request(void **state)
{
    struct fixture *f = *state;
    struct cert_info info;
    f->setup.key_type = CERT_KEY_RSA2048;
    assert_int_equal(open_it(f), 0);
    cert_info(f->c, &info);
    assert_string_equal(info.key, "RSA 2048");
    assert_int_equal(X509_get_key_usage(f->c->leaf), KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT);
}

static void assert_named(struct fixture *f, const char *name, bool wanted)
{
    struct buf names;
    char padded[128];
    buf_init(&names, 65536);
    (void)buf_append_str(&names, ", ");
    struct buf all;
    buf_init(&all, 65536);
    assert_int_equal(cert_names(f->c, &all), 0);
    (void)buf_append_span(&names, buf_span(&all));
    (void)buf_append_str(&names, ", ");
    (void)buf_append_byte(&names, '\0');
    (void)snprintf(padded, sizeof padded, ", %s, ", name);
    assert_int_equal(strstr((const char *)names.p, padded) != NULL, wanted);
    buf_fini(&names);
    buf_fini(&all);
}

static void names_all_ways_to_reach_it(void **state)
{
    struct fixture *f = *state;
    char host[300] = "DNS:";
    static const char *const wanted[] = {
        "DNS:game.example", "DNS:*.game.example", "DNS:localhost",
        "DNS:203.0.113.7",  "IP:203.0.113.7",     "IP:127.0.0.1",
        "IP:::1",           "IP:0.0.0.0",         "IP:::",
    };
    assert_int_equal(open_it(f), 0);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        assert_named(f, wanted[i], true);
    assert_int_equal(gethostname(host + 4, sizeof host - 5), 0);
    assert_named(f, host, true);
    assert_int_equal(X509_get_key_usage(f->c->leaf), KU_DIGITAL_SIGNATURE);
    assert_int_equal(X509_get_extended_key_usage(f->c->leaf), XKU_SSL_SERVER);
}

static void an_empty_public_address_means_none(void **state)
{
    struct fixture *f = *state;
    f->setup.public_ip = "";
    assert_int_equal(open_it(f), 0);
    assert_named(f, "DNS:", false);
    assert_named(f, "DNS:203.0.113.7", false);
    assert_named(f, "DNS:localhost", true);
}

static void an_address_may_be_the_host_name(void **state)
{
    struct fixture *f = *state;
    f->setup.hostname = "198.51.100.9";
    assert_int_equal(open_it(f), 0);
    assert_named(f, "IP:198.51.100.9", true);
    assert_named(f, "DNS:*.198.51.100.9", false);
}

static void refuses_names_it_cannot_hold(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        "",
        ".",
        "a..b",
        "a b",
        "caf\xc3\xa9",
        "a,DNS:evil",
        "a2345678901234567890123456789012345678901234567890123456789012.b.", /* ends in a dot */
        "a234567890123456789012345678901234567890123456789012345678901234",  /* a label of 64 */
        "a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.abcde", /* 65 bytes */
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        f->setup.hostname = bad[i];
        assert_int_equal(open_it(f), E_CONFIG);
        assert_why(f, "tls.hostname");
        assert_int_equal(access(f->path, F_OK), -1);
    }
    f->setup.hostname = "a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.abcd"; /* 64 */
    f->setup.public_ip = "203.0.113.300";
    assert_int_equal(open_it(f), E_CONFIG);
    assert_why(f, "tls.public_ip");
    f->setup.public_ip = "2001:db8::7";
    assert_int_equal(open_it(f), 0);
    assert_named(f, "IP:2001:db8::7", true);
}

/* The file's bytes, for telling whether it was touched. */
static size_t slurp(const char *path, char *to, size_t cap)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t n = fread(to, 1, cap, file);
    assert_int_equal(fclose(file), 0);
    return n;
}

static void never_replaces_a_file_it_cannot_read(void **state)
{
    struct fixture *f = *state;
    static const char rubbish[] = "not a certificate";
    char now[64];
    write_file(f->path, rubbish, sizeof rubbish);
    assert_int_equal(open_it(f), E_CONFIG);
    assert_why(f, f->path);
    assert_int_equal(slurp(f->path, now, sizeof now), sizeof rubbish);
    assert_memory_equal(now, rubbish, sizeof rubbish);

    write_file(f->path, "", 0);
    assert_int_equal(open_it(f), E_CONFIG);
    assert_why(f, f->path);
    assert_int_equal(slurp(f->path, now, sizeof now), 0);

    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(mkdir(f->path, 0700), 0);
    assert_int_equal(open_it(f), E_CONFIG);
    assert_why(f, "is not a file");
    assert_int_equal(rmdir(f->path), 0);
    assert_int_equal(mkfifo(f->path, 0600), 0); /* nobody writes into it: this must not wait */
    assert_int_equal(open_it(f), E_CONFIG);
    assert_why(f, "is not a file");
}

static void saving_never_replaces(void **state)
{
    struct fixture *f = *state;
    char now[8];
    assert_int_equal(cert_make(&f->c, &f->setup, NOW, &f->why), 0);
    write_file(f->path, "mine", 4);
    assert_int_equal(cert_save(f->c, f->path, "pass", &f->why), E_EXISTS);
    assert_why(f, "move it away");
    assert_int_equal(slurp(f->path, now, sizeof now), 4);
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(symlink("nowhere", f->path), 0);
    assert_int_equal(cert_save(f->c, f->path, "pass", &f->why), E_EXISTS);
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(rmdir(f->folder), 0); /* no temporary file was left behind */
    assert_int_equal(cert_save(f->c, f->path, "pass", &f->why), E_IO);
    assert_why(f, "data.dir");
    assert_int_equal(mkdir(f->folder, 0700), 0);
}

static void tries_three_passwords(void **state)
{
    struct fixture *f = *state;
    static const char *const held[] = {"pass", "default", "", "p\xc3\xa4ss w\xc3\xb6rd"};
    assert_int_equal(cert_make(&f->c, &f->setup, NOW, &f->why), 0);
    for (size_t i = 0; i < ARRAY_LEN(held); i++) {
        struct cert *read = NULL;
        assert_int_equal(cert_save(f->c, f->path, held[i], &f->why), 0);
        f->setup.password = i == 3 ? held[i] : "pass";
        assert_int_equal(cert_load(&read, &f->setup, &f->why), 0);
        assert_int_equal(X509_cmp(read->leaf, f->c->leaf), 0);
        cert_destroy(read);
        assert_int_equal(unlink(f->path), 0);
    }
    assert_int_equal(cert_save(f->c, f->path, "another", &f->why), 0);
    f->setup.password = "secret word";
    assert_int_equal(open_it(f), E_CONFIG);
    assert_null(memmem(f->why.p, f->why.n, "secret word", 11));
    assert_why(f, "tls.password does not open");
}

static void a_named_file_must_be_there(void **state)
{
    struct fixture *f = *state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/own.pem", f->folder);
    f->setup.certificate = path;
    assert_int_equal(open_it(f), E_CONFIG);
    assert_why(f, "tls.certificate");
    f->setup.certificate = "";
    f->setup.key = path;
    assert_int_equal(open_it(f), E_CONFIG);
    assert_why(f, f->path); /* nothing is made to go with a key that was given */
    assert_int_equal(access(f->path, F_OK), -1);
}

static void refuses_a_file_past_the_limit(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(open_it(f), 0);
    assert_int_equal(truncate(f->path, CERT_FILE_MAX), 0); /* zeros after the PFX are no matter */
    assert_int_equal(open_it(f), 0);
    assert_int_equal(truncate(f->path, CERT_FILE_MAX + 1), 0);
    assert_int_equal(open_it(f), E_CONFIG);
    assert_why(f, "larger");
}

static void reloads_what_changed(void **state)
{
    struct fixture *f = *state;
    struct cert_info old, now;
    struct cert *other;
    char next[128];
    (void)snprintf(next, sizeof next, "%s/next", f->folder);
    assert_int_equal(open_it(f), 0);
    cert_info(f->c, &old);

    /* Missing for a moment: not worth a reload. */
    assert_int_equal(rename(f->path, next), 0);
    assert_false(cert_changed(f->c));
    assert_int_equal(rename(next, f->path), 0);
    assert_int_equal(cert_reload(&f->c, &f->setup, &f->why), 0);
    assert_false(cert_changed(f->c));

    /* Broken: the old one stays, and the same broken file is not tried twice. */
    write_file(f->path, "rubbish", 7);
    assert_true(cert_changed(f->c));
    assert_int_equal(cert_reload(&f->c, &f->setup, &f->why), E_CONFIG);
    assert_why(f, f->path);
    cert_info(f->c, &now);
    assert_string_equal(now.sha256, old.sha256);
    assert_false(cert_changed(f->c));

    /* Replaced as certificate tools do: a new file under the old name. */
    assert_int_equal(cert_make(&other, &f->setup, NOW, &f->why), 0);
    assert_int_equal(cert_save(other, next, "pass", &f->why), 0);
    assert_int_equal(rename(next, f->path), 0);
    assert_true(cert_changed(f->c));
    assert_int_equal(cert_reload(&f->c, &f->setup, &f->why), 0);
    assert_int_equal(X509_cmp(f->c->leaf, other->leaf), 0);
    assert_false(cert_changed(f->c));
    cert_destroy(other);
}

/* Keeps the ids of what was logged, and the last value of a field "missing". */
struct kept {
    struct log log;
    char ids[512], missing[64];
};

static void keep(struct log *log, const struct log_row *row, const struct log_field *fields,
                 size_t n)
{
    struct kept *k = CONTAINER_OF(log, struct kept, log);
    size_t len = strlen(k->ids);
    (void)snprintf(k->ids + len, sizeof k->ids - len, "%s ", row->id);
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i].key, "missing") == 0)
            (void)snprintf(k->missing, sizeof k->missing, "%.*s", (int)fields[i].v.s.n,
                           (const char *)fields[i].v.s.p);
}

static void assert_reported(struct fixture *f, int64_t unix_s, const char *ids)
{
    struct kept k = {.log = {LOG_DEBUG, keep}};
    cert_report(f->c, &f->setup, unix_s, &k.log);
    assert_string_equal(k.ids, ids);
}

static void warns_before_the_end(void **state)
{
    struct fixture *f = *state;
    struct cert_info info;
    assert_int_equal(open_it(f), 0);
    cert_info(f->c, &info);
    int64_t end = info.not_after_s, warn = end - CERT_WARN_DAYS * DAY_S;
    assert_reported(f, warn - 1, "tls.certificate ");
    assert_reported(f, warn, "tls.certificate tls.certificate_ends ");
    assert_reported(f, end - 1, "tls.certificate tls.certificate_ends ");
    assert_reported(f, end, "tls.certificate tls.certificate_ended ");
    assert_reported(f, info.not_before_s, "tls.certificate ");
    assert_reported(f, info.not_before_s - 1, "tls.certificate tls.certificate_not_begun ");
}

static void warns_of_names_it_lacks(void **state)
{
    struct fixture *f = *state;
    struct kept k = {.log = {LOG_DEBUG, keep}};
    assert_int_equal(open_it(f), 0);
    f->setup.hostname = "eu.game.example"; /* the wildcard has it */
    assert_reported(f, NOW, "tls.certificate ");
    f->setup.hostname = "game.test";
    f->setup.public_ip = "203.0.113.8";
    assert_reported(f, NOW, "tls.certificate tls.certificate_names ");
    cert_report(f->c, &f->setup, NOW, &k.log);
    assert_string_equal(k.missing, "game.test, 203.0.113.8");
    f->setup.hostname = "";
    f->setup.public_ip = "";
    assert_reported(f, NOW, "tls.certificate ");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(makes_one_and_finds_it_again),
        TEST(makes_an_rsa_key_on_request),
        TEST(names_all_ways_to_reach_it),
        TEST(an_empty_public_address_means_none),
        TEST(an_address_may_be_the_host_name),
        TEST(refuses_names_it_cannot_hold),
        TEST(never_replaces_a_file_it_cannot_read),
        TEST(saving_never_replaces),
        TEST(tries_three_passwords),
        TEST(a_named_file_must_be_there),
        TEST(refuses_a_file_past_the_limit),
        TEST(reloads_what_changed),
        TEST(warns_before_the_end),
        TEST(warns_of_names_it_lacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
