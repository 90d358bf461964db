/* The configuration from the environment: variables built for keys that are there, and variables of
 * any bytes among them. Each key that is named has the value of its last name, what is nearly a key
 * is refused in one line, what has nothing to do with us is passed over. Nothing here names a file
 * to read. */
#include "fuzz.h"

#include "base/err.h"
#include "base/utf8.h"
#include "bin/config_env.h"

#define VARIABLES 6

static const struct config_row rows[] = {
    {"a.t", CONFIG_TEXT, "", 0, 0, NULL, CONFIG_LIVE, "Text."},
    {"a.long_name_1", CONFIG_TEXT, "", 0, 0, NULL, CONFIG_LIVE, "Text."},
    {"tls.hostname", CONFIG_TEXT, "", 0, 0, NULL, CONFIG_LIVE, "Text."},
    {"tls.public_ip", CONFIG_TEXT, "", 0, 0, NULL, CONFIG_LIVE, "Text."},
    {"b9.secret", CONFIG_SECRET, "", 0, 0, NULL, CONFIG_LIVE, "Secret."},
};
static const struct config_table table = {rows, ARRAY_LEN(rows)};

struct made {
    char *env[VARIABLES + 1];
    const char *want[ARRAY_LEN(rows)]; /* in one of env */
    const char *borrowed[ARRAY_LEN(rows)];
    size_t n;
    bool right; /* every value is one its key takes, and every name a key */
};

static void make_one(struct span *in, struct made *m)
{
    uint8_t what = fuzz_byte(in);
    size_t at = what % ARRAY_LEN(rows);
    char name[CONFIG_KEY_MAX + sizeof "SLIPGATE_"], *text = fuzz_alloc(300);
    struct span value = fuzz_take(in, fuzz_below(in, 24));
    bool lent = what & 64 && (at == 2 || at == 3);
    if (what & 128) { /* anything */
        value = fuzz_take(in, 40);
        int n = snprintf(text, 300, "%s", what & 32 ? "SLIPGATE_" : "");
        memcpy(text + n, value.p ? value.p : (const uint8_t *)"", value.n);
        text[(size_t)n + value.n] = '\0';
        m->right = false;
    } else {
        if (lent)
            snprintf(name, sizeof name, at == 2 ? "SERVER_HOSTNAME" : "SERVER_PUBLIC_IP");
        else
            (void)config_env_name(rows[at].key, name);
        int n = snprintf(text, 300, "%s=", name);
        memcpy(text + n, value.p ? value.p : (const uint8_t *)"", value.n);
        text[(size_t)n + value.n] = '\0';
        struct span s = span_str(text + n);
        m->right &= s.n == 0 || utf8_is_name(s, 0, CONFIG_TEXT_MAX);
        *(lent ? &m->borrowed[at] : &m->want[at]) = text + n;
    }
    size_t name_n = strcspn(text, "=");
    if (name_n >= 5 && memcmp(text + name_n - 5, "_FILE", 5) == 0)
        free(text); /* only what may be anything: no key of ours ends like that */
    else
        m->env[m->n++] = text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct made m = {.right = true};
    struct config *c;
    struct buf warnings, why;
    for (size_t n = 1 + fuzz_below(&in, VARIABLES); n > 0; n--)
        make_one(&in, &m);
    buf_init(&warnings, 65536);
    buf_init(&why, 4096);
    MUST(config_create(&c, &table, 1) == 0);
    int rc = config_env_load(c, (const char *const *)m.env, &warnings, &why);
    MUST(rc == 0 || rc == E_CONFIG);
    MUST((rc == 0) == (why.n == 0) && !why.failed);
    MUST(rc == 0 || !m.right);
    for (size_t i = 0; m.right && i < ARRAY_LEN(rows); i++) {
        const char *want = m.want[i] ? m.want[i] : m.borrowed[i];
        MUST(strcmp(config_text(c, rows[i].key), want ? want : "") == 0);
        MUST(config_source(c, rows[i].key) == (want ? CONFIG_ENV : CONFIG_DEFAULT));
    }
    config_destroy(c);
    buf_fini(&warnings);
    buf_fini(&why);
    for (size_t i = 0; i < m.n; i++)
        free(m.env[i]);
    return 0;
}
