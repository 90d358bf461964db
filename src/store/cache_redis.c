#include "store/cache_redis.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/redis_link.h"
#include "store/redis_scripts.h"

#include <stdio.h>

#define PREFIX     "slipgate:"
#define PREFIX_MAX 16u /* with a database's number */
#define OUT_MAX    ((size_t)16 << 20)
#define LAST_WORDS (250 * NSEC_PER_MS)

const struct config_row cache_config[1] = {
    {"cache.url", CONFIG_SECRET, "memory:", 1, 0, NULL, CONFIG_RESTART,
     "Where several servers share who is signed in and what they tell each other: "
     "redis://[[user]:password@]host[:port][/db] or unix://[[user]:password@]/path[?db=N]; "
     "memory: for a server alone."},
};

enum { M_UP, M_HEARS, M_QUEUE, M_ANSWERED, M_FAILED, M_REFUSED, M_MESSAGES, METRICS_N };

static const struct metric_row metric_rows[METRICS_N] = {
    [M_UP] = {"slipgate_cache_up", "", METRIC_GAUGE, "1 while Redis takes commands."},
    [M_HEARS] = {"slipgate_cache_hears", "", METRIC_GAUGE,
                 "1 while messages of other processes arrive."},
    [M_QUEUE] = {"slipgate_cache_queue", "", METRIC_GAUGE, "Asks accepted and not yet answered."},
    [M_ANSWERED] = {"slipgate_cache_asks_total", "result=\"answered\"", METRIC_COUNTER,
                    "Asks by what became of them."},
    [M_FAILED] = {"slipgate_cache_asks_total", "result=\"failed\"", METRIC_COUNTER, NULL},
    [M_REFUSED] = {"slipgate_cache_asks_total", "result=\"refused\"", METRIC_COUNTER, NULL},
    [M_MESSAGES] = {"slipgate_cache_messages_total", "", METRIC_COUNTER,
                    "Messages that arrived on channels."},
};

static const struct log_row log_up = {LOG_INFO, "cache.up", "connected to Redis"};
static const struct log_row log_down = {LOG_ERROR, "cache.down",
                                        "Redis cannot be used: tried again until it works"};
static const struct log_row log_deaf = {
    LOG_WARN, "cache.deaf", "messages of other processes do not arrive: tried again until they do"};
static const struct log_row log_hears = {LOG_INFO, "cache.hears",
                                         "messages of other processes arrive"};

enum request_kind { REQUEST_ASK, REQUEST_LOAD, REQUEST_PING };

/* What a reply is due for, with its own copy of the ask. */
struct request {
    struct request *next;
    enum request_kind kind;
    bool whole;     /* the script itself was sent, not its name */
    uint8_t script; /* LOAD */
    nsec deadline;
    struct cache_owner owner;
    struct cache_ask ask;
    uint8_t bytes[];
};

struct ear {
    struct cache_listener listener;
    size_t channel_n; /* prefix included; 0: none */
    char channel[PREFIX_MAX + CACHE_KEY_MAX];
};

struct cache_redis {
    struct cache port;
    struct redis_url url;
    struct loop *loop;
    struct loop_pool *pool;
    struct loop_timer *timer;
    struct log *log;
    struct metrics *metrics;
    size_t metric_base;
    nsec timeout;

    struct redis_link *commands, *channels;
    struct request *first, **last;
    uint32_t queued, queue_max; /* asks among them */
    char names[REDIS_SCRIPTS_N][REDIS_SCRIPT_NAME + 1];
    uint32_t loading; /* scripts still to be named by Redis */
    bool up, hears, down_told, deaf_told, closed;

    uint32_t unheard; /* channels not yet confirmed */
    struct ear ears[CACHE_LISTENERS_MAX];
    uint32_t ears_n;
};

static void count(struct cache_redis *r, size_t row)
{
    metrics_add(r->metrics, r->metric_base + row, 1);
}

static void gauge(struct cache_redis *r, size_t row, int64_t v)
{
    metrics_set(r->metrics, r->metric_base + row, v);
}

static nsec mono(struct cache_redis *r)
{
    return r->loop->ops->now(r->loop).mono;
}

/* --- the queue --- */

static void expect(struct cache_redis *r)
{
    redis_link_expect(r->commands, r->first ? r->first->deadline : NSEC_NEVER);
}

static void push(struct cache_redis *r, struct request *q)
{
    q->next = NULL;
    *r->last = q;
    r->last = &q->next;
    expect(r);
}

static struct request *pop(struct cache_redis *r)
{
    struct request *q = r->first;
    r->first = q->next;
    if (!r->first)
        r->last = &r->first;
    return q;
}

static void answer(struct cache_redis *r, struct request *q, struct now now, struct cache_answer *a)
{
    if (q->kind == REQUEST_ASK) {
        r->queued--;
        gauge(r, M_QUEUE, r->queued);
        count(r, a->rc == E_IO || a->rc == E_TIMEOUT || a->rc == E_STORE ? M_FAILED : M_ANSWERED);
        a->op = q->ask.op;
        a->req = q->owner.req;
        if (q->owner.answer)
            q->owner.answer(q->owner.ctx, now, a);
    }
    mem_free(q);
}

static struct request *make_request(enum request_kind kind, size_t n)
{
    struct request *q = mem_zalloc(1, sizeof *q + n);
    if (q)
        q->kind = kind;
    return q;
}

static struct span keep(struct request *q, size_t *at, const char *prefix, struct span s)
{
    size_t n = strlen(prefix), from = *at;
    memcpy(q->bytes + from, prefix, n);
    if (s.n)
        memcpy(q->bytes + from + n, s.p, s.n);
    *at += n + s.n;
    return span_of(q->bytes + from, n + s.n);
}

/* --- commands --- */

static int send(struct cache_redis *r, struct request *q, int argc, const struct span *args)
{
    const char *argv[8];
    size_t argn[8];
    for (int i = 0; i < argc; i++) {
        argv[i] = args[i].n ? (const char *)args[i].p : "";
        argn[i] = args[i].n;
    }
    int rc = redis_link_send(r->commands, argc, argv, argn);
    if (rc == 0) {
        q->deadline = mono(r) + r->timeout;
        push(r, q);
    }
    return rc;
}

static int script_of(enum cache_op op)
{
    switch (op) {
    case CACHE_PUT_ABSENT: return REDIS_PUT_ABSENT;
    case CACHE_PUT_EQUAL: return REDIS_PUT_EQUAL;
    case CACHE_DEL_EQUAL: return REDIS_DEL_EQUAL;
    case CACHE_ADD: return REDIS_ADD;
    case CACHE_GET:
    case CACHE_PUT:
    case CACHE_PUBLISH:
    case CACHE_OPS_N: break;
    }
    return -1;
}

static int send_ask(struct cache_redis *r, struct request *q)
{
    char ttl[16], add[24];
    const struct cache_ask *a = &q->ask;
    int script = script_of(a->op);
    (void)snprintf(ttl, sizeof ttl, "%u", a->ttl_ms);
    (void)snprintf(add, sizeof add, "%lld", (long long)a->add);
    if (a->op == CACHE_GET)
        return send(r, q, 2, (struct span[]){SPAN_LIT("GET"), a->key});
    if (a->op == CACHE_PUT)
        return send(
            r, q, 5,
            (struct span[]){SPAN_LIT("SET"), a->key, a->value, SPAN_LIT("PX"), span_str(ttl)});
    if (a->op == CACHE_PUBLISH)
        return send(r, q, 3, (struct span[]){SPAN_LIT("PUBLISH"), a->key, a->value});
    CHECK(script >= 0);
    struct span text = span_str(q->whole ? redis_scripts[script] : r->names[script]);
    return send(r, q, 7,
                (struct span[]){
                    q->whole ? SPAN_LIT("EVAL") : SPAN_LIT("EVALSHA"), text, SPAN_LIT("1"), a->key,
                    a->op == CACHE_ADD ? span_str(add) : a->value, span_str(ttl), a->old});
}

static const char *prefix_of(const struct cache_redis *r, bool channel, char text[PREFIX_MAX])
{
    if (channel)
        (void)snprintf(text, PREFIX_MAX, PREFIX "%u:", r->url.db);
    else
        (void)snprintf(text, PREFIX_MAX, PREFIX);
    return text;
}

static int submit(struct cache *port, const struct cache_ask *ask, struct cache_owner owner)
{
    struct cache_redis *r = CONTAINER_OF(port, struct cache_redis, port);
    char prefix[PREFIX_MAX];
    size_t at = 0;
    int rc = !r->up ? E_IO : r->queued >= r->queue_max ? E_BUSY : 0;
    struct request *q = NULL;
    if (rc == 0) {
        q = make_request(REQUEST_ASK, PREFIX_MAX + ask->key.n + ask->old.n + ask->value.n);
        rc = q ? 0 : E_NOMEM;
    }
    if (rc == 0) {
        q->owner = owner;
        q->ask = *ask;
        q->ask.key = keep(q, &at, prefix_of(r, ask->op == CACHE_PUBLISH, prefix), ask->key);
        q->ask.old = keep(q, &at, "", ask->old);
        q->ask.value = keep(q, &at, "", ask->value);
        rc = send_ask(r, q);
    }
    if (rc) {
        mem_free(q);
        count(r, M_REFUSED);
        return rc;
    }
    r->queued++;
    gauge(r, M_QUEUE, r->queued);
    return 0;
}

/* --- replies --- */

static bool error_is(const redisReply *p, const char *word)
{
    return p->type == REDIS_REPLY_ERROR && strncmp(p->str, word, strlen(word)) == 0;
}

static void value_of(const redisReply *p, struct cache_answer *a)
{
    if (p->type != REDIS_REPLY_STRING || p->len > CACHE_VALUE_MAX)
        a->rc = E_STORE; /* not a value of ours */
    else
        a->value = span_of(p->str, p->len);
}

/* {0}: done; {1, value}: something else is there; {2}: nothing is. */
static void script_says(const redisReply *p, struct cache_answer *a, enum cache_op op)
{
    if (p->type != REDIS_REPLY_ARRAY || p->elements == 0 ||
        p->element[0]->type != REDIS_REPLY_INTEGER) {
        a->rc = E_STORE;
        return;
    }
    long long code = p->element[0]->integer;
    a->rc = code == 0 ? 0 : code == 2 ? E_NOENT : op == CACHE_PUT_ABSENT ? E_EXISTS : E_STALE;
    if (code == 1 && p->elements == 2)
        value_of(p->element[1], a);
    else if (code == 1)
        a->rc = E_STORE;
}

static void read_answer(const redisReply *p, enum cache_op op, struct cache_answer *a)
{
    if (p->type == REDIS_REPLY_ERROR) {
        bool number = strstr(p->str, "not an integer") || strstr(p->str, "overflow");
        a->rc = op == CACHE_ADD && number ? E_RANGE : E_STORE;
    } else if (op == CACHE_GET) {
        if (p->type == REDIS_REPLY_NIL)
            a->rc = E_NOENT;
        else
            value_of(p, a);
    } else if (op == CACHE_ADD || op == CACHE_PUBLISH) {
        a->rc = p->type == REDIS_REPLY_INTEGER ? 0 : E_STORE;
        a->number = a->rc ? 0 : p->integer;
    } else if (op == CACHE_PUT) {
        a->rc = p->type == REDIS_REPLY_STATUS ? 0 : E_STORE;
    } else {
        script_says(p, a, op);
    }
}

static void tell_state(struct cache_redis *r, struct now now)
{
    for (uint32_t i = 0; i < r->ears_n; i++)
        if (r->ears[i].listener.state)
            r->ears[i].listener.state(r->ears[i].listener.ctx, now, r->up);
}

static void script_named(struct cache_redis *r, struct now now, const struct request *q,
                         const redisReply *p)
{
    char where[REDIS_SHOWN_MAX];
    if (p->type != REDIS_REPLY_STRING || p->len != REDIS_SCRIPT_NAME) {
        redis_link_break(r->commands, now,
                         p->type == REDIS_REPLY_ERROR ? p->str : "scripts are not taken");
        return;
    }
    memcpy(r->names[q->script], p->str, REDIS_SCRIPT_NAME);
    if (--r->loading)
        return;
    r->up = true;
    r->down_told = false;
    gauge(r, M_UP, 1);
    LOG(r->log, &log_up, LF_STR("server", redis_url_shown(&r->url, where)));
    tell_state(r, now);
}

static void on_reply(void *ctx, struct now now, const redisReply *p)
{
    struct cache_redis *r = ctx;
    if (!r->first) {
        redis_link_break(r->commands, now, "a reply to nothing");
        return;
    }
    struct request *q = pop(r);
    struct cache_answer a = {0};
    expect(r);
    if (q->kind == REQUEST_ASK && error_is(p, "NOSCRIPT") && !q->whole) {
        q->whole = true;
        if (send_ask(r, q) == 0)
            return;
        a.rc = E_IO;
    } else if (q->kind == REQUEST_ASK) {
        read_answer(p, q->ask.op, &a);
    } else if (q->kind == REQUEST_LOAD) {
        script_named(r, now, q, p);
    }
    answer(r, q, now, &a);
}

static void on_up(void *ctx, struct now now)
{
    struct cache_redis *r = ctx;
    r->loading = REDIS_SCRIPTS_N;
    for (size_t i = 0; i < REDIS_SCRIPTS_N; i++) {
        struct request *q = make_request(REQUEST_LOAD, 0);
        int rc = E_NOMEM;
        if (q) {
            q->script = (uint8_t)i;
            rc = send(
                r, q, 3,
                (struct span[]){SPAN_LIT("SCRIPT"), SPAN_LIT("LOAD"), span_str(redis_scripts[i])});
        }
        if (rc) {
            mem_free(q);
            redis_link_break(r->commands, now, err_text(rc));
            return;
        }
    }
}

/* Those that wait at this moment; what their answers lead to is refused, there being no link. */
static void fail_all(struct cache_redis *r, struct now now)
{
    struct request *q = r->first;
    r->first = NULL;
    r->last = &r->first;
    while (q) {
        struct request *next = q->next;
        struct cache_answer a = {.rc = now.mono >= q->deadline ? E_TIMEOUT : E_IO};
        answer(r, q, now, &a);
        q = next;
    }
}

static void on_down(void *ctx, struct now now, const char *why)
{
    struct cache_redis *r = ctx;
    char where[REDIS_SHOWN_MAX];
    bool was = r->up;
    r->up = false;
    gauge(r, M_UP, 0);
    if (!r->down_told)
        LOG(r->log, &log_down, LF_STR("server", redis_url_shown(&r->url, where)),
            LF_STR("error", why));
    r->down_told = true;
    fail_all(r, now);
    if (was)
        tell_state(r, now);
}

/* --- channels --- */

static int subscribe(struct cache_redis *r, const struct ear *e)
{
    int rc = redis_link_send(r->channels, 2, (const char *[]){"SUBSCRIBE", e->channel},
                             (const size_t[]){9, e->channel_n});
    if (rc == 0) {
        r->unheard++;
        redis_link_expect(r->channels, mono(r) + r->timeout);
    }
    return rc;
}

static void on_channels_up(void *ctx, struct now now)
{
    struct cache_redis *r = ctx;
    r->unheard = 0;
    for (uint32_t i = 0; i < r->ears_n; i++) {
        int rc = r->ears[i].channel_n ? subscribe(r, &r->ears[i]) : 0;
        if (rc) {
            redis_link_break(r->channels, now, err_text(rc));
            return;
        }
    }
}

static void on_channels_down(void *ctx, struct now now, const char *why)
{
    struct cache_redis *r = ctx;
    (void)now;
    r->hears = false;
    gauge(r, M_HEARS, 0);
    if (!r->deaf_told)
        LOG(r->log, &log_deaf, LF_STR("error", why));
    r->deaf_told = true;
}

static bool word_is(const redisReply *p, const char *word)
{
    return p->type == REDIS_REPLY_STRING && span_eq(span_of(p->str, p->len), span_str(word));
}

static void heard(struct cache_redis *r, struct now now, struct span channel, struct span value)
{
    count(r, M_MESSAGES);
    if (value.n > CACHE_VALUE_MAX)
        return; /* none of ours */
    for (uint32_t i = 0; i < r->ears_n; i++) {
        const struct ear *e = &r->ears[i];
        if (e->channel_n && e->listener.message &&
            span_eq(channel, span_of(e->channel, e->channel_n)))
            e->listener.message(e->listener.ctx, now, value);
    }
}

static void confirmed(struct cache_redis *r)
{
    if (r->unheard && --r->unheard)
        return;
    if (!r->hears && r->deaf_told)
        LOG0(r->log, &log_hears);
    r->hears = true;
    r->deaf_told = false;
    gauge(r, M_HEARS, 1);
}

static void on_channels_reply(void *ctx, struct now now, const redisReply *p)
{
    struct cache_redis *r = ctx;
    bool array = p->type == REDIS_REPLY_ARRAY && p->elements >= 2;
    if (array && word_is(p->element[0], "message") && p->elements == 3 &&
        p->element[1]->type == REDIS_REPLY_STRING && p->element[2]->type == REDIS_REPLY_STRING) {
        heard(r, now, span_of(p->element[1]->str, p->element[1]->len),
              span_of(p->element[2]->str, p->element[2]->len));
        return;
    }
    if (array && word_is(p->element[0], "subscribe"))
        confirmed(r);
    else if (!(array && word_is(p->element[0], "pong")) && p->type != REDIS_REPLY_STATUS) {
        redis_link_break(r->channels, now,
                         p->type == REDIS_REPLY_ERROR ? p->str : "a reply to nothing");
        return;
    }
    if (r->unheard == 0)
        redis_link_expect(r->channels, NSEC_NEVER);
}

/* Two who listen to one channel are heard by one subscription. */
static int listen(struct cache *port, struct span channel, const struct cache_listener *l)
{
    struct cache_redis *r = CONTAINER_OF(port, struct cache_redis, port);
    char prefix[PREFIX_MAX];
    if (r->ears_n == CACHE_LISTENERS_MAX)
        return E_FULL;
    struct ear *e = &r->ears[r->ears_n];
    e->listener = *l;
    e->channel_n = 0;
    if (channel.n) {
        size_t n = strlen(prefix_of(r, true, prefix));
        memcpy(e->channel, prefix, n);
        memcpy(e->channel + n, channel.p, channel.n);
        e->channel_n = n + channel.n;
    }
    int rc = channel.n && redis_link_is_up(r->channels) ? subscribe(r, e) : 0;
    if (rc == 0)
        r->ears_n++;
    return rc;
}

/* --- life --- */

static void on_alive(void *ctx, struct now now)
{
    struct cache_redis *r = ctx;
    struct span ping = SPAN_LIT("PING");
    if (r->up && !r->first) {
        struct request *q = make_request(REQUEST_PING, 0);
        if (q && send(r, q, 1, &ping))
            mem_free(q);
    }
    if (r->hears && r->unheard == 0 &&
        redis_link_send(r->channels, 1, (const char *[]){"PING"}, (const size_t[]){4}) == 0)
        redis_link_expect(r->channels, now.mono + r->timeout);
    r->loop->ops->timer_set(r->timer, now.mono + CACHE_REDIS_ALIVE);
}

static bool up(const struct cache *port)
{
    return ((const struct cache_redis *)(const void *)port)->up; /* its first member */
}

static const struct cache_ops redis_ops = {submit, listen, up};

bool cache_url_is_memory(const char *url)
{
    return strcmp(url, "memory:") == 0;
}

int cache_redis_check(const char *url, struct buf *why)
{
    struct redis_url u;
    if (cache_url_is_memory(url))
        return 0;
    int rc = redis_url_parse(&u, span_str(url), why);
    redis_url_wipe(&u);
    return rc;
}

static int open_links(struct cache_redis *r)
{
    struct redis_link_cfg cfg = {
        .loop = r->loop,
        .url = &r->url,
        .out_max = OUT_MAX,
        .timeout = r->timeout,
        .events = {on_up, on_down, on_reply, r},
    };
    int rc = 0;
    if (redis_url_has_name(&r->url))
        rc = r->loop->ops->pool_open(r->loop, "redis", 1, 0, &r->pool);
    cfg.pool = r->pool;
    if (rc == 0)
        rc = redis_link_create(&r->commands, &cfg);
    cfg.events = (struct redis_link_events){on_channels_up, on_channels_down, on_channels_reply, r};
    return rc ? rc : redis_link_create(&r->channels, &cfg);
}

static int open(struct cache_redis *r)
{
    int base = metrics_register(r->metrics, metric_rows, METRICS_N);
    if (base < 0)
        return base;
    r->metric_base = (size_t)base;
    int rc = r->loop->ops->timer_open(r->loop, on_alive, r, &r->timer);
    if (rc)
        return rc;
    r->loop->ops->timer_set(r->timer, mono(r) + CACHE_REDIS_ALIVE);
    return open_links(r);
}

int cache_redis_create(struct cache_redis **ret, const struct cache_redis_cfg *cfg, struct buf *why)
{
    struct cache_redis *r = mem_zalloc(1, sizeof *r);
    if (!r)
        return E_NOMEM;
    r->port.ops = &redis_ops;
    r->loop = cfg->loop;
    r->log = cfg->log;
    r->metrics = cfg->metrics;
    r->timeout = cfg->timeout ? cfg->timeout : CACHE_REDIS_TIMEOUT;
    r->queue_max = cfg->queue_max ? cfg->queue_max : CACHE_REDIS_QUEUE_MAX;
    r->last = &r->first;
    int rc = redis_url_parse(&r->url, span_str(cfg->url), why);
    if (rc == 0) {
        rc = open(r);
        if (rc)
            (void)buf_printf(why, "cannot start the cache: %s", err_text(rc));
    }
    if (rc) {
        cache_redis_destroy(r);
        return rc;
    }
    *ret = r;
    return 0;
}

struct cache *cache_redis_port(struct cache_redis *r)
{
    return &r->port;
}

bool cache_redis_hears(const struct cache_redis *r)
{
    return r->hears;
}

void cache_redis_close(struct cache_redis *r)
{
    if (!r || r->closed)
        return;
    r->closed = true;
    r->up = r->hears = false;
    redis_link_close(r->commands, LAST_WORDS);
    redis_link_close(r->channels, 0);
    if (r->timer)
        r->loop->ops->timer_close(r->timer);
    if (r->pool)
        r->loop->ops->pool_close(r->pool);
    fail_all(r, r->loop->ops->now(r->loop));
}

void cache_redis_destroy(struct cache_redis *r)
{
    if (!r)
        return;
    cache_redis_close(r);
    redis_link_destroy(r->commands);
    redis_link_destroy(r->channels);
    redis_url_wipe(&r->url);
    mem_free(r);
}
