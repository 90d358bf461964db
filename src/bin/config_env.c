#include "bin/config_env.h"

#include "base/err.h"
#include "bin/config_file.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#define PREFIX "SLIPGATE_"

/* Names that deployments of the documented protocol already set. */
static const struct {
    const char *name, *key;
} borrowed[] = {
    {"SERVER_HOSTNAME", "tls.hostname"},
    {"SERVER_PUBLIC_IP", "tls.public_ip"},
};

struct entry {
    struct span name;  /* as it stands in the environment */
    const char *value; /* NUL-terminated */
};

static bool split(const char *text, struct entry *ret)
{
    const char *eq = strchr(text, '=');
    if (!eq)
        return false;
    *ret = (struct entry){{(const uint8_t *)text, (size_t)(eq - text)}, eq + 1};
    return true;
}

const char *config_env_name(const char *key, char name[CONFIG_KEY_MAX + sizeof PREFIX])
{
    size_t n = (size_t)snprintf(name, CONFIG_KEY_MAX + sizeof PREFIX, PREFIX "%s", key);
    for (size_t i = 0; i < n && name[i]; i++)
        name[i] = (char)(name[i] == '.' ? '_' : toupper((unsigned char)name[i]));
    return name;
}

/* "SLIPGATE_RACING_UDP_PLAINTEXT" to "racing.udp_plaintext"; false: too long or in lower case. */
static bool key_of(struct span name, char key[CONFIG_KEY_MAX], struct span *ret)
{
    struct span rest = span_skip(name, strlen(PREFIX));
    bool cut = false;
    if (rest.n >= CONFIG_KEY_MAX)
        return false;
    for (size_t i = 0; i < rest.n; i++) {
        uint8_t c = rest.p[i];
        if (islower(c))
            return false;
        key[i] = (char)(c == '_' && !cut ? '.' : tolower(c));
        cut = cut || c == '_';
    }
    key[rest.n] = '\0';
    *ret = span_of(key, rest.n);
    return true;
}

static int fail(struct buf *why, struct span name, const char *text, const char *more)
{
    (void)buf_printf(why, "%.*s: %s%s", (int)name.n, (const char *)name.p, text, more);
    return E_CONFIG;
}

static int set(struct config *c, const struct entry *e, struct span key, struct span value,
               struct buf *why)
{
    (void)fail(why, e->name, "", "");
    int rc = config_set(c, key, value, CONFIG_ENV, why);
    if (rc == 0)
        buf_clear(why);
    return rc == 0 || rc == E_NOMEM ? rc : E_CONFIG;
}

static int set_from_file(struct config *c, const struct entry *e, struct span key, struct buf *why)
{
    struct buf text;
    int rc = file_read(e->value, SECRET_FILE_BYTES_MAX, &text);
    if (rc) {
        (void)fail(why, e->name, "cannot read ", e->value);
        (void)buf_printf(why, ": %s", rc == E_IO ? strerror(errno) : err_text(rc));
        return E_CONFIG;
    }
    struct span value = buf_span(&text);
    if (value.n && value.p[value.n - 1] == '\n')
        value.n--;
    if (value.n && value.p[value.n - 1] == '\r')
        value.n--;
    rc = set(c, e, key, value, why);
    buf_fini_secret(&text);
    return rc;
}

/* The key that a _FILE name stands for, or an empty span. */
static struct span without_file(const struct config *c, struct span key)
{
    static const char tail[] = "_file";
    size_t n = sizeof tail - 1;
    if (key.n <= n || memcmp(key.p + key.n - n, tail, n) != 0)
        return SPAN_NULL;
    key.n -= n;
    return config_known(c, key) ? key : SPAN_NULL;
}

static int unknown(const struct config *c, const struct entry *e, struct span key,
                   struct buf *warnings, struct buf *why)
{
    char name[CONFIG_KEY_MAX + sizeof PREFIX];
    const uint8_t *dot = key.n ? memchr(key.p, '.', key.n) : NULL;
    const char *near = dot ? config_nearest(c, key) : NULL;
    bool ours = near || (dot && config_section_known(c, span_of(key.p, (size_t)(dot - key.p))));
    if (near) {
        (void)fail(why, e->name, "no such key; did you mean ", config_env_name(near, name));
        (void)buf_append_byte(why, '?');
        return E_CONFIG;
    }
    if (ours)
        return fail(why, e->name, "no such key; `slipgate config print` lists them all", "");
    (void)buf_printf(warnings, "environment variable %.*s is not a key of the configuration\n",
                     (int)e->name.n, (const char *)e->name.p);
    return 0;
}

static bool is_given(const char *const *env, struct span name)
{
    struct entry e;
    for (size_t i = 0; env[i]; i++)
        if (split(env[i], &e) && span_eq(e.name, name))
            return true;
    return false;
}

static int load_one(struct config *c, const char *const *env, const struct entry *e,
                    struct buf *warnings, struct buf *why)
{
    char text[CONFIG_KEY_MAX];
    struct span key;
    if (!key_of(e->name, text, &key))
        return unknown(c, e, SPAN_NULL, warnings, why);
    if (config_known(c, key))
        return set(c, e, key, span_str(e->value), why);
    struct span of_file = without_file(c, key);
    if (!of_file.n)
        return unknown(c, e, key, warnings, why);
    struct span plain = span_of(e->name.p, e->name.n - strlen("_FILE"));
    if (is_given(env, plain))
        return fail(why, e->name, "given beside the same name without _FILE; remove one", "");
    return set_from_file(c, e, of_file, why);
}

int config_env_load(struct config *c, const char *const *env, struct buf *warnings, struct buf *why)
{
    struct entry e;
    int rc = 0;
    for (size_t b = 0; b < ARRAY_LEN(borrowed) && rc == 0; b++)
        for (size_t i = 0; env[i] && rc == 0; i++)
            if (split(env[i], &e) && span_eq(e.name, span_str(borrowed[b].name)))
                rc = set(c, &e, span_str(borrowed[b].key), span_str(e.value), why);
    for (size_t i = 0; env[i] && rc == 0; i++)
        if (strncmp(env[i], PREFIX, strlen(PREFIX)) == 0 && split(env[i], &e))
            rc = load_one(c, env, &e, warnings, why);
    return rc;
}
