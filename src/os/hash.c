#include "os/hash.h"

#include "base/check.h"
#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"
#include "os/clock.h"
#include "os/otp.h"
#include "os/password.h"

#include <sched.h>
#include <stdatomic.h>

#define NICE             10
#define UNIT_NS_GUESS    51000 /* a bcrypt of cost c is 2^c units; until something was measured */
#define UNIT_NS_SHARE    8     /* a measurement moves the average by this part of the difference */
#define QUEUE_MAX_S_MOST 600
#define CODE_MAX         64u

const struct config_row hash_config[3] = {
    {"accounts.password_cost", CONFIG_INT, "12", PASSWORD_COST_MIN, PASSWORD_COST_MAX, NULL,
     CONFIG_LIVE,
     "Work in a password record as bcrypt cost: one more doubles the time of a login."},
    {"accounts.hash_workers", CONFIG_INT, "0", 0, HASH_WORKERS_MAX, NULL, CONFIG_RESTART,
     "Threads that hash passwords; 0 is one for each core."},
    {"accounts.queue_max_s", CONFIG_INT, "15", 1, QUEUE_MAX_S_MOST, NULL, CONFIG_LIVE,
     "Longest time in seconds a login waits for a hash thread before it is refused as busy."},
};

enum { M_QUEUE, M_DONE, M_WRONG, M_LATE, M_CANCELLED, M_FAILED, M_REFUSED, M_SECONDS, METRICS_N };

static const struct metric_row metric_rows[METRICS_N] = {
    [M_QUEUE] = {"slipgate_hash_queue", "", METRIC_GAUGE,
                 "Passwords waiting to be hashed or being hashed."},
    [M_DONE] = {"slipgate_hash_jobs_total", "result=\"done\"", METRIC_COUNTER,
                "Password hashes by what became of them."},
    [M_WRONG] = {"slipgate_hash_jobs_total", "result=\"wrong\"", METRIC_COUNTER, NULL},
    [M_LATE] = {"slipgate_hash_jobs_total", "result=\"late\"", METRIC_COUNTER, NULL},
    [M_CANCELLED] = {"slipgate_hash_jobs_total", "result=\"cancelled\"", METRIC_COUNTER, NULL},
    [M_FAILED] = {"slipgate_hash_jobs_total", "result=\"failed\"", METRIC_COUNTER, NULL},
    [M_REFUSED] = {"slipgate_hash_jobs_total", "result=\"refused\"", METRIC_COUNTER, NULL},
    [M_SECONDS] = {"slipgate_hash_seconds_total", "", METRIC_COUNTER_NS,
                   "Time spent hashing, over all threads."},
};

static const struct log_row log_busy = {LOG_WARN, "hash.busy",
                                        "password hashing cannot keep up: logins are refused"};
static const struct log_row log_relieved = {LOG_INFO, "hash.relieved",
                                            "password hashing keeps up again"};
static const struct log_row log_failed = {LOG_ERROR, "hash.failed",
                                          "a password could not be hashed or compared"};

struct hash {
    struct ask_port port;
    struct loop *loop;
    struct log *log;
    struct metrics *metrics;
    size_t metric_base;
    struct entropy *entropy;
    struct loop_pool *pool;
    unsigned cost, workers;
    nsec queue_max;
    struct list jobs;   /* accepted and not yet answered, oldest first */
    size_t queued;      /* how many */
    uint64_t units;     /* the work in them */
    nsec unit;          /* moving average of what a unit takes */
    bool busy;          /* refused something since the queue was last empty */
    atomic_bool ending; /* the one thing the workers read here */
};

struct hash_job {
    struct job job;
    struct list in_queue;
    atomic_bool unwanted; /* cancelled: a worker that finds it set skips the job */
    struct hash *hash;
    struct ask_owner owner;
    enum ask_kind kind;
    unsigned cost;
    uint64_t units;
    nsec submitted, wait_max, spent;
    int rc;
    bool rehash;
    struct password_record record; /* to verify against, or made */
    uint8_t salt[PASSWORD_SALT_BYTES];
    size_t key_n; /* OTP: the key, the code behind it, and of when */
    int64_t unix_ms, step;
    bool cut; /* the password was longer than any that was ever accepted */
    size_t password_n;
    uint8_t password[];
};

static void count(struct hash *h, size_t row)
{
    metrics_add(h->metrics, h->metric_base + row, 1);
}

static void work(struct job *job)
{
    struct hash_job *j = CONTAINER_OF(job, struct hash_job, job);
    struct span password = span_of(j->password, j->password_n);
    nsec start = clock_now().mono;
    if (start - j->submitted > j->wait_max || atomic_load(&j->hash->ending) ||
        atomic_load(&j->unwanted)) {
        j->rc = E_BUSY;
        return;
    }
    if (j->kind == ASK_HASH_OTP)
        j->rc = otp_check(span_of(password.p, j->key_n), span_skip(password, j->key_n), j->unix_ms,
                          &j->step);
    else if (j->kind == ASK_HASH_MAKE)
        j->rc = password_make(&j->record, password, j->cost, j->salt);
    else
        j->rc = password_verify(&j->record, password, j->cost, &j->rehash);
    if (j->cut && j->rc == 0)
        j->rc = E_AUTH;
    j->spent = clock_now().mono - start;
}

static void measure(struct hash *h, struct hash_job *j)
{
    list_remove(&j->in_queue);
    h->queued--;
    h->units -= j->units;
    metrics_set(h->metrics, h->metric_base + M_QUEUE, (int64_t)h->queued);
    metrics_add(h->metrics, h->metric_base + M_SECONDS, j->spent);
    if (j->units > 1 && (j->rc == 0 || j->rc == E_AUTH)) {
        int64_t off = (int64_t)(j->spent / j->units) - (int64_t)h->unit;
        h->unit = (uint64_t)((int64_t)h->unit + off / UNIT_NS_SHARE);
    }
    if (atomic_load(&j->unwanted) && j->rc == E_BUSY)
        count(h, M_CANCELLED);
    else
        count(h, j->rc == 0        ? M_DONE
                 : j->rc == E_AUTH ? M_WRONG
                 : j->rc == E_BUSY ? M_LATE
                                   : M_FAILED);
    if (j->rc != 0 && j->rc != E_AUTH && j->rc != E_BUSY && j->rc != E_RANGE)
        LOG(h->log, &log_failed, LF_STR("error", err_name(j->rc)));
    if (h->queued == 0 && h->busy) {
        h->busy = false;
        LOG0(h->log, &log_relieved);
    }
}

static void done(struct job *job, struct now now)
{
    struct hash_job *j = CONTAINER_OF(job, struct hash_job, job);
    struct hash *h = j->hash;
    measure(h, j);
    struct answer a = {.req = j->owner.req, .kind = j->kind, .rc = j->rc};
    if (j->rc == 0 && j->kind == ASK_HASH_MAKE)
        a.u.password = j->record;
    else if (j->rc == 0 && j->kind == ASK_HASH_OTP)
        a.u.otp_step = j->step;
    else if (j->rc == 0)
        a.u.rehash = j->rehash;
    struct ask_owner owner = j->owner;
    mem_free_secret(j, sizeof *j + j->password_n);
    owner.answer(owner.ctx, now, &a);
    mem_wipe(&a, sizeof a);
}

static struct hash_job *new_job(struct hash *h, const struct ask *ask, struct ask_owner owner,
                                struct span first, struct span second)
{
    struct hash_job *j = mem_zalloc(1, sizeof *j + first.n + second.n);
    if (!j)
        return NULL;
    j->job = (struct job){work, done, NULL};
    j->hash = h;
    atomic_init(&j->unwanted, false);
    j->owner = owner;
    j->kind = ask->kind;
    j->cost = h->cost;
    j->submitted = clock_now().mono;
    j->wait_max = h->queue_max;
    j->password_n = first.n + second.n;
    if (first.n)
        memcpy(j->password, first.p, first.n);
    if (second.n)
        memcpy(j->password + first.n, second.p, second.n);
    return j;
}

static struct hash_job *make_otp(struct hash *h, const struct ask *ask, struct ask_owner owner)
{
    struct span key = ask->u.otp.secret, code = ask->u.otp.code;
    CHECK(key.n >= OTP_SECRET_MIN && key.n <= OTP_SECRET_MAX);
    if (code.n > CODE_MAX)
        code = SPAN_NULL; /* as wrong as any */
    struct hash_job *j = new_job(h, ask, owner, key, code);
    if (!j)
        return NULL;
    j->key_n = key.n;
    j->unix_ms = ask->u.otp.unix_ms;
    j->units = 1;
    return j;
}

static struct hash_job *make_job(struct hash *h, const struct ask *ask, struct ask_owner owner)
{
    bool make = ask->kind == ASK_HASH_MAKE;
    if (ask->kind == ASK_HASH_OTP)
        return make_otp(h, ask, owner);
    CHECK(make || ask->kind == ASK_HASH_VERIFY);
    struct span password = make ? ask->u.make.password : ask->u.verify.password;
    bool cut = password.n > PASSWORD_LEGACY_MAX;
    if (cut)
        password.n = PASSWORD_LEGACY_MAX;
    struct hash_job *j = new_job(h, ask, owner, password, SPAN_NULL);
    if (!j)
        return NULL;
    j->cut = cut;
    if (make)
        entropy_get(h->entropy, j->salt, sizeof j->salt);
    else
        j->record = *ask->u.verify.record;
    unsigned cost = make ? j->cost : password_record_cost(&j->record);
    j->units = UINT64_C(1) << cost;
    return j;
}

static int submit(struct ask_port *port, const struct ask *ask, struct ask_owner owner)
{
    struct hash *h = CONTAINER_OF(port, struct hash, port);
    bool room = !atomic_load(&h->ending) && h->queued < HASH_QUEUE_MAX &&
                h->units * h->unit / h->workers <= h->queue_max;
    struct hash_job *j = room ? make_job(h, ask, owner) : NULL;
    if (!j) {
        count(h, M_REFUSED);
        if (!h->busy && h->queued) {
            h->busy = true;
            LOG(h->log, &log_busy, LF_UINT("queued", h->queued));
        }
        return E_BUSY;
    }
    list_push_back(&h->jobs, &j->in_queue);
    h->queued++;
    h->units += j->units;
    metrics_set(h->metrics, h->metric_base + M_QUEUE, (int64_t)h->queued);
    h->loop->ops->pool_submit(h->pool, &j->job);
    return 0;
}

/* A client that left must not make those behind it wait: its job stops counting at once and costs
 * its worker nothing. */
static void cancel(struct ask_port *port, const void *ctx, uint64_t req)
{
    struct hash *h = CONTAINER_OF(port, struct hash, port);
    LIST_EACH (node, &h->jobs) {
        struct hash_job *j = CONTAINER_OF(node, struct hash_job, in_queue);
        if (j->owner.ctx != ctx || j->owner.req != req || atomic_load(&j->unwanted))
            continue;
        atomic_store(&j->unwanted, true);
        h->units -= j->units;
        j->units = 0;
        return;
    }
}

static unsigned cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set))
        return 1;
    unsigned n = (unsigned)CPU_COUNT(&set);
    return n < HASH_WORKERS_MAX ? n : HASH_WORKERS_MAX;
}

int hash_create(struct hash **ret, struct loop *loop, const struct hash_cfg *cfg)
{
    if (cfg->workers > HASH_WORKERS_MAX || cfg->queue_max_s > QUEUE_MAX_S_MOST)
        return E_RANGE;
    struct hash *h = mem_zalloc(1, sizeof *h);
    if (!h)
        return E_NOMEM;
    h->port.submit = submit;
    h->port.cancel = cancel;
    list_init(&h->jobs);
    h->loop = loop;
    h->log = cfg->log;
    h->metrics = cfg->metrics;
    h->entropy = cfg->entropy;
    h->workers = cfg->workers ? cfg->workers : cores();
    h->unit = UNIT_NS_GUESS;
    atomic_init(&h->ending, false);
    hash_set_queue_max(h, cfg->queue_max_s);
    int rc = otp_init();
    if (rc == 0)
        rc = hash_set_cost(h, cfg->cost);
    int base = rc ? rc : metrics_register(cfg->metrics, metric_rows, METRICS_N);
    if (base < 0)
        rc = base;
    if (rc == 0)
        rc = loop->ops->pool_open(loop, "hash", h->workers, NICE, &h->pool);
    if (rc) {
        mem_free(h);
        return rc;
    }
    h->metric_base = (size_t)base;
    *ret = h;
    return 0;
}

void hash_close(struct hash *h)
{
    if (!h || atomic_exchange(&h->ending, true))
        return;
    h->loop->ops->pool_close(h->pool);
    CHECK(h->queued == 0 && h->units == 0);
}

void hash_destroy(struct hash *h)
{
    hash_close(h);
    mem_free(h);
}

struct ask_port *hash_port(struct hash *h)
{
    return &h->port;
}

int hash_set_cost(struct hash *h, unsigned cost)
{
    if (cost < PASSWORD_COST_MIN || cost > PASSWORD_COST_MAX)
        return E_RANGE;
    h->cost = cost;
    return 0;
}

void hash_set_queue_max(struct hash *h, uint32_t queue_max_s)
{
    h->queue_max = queue_max_s * NSEC_PER_S;
}
