/* What audit_log_sync vouched for survives kill -9, over a real database and a real spool: a child
 * adds records and writes the number of each to a pipe once it is said to be safe; it is killed at
 * a moment drawn by lot. Every record in the pipe must be there, and the chain be whole. In every
 * second child the store refuses now and then, so that records are in the spool as well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/err.h"
#include "base/rng.h"
#include "core/audit_log.h"
#include "core/query.h"
#include "os/clock.h"
#include "os/spool.h"
#include "store_kit.h"
#include "wire/text.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS      10
#define AT_ONCE     16
#define ALIVE_MS    50 /* killed within so long after its first answer */
#define RECORDS_MAX 65536u
#define NODE        "kill"

static const uint8_t key[CHAIN_KEY] = {1};

/* A log over a store that may refuse. */
struct audited {
    struct kit *kit;
    struct ask_port port;
    struct rng rng;
    unsigned refuse_1_in; /* 0: never */
    struct spool *spool;
    struct audit_log *log;
    struct loop_timer *timer;
    unsigned round, next;
};

static int submit(struct ask_port *port, const struct ask *ask, struct ask_owner owner)
{
    struct audited *a = CONTAINER_OF(port, struct audited, port);
    struct ask_port *store = store_port(a->kit->store);
    if (a->refuse_1_in && rng_below(&a->rng, a->refuse_1_in) == 0)
        return E_BUSY;
    return store->submit(store, ask, owner);
}

static void on_timer(void *ctx, struct now now)
{
    struct audited *a = ctx;
    a->kit->loop->ops->timer_set(a->timer, audit_log_time(a->log, now));
}

static void wake(void *ctx, nsec deadline)
{
    struct audited *a = ctx;
    a->kit->loop->ops->timer_set(a->timer, deadline);
}

static void audited_open(struct audited *a, struct kit *k, const char *spool)
{
    struct loop *loop = k->loop;
    a->kit = k;
    a->port.submit = submit;
    CHECK(spool_open(&a->spool, loop, spool, 1u << 24, &k->log, &k->why) == 0);
    CHECK(loop->ops->timer_open(loop, on_timer, a, &a->timer) == 0);
    struct audit_log_cfg cfg = {.store = &a->port,
                                .spool = spool_port(a->spool),
                                .node = SPAN_LIT(NODE),
                                .log = &k->log,
                                .metrics = &k->metrics,
                                .wake = wake,
                                .ctx = a};
    memcpy(cfg.key, key, sizeof key);
    CHECK(audit_log_create(&a->log, &cfg, clock_now()) == 0);
}

static void audited_close(struct audited *a)
{
    nsec end = clock_now().mono + 20 * NSEC_PER_S;
    audit_log_close(a->log, clock_now());
    while (!audit_log_quiet(a->log) && clock_now().mono < end)
        (void)uvloop_run(a->kit->uv, clock_now().mono + NSEC_PER_MS);
    assert_true(audit_log_quiet(a->log));
    spool_close(a->spool);
    a->kit->loop->ops->timer_close(a->timer);
    audit_log_destroy(a->log);
}

/* ---- the child */

struct promise {
    struct audited *a;
    unsigned number;
};

static void promise_next(struct promise *p);

static void on_sync(void *ctx, struct now now, int rc)
{
    struct promise *p = ctx;
    char line[32];
    (void)now;
    if (rc == 0) {
        int n = snprintf(line, sizeof line, "%u-%u\n", p->a->round, p->number);
        CHECK(write(1, line, (size_t)n) == n);
    }
    promise_next(p);
}

static void promise_next(struct promise *p)
{
    char details[32];
    p->number = p->a->next++;
    (void)snprintf(details, sizeof details, "%u-%u", p->a->round, p->number);
    const struct audit_record r = {
        .type = AUDIT_ACCOUNT, .game = SPAN_LIT("server"), .details = span_str(details)};
    audit_log_add(p->a->log, clock_now(), &r);
    audit_log_sync(p->a->log, clock_now(), on_sync, p);
}

static int run_child(const char *url, const char *spool, const char *round)
{
    struct kit k;
    struct audited a = {.round = (unsigned)strtoul(round, NULL, 10)};
    struct promise all[AT_ONCE];
    kit_open(&k);
    CHECK(rmdir(k.dir) == 0); /* nobody will be there to remove it later */
    k.cfg.url = url;
    if (kit_start(&k))
        return 1;
    a.rng.state = clock_now().mono;
    a.refuse_1_in = a.round % 2 ? 100 : 0;
    audited_open(&a, &k, spool);
    for (size_t i = 0; i < AT_ONCE; i++) {
        all[i].a = &a;
        promise_next(&all[i]);
    }
    (void)uvloop_run(k.uv, NSEC_NEVER);
    return 1;
}

/* ---- what is there */

struct found {
    bool there[ROUNDS][RECORDS_MAX / ROUNDS];
    uint64_t last;
    size_t n;
};

static void take_row(struct chain_verifier *v, const struct value *row, struct found *f)
{
    struct audit_record r = {.seq = (uint64_t)query_int(&row[1]),
                             .at_ms = query_int(&row[2]),
                             .type = (uint16_t)query_int(&row[3]),
                             .subtype = (uint16_t)query_int(&row[4]),
                             .game = query_text(&row[5]),
                             .account = query_text(&row[6]),
                             .player = query_text(&row[7]),
                             .address = query_text(&row[8]),
                             .target = query_text(&row[9]),
                             .details = query_text(&row[10])};
    struct chain_link link;
    uint8_t bytes[AUDIT_BYTES_MAX];
    char text[32] = "";
    unsigned round, number;
    assert_int_equal(hex_decode(query_text(&row[11]), link.prev.b, CHAIN_HASH), 0);
    assert_int_equal(hex_decode(query_text(&row[12]), link.own.b, CHAIN_HASH), 0);
    int n = audit_encode(&r, bytes, sizeof bytes);
    assert_true(n > 0);
    assert_int_equal(chain_verify_record(v, r.seq, span_of(bytes, (size_t)n), &link), 0);
    assert_true(r.details.n < sizeof text);
    memcpy(text, r.details.p, r.details.n);
    assert_int_equal(sscanf(text, "%u-%u", &round, &number), 2);
    assert_true(round < ROUNDS && number < ARRAY_LEN(f->there[0]));
    assert_false(f->there[round][number]); /* once */
    f->there[round][number] = true;
    f->last = r.seq;
    f->n++;
}

struct page {
    struct kit *kit;
    struct chain_verifier *v;
    struct found *f;
    size_t waiting, rows;
};

static void on_page(void *ctx, struct now now, const struct answer *a)
{
    struct page *p = ctx;
    struct value row[QUERY_VALUES];
    (void)now;
    assert_int_equal(a->rc, 0);
    for (size_t at = 0; query_next(a->u.rows, &at, row) > 0; p->rows++)
        take_row(p->v, row, p->f);
    p->waiting = 0;
    uvloop_stop(p->kit->uv);
}

static void read_all(struct kit *k, struct found *f)
{
    struct chain_hasher *h;
    struct chain c;
    struct chain_verifier v;
    struct chain_report report;
    char words[CHAIN_WORDS_MAX];
    uint8_t public_key[1][CHAIN_KEY];
    struct page p = {.kit = k, .v = &v, .f = f, .rows = 1};
    assert_int_equal(chain_hasher_create(&h), 0);
    assert_int_equal(chain_begin(&c, h, SPAN_LIT(NODE)), 0);
    assert_int_equal(chain_public_key(key, public_key[0]), 0);
    assert_int_equal(
        chain_verify_begin(&v, h, &c.origin, (const uint8_t(*)[CHAIN_KEY])public_key, 1, NULL), 0);
    while (p.rows) {
        const struct value q[] = {VALUE_OF_TEXT(SPAN_LIT(NODE)),
                                  VALUE_OF_INT((int64_t)f->last),
                                  VALUE_OF_INT(0),
                                  VALUE_OF_INT(0),
                                  VALUE_OF_INT(0),
                                  VALUE_OF_TEXT(SPAN_NULL),
                                  VALUE_OF_TEXT(SPAN_NULL),
                                  VALUE_OF_INT(500)};
        const struct ask ask = query_ask(QUERY_AUDIT_LIST, q, ARRAY_LEN(q));
        struct ask_port *port = store_port(k->store);
        p.waiting = 1;
        p.rows = 0;
        assert_int_equal(port->submit(port, &ask, (struct ask_owner){on_page, &p, 0}), 0);
        assert_true(kit_run_down(k, &p.waiting, 20));
    }
    chain_verify_report(&v, &report);
    if (report.fault != CHAIN_UNSIGNED && report.fault != CHAIN_GOOD)
        fail_msg("%s", chain_words(&report, words));
    chain_hasher_destroy(h);
}

/* ---- the parent */

static void kill_one(const char *url, const char *spool, unsigned round, unsigned alive_us,
                     struct buf *promised)
{
    int pipes[2], status;
    char text[16], bytes[4096];
    ssize_t n;
    bool killed = false;
    size_t start = promised->n;
    (void)snprintf(text, sizeof text, "%u", round);
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(pipes[1], 1);
        close(pipes[0]);
        close(pipes[1]);
        execl("/proc/self/exe", "t_audit_kill", url, spool, text, (char *)NULL);
        _exit(9);
    }
    close(pipes[1]);
    while ((n = read(pipes[0], bytes, sizeof bytes)) > 0) {
        assert_int_equal(buf_append(promised, bytes, (size_t)n), 0);
        if (!killed) {
            usleep(alive_us); /* the moment of the kill: that is what is drawn by lot */
            assert_int_equal(kill(pid, SIGKILL), 0);
            killed = true;
        }
    }
    close(pipes[0]);
    assert_true(killed);
    while (promised->n > start && promised->p[promised->n - 1] != '\n')
        promised->n--;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static size_t all_are_there(const struct buf *promised, const struct found *f)
{
    size_t n = 0;
    for (size_t at = 0; at < promised->n; n++) {
        unsigned round, number;
        assert_int_equal(sscanf((const char *)promised->p + at, "%u-%u", &round, &number), 2);
        if (!f->there[round][number])
            fail_msg("vouched for, then lost: %u-%u", round, number);
        at += (size_t)((const uint8_t *)memchr(promised->p + at, '\n', promised->n - at) -
                       (promised->p + at)) +
              1;
    }
    return n;
}

static void what_was_vouched_for_survives_kill_9(void **state)
{
    struct kit k;
    struct buf promised;
    char spool[128];
    size_t n = 0;
    unsigned seed = (unsigned)clock_now().mono;
    struct found *f = calloc(1, sizeof *f);
    (void)state;
    assert_non_null(f);
    kit_open(&k);
    buf_init(&promised, 1u << 24);
    (void)snprintf(spool, sizeof spool, "%s/spool", k.dir);
    print_message("seed %u\n", seed);
    for (unsigned round = 0; round < ROUNDS; round++) {
        kill_one(k.url, spool, round, (unsigned)rand_r(&seed) % (ALIVE_MS * 1000), &promised);
        if (round % 3 < 2 && round + 1 < ROUNDS)
            continue; /* the next child starts on what this one left */
        struct audited a = {.refuse_1_in = 0};
        assert_int_equal(kit_start(&k), 0);
        audited_open(&a, &k, spool);
        (void)uvloop_run(k.uv, clock_now().mono + 20 * NSEC_PER_MS);
        audited_close(&a);
        kit_stop(&k);
    }
    assert_int_equal(buf_append_byte(&promised, '\0'), 0);
    promised.n--;
    assert_int_equal(kit_start(&k), 0);
    struct audited a = {.refuse_1_in = 0};
    audited_open(&a, &k, spool);
    while (kit_metric(&k, "slipgate_audit_spool") > 0)
        (void)uvloop_run(k.uv, clock_now().mono + NSEC_PER_MS);
    read_all(&k, f);
    audited_close(&a);
    n = all_are_there(&promised, f);
    print_message("%zu records vouched for over %d kills, %zu there, none lost\n", n, ROUNDS, f->n);
    assert_true(n > 0);
    buf_fini(&promised);
    kit_close(&k);
    free(f);
}

int main(int argc, char **argv)
{
    if (argc == 4)
        return run_child(argv[1], argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_vouched_for_survives_kill_9),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
