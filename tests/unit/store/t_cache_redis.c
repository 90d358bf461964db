/* The cache in a real Redis: what each operation says, how links break and come back, and two
 * processes' presence over it while it is killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "core/presence.h"
#include "os/clock.h"
#include "os/uvloop.h"
#include "redis_server.h"
#include "store/cache_redis.h"
#include "store/redis_url.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define GAME  SPAN_LIT("game")
#define ASKED 99 /* not yet answered */
#define WAIT  (10 * NSEC_PER_S)

struct kit;

/* One of the processes that share the Redis. */
struct process {
    struct kit *kit;
    struct log log;
    struct buf logged; /* ids and fields, a line each */
    struct metrics metrics;
    struct cache_redis *redis;
    struct cache *cache;
    struct cluster *cluster;
    struct presence *presence;
    unsigned heard, ups, downs, lost;
    char last[32];
};

struct kit {
    struct uvloop *uv;
    struct entropy entropy;
    char dir[40], url[160];
    struct redis_server server;
    struct process p[2];
};

static void emit(struct log *log, const struct log_row *row, const struct log_field *f, size_t n)
{
    struct process *p = CONTAINER_OF(log, struct process, log);
    assert_int_equal(buf_append_str(&p->logged, row->id), 0);
    for (size_t i = 0; i < n; i++)
        if (f[i].type == LOG_TYPE_SPAN)
            assert_int_equal(buf_printf(&p->logged, " %s=%.*s", f[i].key, (int)f[i].v.s.n,
                                        (const char *)f[i].v.s.p),
                             0);
    assert_int_equal(buf_append_byte(&p->logged, '\n'), 0);
}

static unsigned logged(struct process *p, const char *text)
{
    unsigned n = 0;
    assert_int_equal(buf_append_byte(&p->logged, 0), 0);
    p->logged.n--;
    for (const char *at = (const char *)p->logged.p; (at = strstr(at, text)); at++)
        n++;
    return n;
}

/* The gauge or counter in row i of the cache. */
static uint64_t metric(const struct process *p, size_t i)
{
    return p->metrics.values[i];
}

/* --- waiting: a look every millisecond, for at most WAIT --- */

static bool run_until(struct kit *k, bool (*cond)(void *), void *ctx)
{
    nsec end = clock_now().mono + WAIT;
    while (!cond(ctx)) {
        nsec now = clock_now().mono;
        if (now >= end)
            return false;
        (void)uvloop_run(k->uv, now + NSEC_PER_MS);
    }
    return true;
}

static bool is_up(void *ctx)
{
    struct process *p = ctx;
    return cache_up(p->cache) && (p->ups == 0 || cache_redis_hears(p->redis));
}

static bool is_down(void *ctx)
{
    struct process *p = ctx;
    return !cache_up(p->cache) && !cache_redis_hears(p->redis);
}

static bool is_answered(void *ctx)
{
    return *(const int *)ctx != ASKED;
}

static bool all_up(void *ctx)
{
    struct kit *k = ctx;
    for (size_t i = 0; i < ARRAY_LEN(k->p); i++)
        if (k->p[i].redis && !(cache_up(k->p[i].cache) && cache_redis_hears(k->p[i].redis)))
            return false;
    return true;
}

static bool is_lost(void *ctx)
{
    return ((const struct process *)ctx)->lost > 0;
}

static bool has_heard(void *ctx)
{
    return ((const struct process *)ctx)->heard > 0;
}

/* --- processes --- */

static void on_message(void *ctx, struct now now, struct span value)
{
    struct process *p = ctx;
    assert_true(now.mono > 0);
    p->heard++;
    (void)snprintf(p->last, sizeof p->last, "%.*s", (int)value.n, (const char *)value.p);
}

static void on_state(void *ctx, struct now now, bool up)
{
    struct process *p = ctx;
    (void)now;
    p->ups += up;
    p->downs += !up;
}

static int begin_with(struct process *p, const struct cache_redis_cfg *more, const char *url)
{
    struct kit *k = p->kit;
    struct buf why;
    struct cache_redis_cfg cfg = more ? *more : (struct cache_redis_cfg){0};
    cfg.url = url;
    cfg.loop = uvloop_loop(k->uv);
    cfg.log = &p->log;
    cfg.metrics = &p->metrics;
    buf_init(&why, 512);
    int rc = cache_redis_create(&p->redis, &cfg, &why);
    buf_fini(&why);
    if (rc)
        return rc;
    p->cache = cache_redis_port(p->redis);
    return cache_listen(p->cache, SPAN_LIT("c"), &(struct cache_listener){on_message, on_state, p});
}

static void begin(struct process *p)
{
    assert_int_equal(begin_with(p, NULL, p->kit->url), 0);
}

static void end(struct process *p)
{
    presence_close(p->presence);
    cache_redis_close(p->redis);
    presence_destroy(p->presence);
    cluster_destroy(p->cluster);
    cache_redis_destroy(p->redis);
    p->presence = NULL;
    p->cluster = NULL;
    p->redis = NULL;
    p->cache = NULL;
    metrics_fini(&p->metrics);
    p->ups = p->downs = p->heard = 0;
}

static int setup(void **state)
{
    struct kit *k = calloc(1, sizeof *k);
    assert_non_null(k);
    *state = k;
    assert_int_equal(uvloop_create(&k->uv), 0);
    clock_entropy_init(&k->entropy);
    (void)snprintf(k->dir, sizeof k->dir, "/tmp/slipgate-redis-XXXXXX");
    assert_non_null(mkdtemp(k->dir));
    k->server.dir = k->dir;
    (void)snprintf(k->url, sizeof k->url, "unix://%s/redis.sock?db=3", k->dir);
    for (size_t i = 0; i < ARRAY_LEN(k->p); i++) {
        k->p[i].kit = k;
        k->p[i].log = (struct log){LOG_DEBUG, emit};
        buf_init(&k->p[i].logged, 1 << 16);
        metrics_init(&k->p[i].metrics);
    }
    return 0;
}

static int teardown(void **state)
{
    struct kit *k = *state;
    for (size_t i = 0; i < ARRAY_LEN(k->p); i++) {
        end(&k->p[i]);
        buf_fini(&k->p[i].logged);
    }
    if (k->server.pid)
        redis_server_signal(&k->server, SIGCONT);
    redis_server_kill(&k->server);
    uvloop_destroy(k->uv);
    entropy_fini(&k->entropy);
    (void)unlink(k->server.path);
    assert_int_equal(rmdir(k->dir), 0);
    free(k);
    return 0;
}

static void start(struct kit *k, size_t processes)
{
    redis_server_start(&k->server);
    for (size_t i = 0; i < processes; i++)
        begin(&k->p[i]);
    assert_true(run_until(k, all_up, k));
}

/* --- asks --- */

struct asked {
    int rc, answers;
    int64_t number;
    char value[CACHE_VALUE_MAX + 1];
    size_t value_n;
};

static void on_answer(void *ctx, struct now now, const struct cache_answer *a)
{
    struct asked *q = ctx;
    assert_true(now.mono > 0 && a->req == 5);
    q->answers++;
    q->rc = a->rc;
    q->number = a->number;
    q->value_n = a->value.n;
    if (a->value.n)
        memcpy(q->value, a->value.p, a->value.n);
    q->value[a->value.n] = '\0';
}

static int submit(struct process *p, struct cache_ask ask, struct asked *q)
{
    *q = (struct asked){.rc = ASKED};
    int rc = cache_submit(p->cache, &ask, (struct cache_owner){on_answer, q, 5});
    assert_int_equal(q->answers, 0);
    return rc;
}

static struct asked last;

static int say(struct process *p, struct cache_ask ask)
{
    int rc = submit(p, ask, &last);
    if (rc)
        return rc;
    assert_true(run_until(p->kit, is_answered, &last.rc));
    assert_int_equal(last.answers, 1);
    return last.rc;
}

#define KEY  .key = SPAN_LIT("k")
#define LIVE .ttl_ms = 60000

static void each_operation(void **state)
{
    const struct cache_ask get = {CACHE_GET, KEY};
    struct kit *k = *state;
    struct process *p = &k->p[0];
    start(k, 2);
    assert_int_equal(say(p, get), E_NOENT);
    assert_int_equal(
        say(p, (struct cache_ask){CACHE_PUT_ABSENT, KEY, .value = SPAN_LIT("a"), LIVE}), 0);
    assert_int_equal(
        say(&k->p[1], (struct cache_ask){CACHE_PUT_ABSENT, KEY, .value = SPAN_LIT("b"), LIVE}),
        E_EXISTS);
    assert_string_equal(last.value, "a");
    assert_int_equal(say(p, (struct cache_ask){CACHE_PUT_EQUAL, KEY, .old = SPAN_LIT("b"),
                                               .value = SPAN_LIT("c"), LIVE}),
                     E_STALE);
    assert_string_equal(last.value, "a");
    assert_int_equal(say(p, (struct cache_ask){CACHE_PUT_EQUAL, KEY, .old = SPAN_LIT("a"),
                                               .value = SPAN_LIT("c"), LIVE}),
                     0);
    assert_int_equal(say(&k->p[1], get), 0);
    assert_string_equal(last.value, "c");
    assert_int_equal(say(p, (struct cache_ask){CACHE_PUT, KEY, LIVE}), 0);
    assert_int_equal(say(p, get), 0);
    assert_int_equal(last.value_n, 0);
    assert_int_equal(say(p, (struct cache_ask){CACHE_DEL_EQUAL, KEY, .old = SPAN_LIT("c")}),
                     E_STALE);
    assert_int_equal(say(p, (struct cache_ask){CACHE_DEL_EQUAL, KEY}), 0);
    assert_int_equal(say(p, (struct cache_ask){CACHE_DEL_EQUAL, KEY}), E_NOENT);
    assert_int_equal(say(p, (struct cache_ask){CACHE_PUT_EQUAL, KEY, LIVE}), E_NOENT);
    assert_int_equal(say(p, (struct cache_ask){CACHE_ADD, KEY, .add = -3, LIVE}), 0);
    assert_true(last.number == -3);
    assert_int_equal(say(&k->p[1], (struct cache_ask){CACHE_ADD, KEY, .add = 5, LIVE}), 0);
    assert_true(last.number == 2);
    assert_int_equal(say(p, (struct cache_ask){CACHE_ADD, KEY, .add = INT64_MAX, LIVE}), E_RANGE);
    assert_int_equal(say(p, (struct cache_ask){CACHE_PUT, KEY, .value = SPAN_LIT("x"), LIVE}), 0);
    assert_int_equal(say(p, (struct cache_ask){CACHE_ADD, KEY, .add = 1, LIVE}), E_RANGE);
    assert_int_equal(metric(p, 0), 1);
}

static void any_bytes_of_any_length(void **state)
{
    uint8_t key[CACHE_KEY_MAX], value[CACHE_VALUE_MAX];
    struct kit *k = *state;
    struct process *p = &k->p[0];
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (uint8_t)i;
    memset(key, '\r', sizeof key);
    key[1] = 0;
    start(k, 1);
    struct cache_ask ask = {CACHE_PUT_ABSENT, .key = span_of(key, sizeof key),
                            .value = span_of(value, sizeof value), LIVE};
    assert_int_equal(say(p, ask), 0);
    assert_int_equal(say(p, ask), E_EXISTS);
    assert_int_equal(last.value_n, sizeof value);
    assert_memory_equal(last.value, value, sizeof value);
    ask.op = CACHE_PUT_EQUAL;
    ask.old = ask.value;
    assert_int_equal(say(p, ask), 0);
    ask.value.n++;
    assert_int_equal(say(p, ask), E_RANGE);
}

static void values_end_when_their_time_is_over(void **state)
{
    struct kit *k = *state;
    struct process *p = &k->p[0];
    start(k, 1);
    const struct cache_ask puts[] = {
        {CACHE_PUT, KEY, .value = SPAN_LIT("a"), .ttl_ms = 20},
        {CACHE_PUT_ABSENT, KEY, .value = SPAN_LIT("a"), .ttl_ms = 20},
        {CACHE_ADD, KEY, .add = 1, .ttl_ms = 20},
    };
    for (size_t i = 0; i < ARRAY_LEN(puts); i++) {
        assert_int_equal(say(p, puts[i]), 0);
        nsec stop = clock_now().mono + WAIT;
        while (say(p, (struct cache_ask){CACHE_GET, KEY}) == 0) {
            assert_true(clock_now().mono < stop);
        }
        assert_int_equal(last.rc, E_NOENT);
    }
}

static void messages_stay_within_their_database(void **state)
{
    struct kit *k = *state;
    char other[160];
    struct cache_ask hello = {CACHE_PUBLISH, .key = SPAN_LIT("c"), .value = SPAN_LIT("hello")};
    start(k, 1);
    (void)snprintf(other, sizeof other, "unix://%s/redis.sock?db=4", k->dir);
    assert_int_equal(begin_with(&k->p[1], NULL, other), 0);
    assert_true(run_until(k, all_up, k));
    assert_int_equal(say(&k->p[1], hello), 0);
    assert_int_equal(last.number, 1); /* itself */
    hello.value = SPAN_LIT("you");
    assert_int_equal(say(&k->p[0], hello), 0);
    assert_true(run_until(k, has_heard, &k->p[0]));
    assert_string_equal(k->p[0].last, "you");
    assert_int_equal(k->p[0].heard, 1);
}

static void scripts_that_were_forgotten_are_sent_whole(void **state)
{
    struct kit *k = *state;
    char command[160];
    start(k, 1);
    (void)snprintf(command, sizeof command, "redis-cli -s %s SCRIPT FLUSH > /dev/null",
                   k->server.path);
    assert_int_equal(system(command), 0);
    assert_int_equal(
        say(&k->p[0], (struct cache_ask){CACHE_PUT_ABSENT, KEY, .value = SPAN_LIT("a"), LIVE}), 0);
    assert_int_equal(
        say(&k->p[0], (struct cache_ask){CACHE_PUT_ABSENT, KEY, .value = SPAN_LIT("b"), LIVE}),
        E_EXISTS);
    assert_int_equal(k->p[0].downs, 0);
}

static bool told_down(void *ctx)
{
    return logged(ctx, "cache.down") > 0;
}

static void passwords_are_used_and_not_told(void **state)
{
    struct kit *k = *state;
    char url[200];
    k->server.password = "se:cr@t";
    redis_server_start(&k->server);
    (void)snprintf(url, sizeof url, "unix://:wrong%%21@%s/redis.sock", k->dir);
    assert_int_equal(begin_with(&k->p[0], NULL, url), 0);
    assert_true(run_until(k, told_down, &k->p[0]));
    assert_in_range(logged(&k->p[0], "WRONGPASS"), 1, 2); /* of each connection */
    assert_int_equal(logged(&k->p[0], "wrong!") + logged(&k->p[0], "wrong%21"), 0);
    assert_int_equal(submit(&k->p[0], (struct cache_ask){CACHE_GET, KEY}, &last), E_IO);
    (void)snprintf(url, sizeof url, "unix://default:se%%3acr%%40t@%s/redis.sock", k->dir);
    assert_int_equal(begin_with(&k->p[1], NULL, url), 0);
    assert_true(run_until(k, is_up, &k->p[1]));
    assert_int_equal(say(&k->p[1], (struct cache_ask){CACHE_GET, KEY}), E_NOENT);
    assert_int_equal(logged(&k->p[1], "cr@t") + logged(&k->p[1], "se:") + logged(&k->p[1], "%3a"),
                     0);
}

static void by_name_over_tcp(void **state)
{
    struct kit *k = *state;
    char url[64];
    k->server.port = redis_server_free_port();
    (void)snprintf(k->url, sizeof k->url, "redis://localhost:%u/1", k->server.port);
    start(k, 1);
    assert_int_equal(
        say(&k->p[0], (struct cache_ask){CACHE_PUT, KEY, .value = SPAN_LIT("a"), LIVE}), 0);
    (void)snprintf(url, sizeof url, "redis://127.0.0.1:%u/1", k->server.port);
    assert_int_equal(begin_with(&k->p[1], NULL, url), 0);
    assert_true(run_until(k, is_up, &k->p[1]));
    assert_int_equal(say(&k->p[1], (struct cache_ask){CACHE_GET, KEY}), 0);
}

static void what_was_on_its_way_is_answered_when_redis_dies(void **state)
{
    enum { N = 64 };
    static struct asked q[N];
    struct kit *k = *state;
    struct process *p = &k->p[0];
    start(k, 1);
    redis_server_signal(&k->server, SIGSTOP); /* it takes them and does not answer */
    for (int i = 0; i < N; i++)
        assert_int_equal(submit(p, (struct cache_ask){CACHE_ADD, KEY, .add = 1, LIVE}, &q[i]), 0);
    (void)uvloop_run(k->uv, clock_now().mono + 5 * NSEC_PER_MS);
    redis_server_kill(&k->server);
    assert_true(run_until(k, is_down, p));
    for (int i = 0; i < N; i++) {
        assert_int_equal(q[i].answers, 1);
        assert_int_equal(q[i].rc, E_IO);
    }
    assert_int_equal(p->downs, 1);
    assert_int_equal(metric(p, 0) + metric(p, 1) + metric(p, 2), 0);
    assert_int_equal(submit(p, (struct cache_ask){CACHE_GET, KEY}, &q[0]), E_IO);
    redis_server_start(&k->server);
    assert_true(run_until(k, is_up, p));
    assert_int_equal(p->ups, 2);
    assert_int_equal(
        say(p, (struct cache_ask){CACHE_PUBLISH, .key = SPAN_LIT("c"), .value = SPAN_LIT("back")}),
        0);
    assert_true(run_until(k, has_heard, p));
    /* However often it failed in between. */
    assert_int_equal(logged(p, "cache.down"), 1);
    assert_int_equal(logged(p, "cache.up"), 2);
}

static void no_answer_in_time(void **state)
{
    struct kit *k = *state;
    struct process *p = &k->p[0];
    struct cache_redis_cfg cfg = {.timeout = 60 * NSEC_PER_MS};
    redis_server_start(&k->server);
    assert_int_equal(begin_with(p, &cfg, k->url), 0);
    assert_true(run_until(k, is_up, p));
    redis_server_signal(&k->server, SIGSTOP);
    assert_int_equal(say(p, (struct cache_ask){CACHE_GET, KEY}), E_TIMEOUT);
    assert_false(cache_up(p->cache));
    redis_server_signal(&k->server, SIGCONT);
    assert_true(run_until(k, is_up, p));
    assert_int_equal(say(p, (struct cache_ask){CACHE_GET, KEY}), E_NOENT);
}

static void the_queue_is_bounded(void **state)
{
    struct kit *k = *state;
    struct process *p = &k->p[0];
    struct cache_redis_cfg cfg = {.queue_max = 2};
    struct asked q[3];
    redis_server_start(&k->server);
    assert_int_equal(begin_with(p, &cfg, k->url), 0);
    assert_int_equal(submit(p, (struct cache_ask){CACHE_GET, KEY}, &q[0]), E_IO); /* not yet */
    assert_true(run_until(k, is_up, p));
    assert_int_equal(submit(p, (struct cache_ask){CACHE_GET, KEY}, &q[0]), 0);
    assert_int_equal(submit(p, (struct cache_ask){CACHE_GET, KEY}, &q[1]), 0);
    assert_int_equal(submit(p, (struct cache_ask){CACHE_GET, KEY}, &q[2]), E_BUSY);
    assert_true(run_until(k, is_answered, &q[1].rc));
    assert_int_equal(submit(p, (struct cache_ask){CACHE_GET, KEY}, &q[2]), 0);
    cache_redis_close(p->redis);
    assert_int_equal(q[2].answers, 1);
    assert_int_equal(q[2].rc, E_IO);
    assert_int_equal(submit(p, (struct cache_ask){CACHE_GET, KEY}, &q[2]), E_IO);
}

/* Says this to whoever connects, and no more. */
static pid_t liar(const char *path, const char *text, size_t n)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 8) == 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    while (pid == 0) {
        int c = accept(fd, NULL, NULL);
        char rest[4096];
        for (size_t at = 0; at < n;) {
            ssize_t sent = send(c, text + at, n - at, MSG_NOSIGNAL);
            if (sent <= 0)
                break;
            at += (size_t)sent;
        }
        while (read(c, rest, sizeof rest) > 0)
            continue;
        (void)close(c);
    }
    (void)close(fd);
    return pid;
}

static void a_server_that_is_no_redis(void **state)
{
    static char endless[70000];
    struct kit *k = *state;
    struct process *p = &k->p[0];
    memset(endless, 'x', sizeof endless);
    memcpy(endless, "$1000000\r\n", 10);
    const struct {
        const char *text;
        size_t n;
    } lies[] = {
        {"HTTP/1.1 400 Bad Request\r\n\r\n", 28},
        {"*1000000000\r\n", 13},
        {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", 40},
        {"-ERR go away\r\n", 14},
        {"+OK\r\n+PONG\r\n+more\r\n+more\r\n+more\r\n+more\r\n+more\r\n", 48},
        {"+OK\r\n+PONG\r\n*2\r\n$7\r\nmessage\r\n$1\r\nx\r\n", 37},
        {endless, sizeof endless},
    };
    (void)snprintf(k->server.path, sizeof k->server.path, "%s/redis.sock", k->dir);
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        pid_t pid = liar(k->server.path, lies[i].text, lies[i].n);
        begin(p);
        assert_true(run_until(k, told_down, p));
        assert_int_equal(p->ups, 0);
        end(p);
        buf_clear(&p->logged);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(unlink(k->server.path), 0);
    }
}

/* --- presence of two processes --- */

static void on_lost(void *ctx, struct now now, int64_t account, struct span game)
{
    struct process *p = ctx;
    (void)now;
    assert_int_equal(account, 7);
    assert_true(span_eq(game, GAME));
    p->lost++;
}

static void sign_on(struct process *p, const char *node)
{
    struct cluster_cfg cluster = {p->cache, span_str(node), &p->log, &p->metrics};
    assert_int_equal(cluster_create(&p->cluster, &cluster), 0);
    struct presence_cfg cfg = {.loop = uvloop_loop(p->kit->uv),
                               .cache = p->cache,
                               .cluster = p->cluster,
                               .node = span_str(node),
                               .log = &p->log,
                               .metrics = &p->metrics,
                               .entropy = &p->kit->entropy,
                               .lost = on_lost,
                               .ctx = p};
    assert_int_equal(presence_create(&p->presence, &cfg), 0);
}

static void on_claimed(void *ctx, struct now now, const struct answer *a)
{
    (void)now;
    *(int *)ctx = a->rc;
}

static int ask(struct process *p, const struct ask *a)
{
    struct ask_port *port = presence_port(p->presence);
    int rc = ASKED;
    assert_int_equal(port->submit(port, a, (struct ask_owner){on_claimed, &rc, 0}), 0);
    assert_int_equal(rc, ASKED);
    assert_true(run_until(p->kit, is_answered, &rc));
    return rc;
}

static int claim(struct process *p, bool replace)
{
    struct ask a = {.kind = ASK_CLAIM};
    a.u.claim.account = 7;
    a.u.claim.game = GAME;
    a.u.claim.replace = replace;
    return ask(p, &a);
}

static int release(struct process *p)
{
    struct ask a = {.kind = ASK_RELEASE};
    a.u.release.account = 7;
    a.u.release.game = GAME;
    return ask(p, &a);
}

static void one_account_on_two_processes(void **state)
{
    struct kit *k = *state;
    start(k, 2);
    sign_on(&k->p[0], "alpha");
    sign_on(&k->p[1], "beta");
    assert_true(run_until(k, all_up, k));
    assert_int_equal(say(&k->p[0], (struct cache_ask){CACHE_GET, KEY}),
                     E_NOENT); /* SUBSCRIBEs through */
    assert_int_equal(claim(&k->p[0], false), 0);
    assert_int_equal(claim(&k->p[1], false), E_EXISTS);
    assert_int_equal(claim(&k->p[1], true), 0);
    assert_true(run_until(k, is_lost, &k->p[0]));
    assert_int_equal(release(&k->p[0]), 0);
    assert_int_equal(presence_claims(k->p[0].presence), 0);
    assert_int_equal(k->p[1].lost, 0);
    /* What the end of a process gave up is free at once. */
    end(&k->p[1]);
    assert_int_equal(claim(&k->p[0], false), 0);
}

static void redis_dies_between_two_logins(void **state)
{
    struct kit *k = *state;
    start(k, 2);
    sign_on(&k->p[0], "alpha");
    sign_on(&k->p[1], "beta");
    assert_int_equal(claim(&k->p[0], false), 0);
    redis_server_kill(&k->server);
    assert_true(run_until(k, is_down, &k->p[0]));
    assert_true(run_until(k, is_down, &k->p[1]));
    assert_int_equal(claim(&k->p[1], false), 0); /* games go on */
    assert_int_equal(k->p[0].lost, 0);
    redis_server_start(&k->server);
    assert_true(run_until(k, is_lost, &k->p[0])); /* the newest stays */
    assert_int_equal(release(&k->p[0]), 0);
    assert_int_equal(k->p[1].lost, 0);
    assert_int_equal(presence_claims(k->p[1].presence), 1);
    assert_true(run_until(k, all_up, k));
    assert_int_equal(claim(&k->p[0], false), E_EXISTS);
    assert_int_equal(logged(&k->p[0], "presence.alone"), 1);
}

/* --- where it is --- */

static void urls(void **state)
{
    static const struct {
        const char *text, *host, *path, *user, *password, *shown;
        uint16_t port, db;
    } good[] = {
        {"redis://h", "h", "", "", "", "h:6379/0", 6379, 0},
        {"redis://h/", "h", "", "", "", "h:6379/0", 6379, 0},
        {"redis://h:1/65535", "h", "", "", "", "h:1/65535", 1, 65535},
        {"redis://:p@h", "h", "", "", "p", "h:6379/0", 6379, 0},
        {"redis://u:p%40%2f:@h:7/1", "h", "", "u", "p@/:", "h:7/1", 7, 1},
        {"redis://[::1]", "::1", "", "", "", "::1:6379/0", 6379, 0},
        {"redis://[::1]:65535/2", "::1", "", "", "", "::1:65535/2", 65535, 2},
        {"unix:///a/b", "", "/a/b", "", "", "/a/b?db=0", 0, 0},
        {"unix://u:p@/a?db=9", "", "/a", "u", "p", "/a?db=9", 0, 9},
    };
    static const char *const bad[] = {"",
                                      "memory",
                                      "redis:",
                                      "redis://",
                                      "redis://:p@",
                                      "redis://u@h",
                                      "redis://u:@h",
                                      "redis://:%0@h",
                                      "redis://:%00@h",
                                      "redis://:%zz@h",
                                      "redis://h:0",
                                      "redis://h:65536",
                                      "redis://h:x",
                                      "redis://h/x",
                                      "redis://h/65536",
                                      "redis://[::1",
                                      "redis://[::1]x",
                                      "redis://[]",
                                      "unix://a",
                                      "unix://",
                                      "unix:///a?db=",
                                      "unix:///a?x=1",
                                      "unix:///a?db=-1",
                                      "rediss://h",
                                      "http://h"};
    struct redis_url u;
    struct buf why;
    char shown[REDIS_SHOWN_MAX];
    (void)state;
    buf_init(&why, 512);
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(redis_url_parse(&u, span_str(good[i].text), &why), 0);
        assert_string_equal(u.host, good[i].host);
        assert_string_equal(u.path, good[i].path);
        assert_string_equal(u.user, good[i].user);
        assert_string_equal(u.password, good[i].password);
        assert_int_equal(u.port, good[i].port);
        assert_int_equal(u.db, good[i].db);
        assert_string_equal(redis_url_shown(&u, shown), good[i].shown);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        buf_clear(&why);
        if (redis_url_parse(&u, span_str(bad[i]), &why) != E_CONFIG)
            fail_msg("taken: %s", bad[i]);
        assert_true(why.n > 10 && memcmp(why.p, "cache.url: ", 11) == 0);
    }
    buf_clear(&why);
    assert_int_equal(cache_redis_check("rediss://user:hunter2@h", &why), E_CONFIG);
    assert_int_equal(buf_append_byte(&why, 0), 0);
    assert_non_null(strstr((const char *)why.p, "TLS"));
    assert_null(strstr((const char *)why.p, "hunter2"));
    assert_int_equal(cache_redis_check("memory:", &why), 0);
    buf_fini(&why);
}

static void url_limits(void **state)
{
    char text[600];
    struct redis_url u;
    struct buf why;
    (void)state;
    buf_init(&why, 512);
    (void)snprintf(text, sizeof text, "redis://%0255d", 0);
    assert_int_equal(redis_url_parse(&u, span_str(text), &why), 0);
    (void)snprintf(text, sizeof text, "redis://%0256d", 0);
    assert_int_equal(redis_url_parse(&u, span_str(text), &why), E_CONFIG);
    (void)snprintf(text, sizeof text, "redis://:%0255d@h", 0);
    assert_int_equal(redis_url_parse(&u, span_str(text), &why), 0);
    (void)snprintf(text, sizeof text, "redis://:%0256d@h", 0);
    assert_int_equal(redis_url_parse(&u, span_str(text), &why), E_CONFIG);
    (void)snprintf(text, sizeof text, "unix:///%0106d", 0);
    assert_int_equal(redis_url_parse(&u, span_str(text), &why), 0);
    (void)snprintf(text, sizeof text, "unix:///%0107d", 0);
    assert_int_equal(redis_url_parse(&u, span_str(text), &why), E_CONFIG);
    buf_fini(&why);
}

#define LIVE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls),
        cmocka_unit_test(url_limits),
        LIVE_TEST(each_operation),
        LIVE_TEST(any_bytes_of_any_length),
        LIVE_TEST(values_end_when_their_time_is_over),
        LIVE_TEST(messages_stay_within_their_database),
        LIVE_TEST(scripts_that_were_forgotten_are_sent_whole),
        LIVE_TEST(passwords_are_used_and_not_told),
        LIVE_TEST(by_name_over_tcp),
        LIVE_TEST(what_was_on_its_way_is_answered_when_redis_dies),
        LIVE_TEST(no_answer_in_time),
        LIVE_TEST(the_queue_is_bounded),
        LIVE_TEST(a_server_that_is_no_redis),
        LIVE_TEST(one_account_on_two_processes),
        LIVE_TEST(redis_dies_between_two_logins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
