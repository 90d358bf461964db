#include "store_kit.h"

#include "base/check.h"
#include "base/err.h"
#include "os/clock.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void remember(struct log *log, const struct log_row *row, const struct log_field *fields,
                     size_t n)
{
    struct kit *k = CONTAINER_OF(log, struct kit, log);
    size_t at = strlen(k->logged);
    (void)snprintf(k->logged + at, sizeof k->logged - at, " %s ", row->id);
    for (size_t i = 0; i < n; i++) {
        at = strlen(k->texts);
        if (fields[i].type == LOG_TYPE_SPAN)
            (void)snprintf(k->texts + at, sizeof k->texts - at, "%.*s\n", (int)fields[i].v.s.n,
                           (const char *)fields[i].v.s.p);
    }
    if (getenv("KIT_VERBOSE")) {
        (void)fprintf(stderr, "%s: %s", row->id, row->text);
        for (size_t i = 0; i < n; i++)
            if (fields[i].type == LOG_TYPE_SPAN)
                (void)fprintf(stderr, " %s=%.*s", fields[i].key, (int)fields[i].v.s.n,
                              (const char *)fields[i].v.s.p);
        (void)fprintf(stderr, "\n");
    }
}

static struct pg_cluster cluster;

static void destroy_cluster(void)
{
    if (cluster.dir[0])
        pg_cluster_destroy(&cluster);
}

struct pg_cluster *kit_cluster(void)
{
    const char *wanted = getenv("KIT_POSTGRES");
    if (!wanted)
        return NULL;
    if (!cluster.dir[0]) {
        pg_cluster_create(&cluster, strcmp(wanted, "durable") == 0);
        CHECK(atexit(destroy_cluster) == 0);
    }
    return &cluster;
}

static void open_kit(struct kit *k)
{
    *k = (struct kit){.log = {LOG_DEBUG, remember}};
    CHECK(uvloop_create(&k->uv) == 0);
    k->loop = uvloop_loop(k->uv);
    metrics_init(&k->metrics);
    buf_init(&k->why, 1024);
    (void)snprintf(k->dir, sizeof k->dir, "/tmp/slipgate-store-XXXXXX");
    CHECK(mkdtemp(k->dir));
    (void)snprintf(k->path, sizeof k->path, "%s/test.db", k->dir);
    k->cfg = (struct store_cfg){.url = k->url, .log = &k->log, .metrics = &k->metrics};
}

void kit_open_at(struct kit *k, const char *url)
{
    open_kit(k);
    k->cfg.url = url;
}

void kit_open(struct kit *k)
{
    open_kit(k);
    if (kit_cluster())
        pg_cluster_schema(kit_cluster(), k->url);
    else
        (void)snprintf(k->url, sizeof k->url, "sqlite:%s", k->path);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void kit_close(struct kit *k)
{
    kit_stop(k);
    uvloop_destroy(k->uv);
    metrics_fini(&k->metrics);
    buf_fini(&k->why);
    (void)nftw(k->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int kit_start(struct kit *k)
{
    CHECK(!k->store);
    buf_clear(&k->why);
    /* A second start in one test would otherwise register the rows twice. */
    metrics_fini(&k->metrics);
    return store_create(&k->store, k->loop, &k->cfg, &k->why);
}

void kit_stop(struct kit *k)
{
    store_destroy(k->store);
    k->store = NULL;
}

const char *kit_why(struct kit *k)
{
    CHECK(buf_append_byte(&k->why, '\0') == 0);
    k->why.n--;
    return (const char *)k->why.p;
}

size_t kit_logged(const struct kit *k, const char *id)
{
    char word[64];
    size_t n = 0;
    (void)snprintf(word, sizeof word, " %s ", id);
    for (const char *at = k->logged; (at = strstr(at, word)); at++)
        n++;
    return n;
}

int64_t kit_metric(const struct kit *k, const char *name)
{
    struct buf text;
    char line[128];
    buf_init(&text, 1u << 16);
    metrics_write(&k->metrics, &text);
    CHECK(buf_append_byte(&text, '\0') == 0);
    int len = snprintf(line, sizeof line, "\n%s ", name);
    const char *at = strstr((const char *)text.p, line);
    CHECK(at);
    int64_t v = strtoll(at + len, NULL, 10);
    buf_fini(&text);
    return v;
}

static bool run(struct kit *k, const size_t *n, bool (*cond)(struct kit *), unsigned s)
{
    nsec end = clock_now().mono + s * NSEC_PER_S;
    for (;;) {
        if (n ? *n == 0 : cond(k))
            return true;
        nsec now = clock_now().mono;
        if (now >= end)
            return false;
        /* Conditions have nobody to stop the loop for them: they are looked at every few ms. */
        (void)uvloop_run(k->uv, n ? end : now + 5 * NSEC_PER_MS);
    }
}

bool kit_run_down(struct kit *k, const size_t *n, unsigned s)
{
    return run(k, n, NULL, s);
}

bool kit_run_until(struct kit *k, bool (*cond)(struct kit *), unsigned s)
{
    return run(k, NULL, cond, s);
}

struct waiting {
    struct kit *kit;
    struct answer *answer;
    size_t left;
};

static void on_answer(void *ctx, struct now now, const struct answer *a)
{
    struct waiting *w = ctx;
    CHECK(now.mono > 0 && w->left == 1);
    *w->answer = *a;
    w->left = 0;
    uvloop_stop(w->kit->uv);
}

int kit_ask(struct kit *k, struct ask_port *port, const struct ask *ask, struct answer *answer)
{
    struct waiting w = {k, answer, 1};
    int rc = port->submit(port, ask, (struct ask_owner){on_answer, &w, 77});
    if (rc)
        return rc;
    CHECK(w.left == 1); /* never from within submit */
    CHECK(kit_run_down(k, &w.left, 60));
    CHECK(answer->req == 77 && answer->kind == ask->kind);
    return answer->rc;
}

struct password_record kit_record(const char *text)
{
    struct password_record r = {.n = (uint8_t)strlen(text)};
    CHECK(strlen(text) <= PASSWORD_RECORD_MAX);
    memcpy(r.text, text, r.n);
    return r;
}

int kit_create(struct kit *k, const char *name, bool fold, const char *record)
{
    struct password_record r = kit_record(record);
    struct answer a;
    struct ask ask = {ASK_ACCOUNT_CREATE, {.create = {span_str(name), fold, &r, 1, 1700000000000}}};
    return kit_ask(k, store_port(k->store), &ask, &a);
}

int kit_find(struct kit *k, const char *name, bool fold, struct account *ret)
{
    struct answer a;
    struct ask ask = {ASK_ACCOUNT_FIND, {.find = {span_str(name), fold}}};
    int rc = kit_ask(k, store_port(k->store), &ask, &a);
    if (ret)
        *ret = a.u.account;
    return rc;
}
