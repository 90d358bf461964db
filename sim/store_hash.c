/* Passwords "hashed" in no time and taking virtual time: a bounded queue and two workers, as
 * os/hash has them. Records are salted, so that two of one password differ; some come out as if of
 * an older scheme, so that a login later wants them replaced. */
#include "base/check.h"
#include "base/err.h"
#include "base/hmap.h"
#include "base/mem.h"
#include "sim/alloc_fault.h"
#include "sim/store_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define WORKERS    2u
#define QUEUE_MAX  128u
#define WAIT_MAX   (15 * NSEC_PER_S)
#define OLD_ONE_IN 8u
#define OLD        "$sim0$"
#define MADE       "$sim1$"
#define SCHEME_N   (sizeof MADE - 1)
#define SALT_N     16u

struct sim_hash {
    struct ask_port port;
    struct sim *sim;
    struct loop_pool *pool;
    struct loop *loop;
    struct list jobs;
    size_t jobs_n;
    bool ending;
};

struct hash_job {
    struct job job;
    struct list in_queue;
    struct sim_hash *hash;
    struct ask_owner owner;
    nsec submitted;
    bool unwanted, cut;
    struct answer answer;
    struct password_record record;
    size_t password_n;
    uint8_t password[PASSWORD_LEGACY_MAX];
};

static uint64_t digest(uint64_t salt, struct span password)
{
    const uint64_t seed[2] = {salt, ~salt};
    return siphash13(seed, password.p, password.n);
}

static void record_make(struct password_record *r, const char *scheme, uint64_t salt,
                        struct span password)
{
    int n = snprintf(r->text, sizeof r->text, "%s%016" PRIx64 "$%016" PRIx64, scheme, salt,
                     digest(salt, password));
    CHECK(n > 0 && (size_t)n < sizeof r->text);
    r->n = (uint8_t)n;
}

/* Its scheme, or NULL. */
static const char *record_read(const struct password_record *r, uint64_t *salt)
{
    char hex[SALT_N + 1] = "";
    if (r->n != SCHEME_N + SALT_N + 1 + SALT_N)
        return NULL;
    memcpy(hex, r->text + SCHEME_N, SALT_N);
    char *end;
    *salt = strtoull(hex, &end, 16);
    if (*end != '\0')
        return NULL;
    if (memcmp(r->text, OLD, SCHEME_N) == 0)
        return OLD;
    return memcmp(r->text, MADE, SCHEME_N) == 0 ? MADE : NULL;
}

bool sim_hash_matches(const struct password_record *r, struct span password)
{
    uint64_t salt = 0;
    struct password_record again = {0};
    const char *scheme = record_read(r, &salt);
    if (!scheme)
        return false;
    record_make(&again, scheme, salt, password);
    return span_eq(span_of(r->text, r->n), span_of(again.text, again.n));
}

static int do_make(struct hash_job *j)
{
    struct span password = span_of(j->password, j->password_n);
    struct sim *sim = j->hash->sim;
    if (password.n < 1 || password.n > PASSWORD_MAX || j->cut ||
        memchr(password.p, '\0', password.n))
        return E_RANGE;
    const char *scheme = sim_below(sim, CHANCE_STORE, OLD_ONE_IN) ? MADE : OLD;
    uint64_t salt = sim_below(sim, CHANCE_STORE, UINT64_MAX);
    record_make(&j->answer.u.password, scheme, salt, password);
    return 0;
}

static int do_verify(struct hash_job *j)
{
    uint64_t salt = 0;
    const char *scheme = record_read(&j->record, &salt);
    if (!scheme)
        return E_FORMAT;
    if (j->cut || !sim_hash_matches(&j->record, span_of(j->password, j->password_n)))
        return E_AUTH;
    j->answer.u.rehash = scheme[SCHEME_N - 2] == '0';
    return 0;
}

static void work(struct job *job)
{
    struct hash_job *j = CONTAINER_OF(job, struct hash_job, job);
    bool late = j->hash->sim->now.mono - j->submitted > WAIT_MAX;
    if (late || j->unwanted || j->hash->ending)
        j->answer.rc = E_BUSY;
    else
        j->answer.rc = j->answer.kind == ASK_HASH_MAKE ? do_make(j) : do_verify(j);
}

static void done(struct job *job, struct now now)
{
    struct hash_job *j = CONTAINER_OF(job, struct hash_job, job);
    struct ask_owner owner = j->owner;
    struct answer answer = j->answer;
    list_remove(&j->in_queue);
    j->hash->jobs_n--;
    mem_wipe(j, sizeof *j);
    alloc_own_free(j);
    owner.answer(owner.ctx, now, &answer);
    mem_wipe(&answer, sizeof answer);
}

static int submit(struct ask_port *port, const struct ask *ask, struct ask_owner owner)
{
    struct sim_hash *h = CONTAINER_OF(port, struct sim_hash, port);
    bool to_make = ask->kind == ASK_HASH_MAKE;
    struct span password = to_make ? ask->u.make.password : ask->u.verify.password;
    if (h->ending || h->jobs_n >= QUEUE_MAX)
        return E_BUSY;
    struct hash_job *j = alloc_own(sizeof *j);
    j->job = (struct job){work, done, NULL};
    j->hash = h;
    j->owner = owner;
    j->submitted = h->sim->now.mono;
    j->answer.kind = ask->kind;
    j->answer.req = owner.req;
    j->cut = password.n > sizeof j->password;
    j->password_n = j->cut ? sizeof j->password : password.n;
    if (j->password_n)
        memcpy(j->password, password.p, j->password_n);
    if (!to_make)
        j->record = *ask->u.verify.record;
    list_push_back(&h->jobs, &j->in_queue);
    h->jobs_n++;
    h->loop->ops->pool_submit(h->pool, &j->job);
    return 0;
}

static void cancel(struct ask_port *port, const void *ctx, uint64_t req)
{
    struct sim_hash *h = CONTAINER_OF(port, struct sim_hash, port);
    LIST_EACH (node, &h->jobs) {
        struct hash_job *j = CONTAINER_OF(node, struct hash_job, in_queue);
        if (j->owner.ctx == ctx && j->owner.req == req)
            j->unwanted = true;
    }
}

struct sim_hash *sim_hash_create(struct sim *sim, struct sim_loop *loop)
{
    struct sim_hash *h = alloc_own(sizeof *h);
    h->port = (struct ask_port){.submit = submit, .cancel = cancel};
    h->sim = sim;
    h->loop = sim_loop(loop);
    list_init(&h->jobs);
    CHECK(h->loop->ops->pool_open(h->loop, "hash", WORKERS, 10, &h->pool) == 0);
    return h;
}

void sim_hash_destroy(struct sim_hash *h)
{
    h->ending = true;
    h->loop->ops->pool_close(h->pool);
    CHECK(h->jobs_n == 0);
    alloc_own_free(h);
}

struct ask_port *sim_hash_inner(struct sim_hash *h)
{
    return &h->port;
}
