#include "base/check.h"
#include "core/login.h"
#include "sim/host_fake_priv.h"

/* ---- log and entropy ---- */

static void log_field(struct buf *to, const struct log_field *x)
{
    char text[ADDR_TEXT_MAX];
    (void)buf_printf(to, " %s=", x->key);
    switch (x->type) {
    case LOG_TYPE_INT: (void)buf_printf(to, "%lld", (long long)x->v.i); break;
    case LOG_TYPE_UINT: (void)buf_printf(to, "%llu", (unsigned long long)x->v.u); break;
    case LOG_TYPE_SPAN: (void)buf_append_span(to, x->v.s); break;
    case LOG_TYPE_ADDR: (void)buf_append_str(to, addr_text(x->v.a, text)); break;
    }
}

void fake_log_emit(struct log *log, const struct log_row *row, const struct log_field *x, size_t n)
{
    struct fake *f = CONTAINER_OF(log, struct fake, log);
    bool before = quiet();
    if (f->log_text.n > f->log_text.max / 2)
        buf_clear(&f->log_text);
    (void)buf_append_str(&f->log_text, row->id);
    for (size_t i = 0; i < n; i++)
        log_field(&f->log_text, &x[i]);
    (void)buf_append_byte(&f->log_text, '\n');
    loud(before);
}

void fake_fill(struct entropy *e, void *to, size_t n)
{
    struct fake *f = CONTAINER_OF(e, struct fake, entropy);
    uint8_t *p = to;
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(rng_next(&f->rng) >> 32);
}

/* ---- configuration ---- */

static const struct config_row rows_program[] = {
    {"limits.exempt", CONFIG_TEXT, "loopback private", 0, 0, NULL, CONFIG_LIVE,
     "As the program's."},
};

int fake_make_config(const struct fake *f, const char *const *settings, struct config **ret,
                     struct buf *why)
{
    struct config_table tables[] = {
        f->ops->config, accounts_config, {rows_program, ARRAY_LEN(rows_program)}};
    struct config *c;
    int rc = config_create(&c, tables, ARRAY_LEN(tables));
    for (; rc == 0 && settings && *settings; settings++) {
        const char *eq = strchr(*settings, '=');
        CHECK(eq);
        rc = config_set(c, span_of(*settings, (size_t)(eq - *settings)), span_str(eq + 1),
                        CONFIG_OPTION, why);
        if (rc)
            config_destroy(c);
    }
    if (rc == 0)
        *ret = c;
    return rc;
}
