#include "sim/store_priv.h"

#include "base/check.h"
#include "base/err.h"
#include "sim/alloc_fault.h"
#include "wire/text.h"

#include <stdio.h>

#define STORE_MIN  (30 * NSEC_PER_MS / 1000)
#define STORE_MAX  (4 * NSEC_PER_MS)
#define HASH_MIN   (2 * NSEC_PER_MS)
#define HASH_MAX   (40 * NSEC_PER_MS)
#define DIES_CALLS 40u
#define WHY_MAX    1024u

/* ---- the disk ---- */

struct sim_disk *sim_disk_create(struct sim *sim, bool model)
{
    struct sim_disk *d = alloc_own(sizeof *d);
    d->sim = sim;
    d->ledger = ledger_create();
    if (model) {
        d->model = alloc_own(sizeof *d->model);
        d->model->desks = ask_fake_desks_create();
        return d;
    }
    d->image = disk_image_create(d);
    disk_vfs_register(d);
    /* As src/store makes it: empty, and its name synced. */
    CHECK(disk_make(d, DISK_DATABASE));
    disk_sync_all(d);
    return d;
}

void sim_disk_destroy(struct sim_disk *d)
{
    if (!d)
        return;
    ledger_destroy(d->ledger);
    disk_bytes_free(&d->spool);
    if (d->model) {
        ask_fake_desks_destroy(d->model->desks);
        alloc_own_free(d->model);
    } else {
        disk_image_destroy(d->image);
        disk_vfs_unregister(d);
        disk_free(d);
    }
    alloc_own_free(d);
}

bool sim_disk_account(struct sim_disk *d, struct span name, struct account *ret)
{
    bool before = alloc_fault_suspend(true);
    bool there;
    if (d->model) {
        const struct ask_fake_account *a = ask_fake_find(d->model, name, false);
        there = a != NULL;
        if (a)
            *ret = a->account;
    } else {
        there = disk_image_account(d->image, name, ret) == 0;
    }
    (void)alloc_fault_suspend(before);
    return there;
}

uint64_t sim_disk_accounts(struct sim_disk *d)
{
    bool before = alloc_fault_suspend(true);
    uint64_t n = d->model ? d->model->accounts_n : disk_image_accounts(d->image);
    (void)alloc_fault_suspend(before);
    return n;
}

bool sim_disk_ban(struct sim_disk *d, int64_t id)
{
    bool before = alloc_fault_suspend(true);
    bool there = d->model ? ask_fake_ban(d->model, id) : disk_image_ban(d->image, id);
    (void)alloc_fault_suspend(before);
    return there;
}

static struct span keep(struct audit_room *room, size_t *used, struct span s)
{
    struct span kept = span_of(room->bytes + *used, s.n);
    CHECK(*used + s.n <= sizeof room->bytes);
    if (s.n)
        memcpy(room->bytes + *used, s.p, s.n);
    *used += s.n;
    return kept;
}

static bool model_audit(struct sim_disk *d, uint32_t i, struct audit_record *ret,
                        struct span texts[8])
{
    const struct ask_fake_audit *a = ask_fake_audit(d->model, i);
    if (!a)
        return false;
    *ret = (struct audit_record){.seq = (uint64_t)a->seq, .at_ms = a->at_ms};
    ret->type = a->type;
    ret->subtype = a->subtype;
    memcpy(texts, a->texts, sizeof a->texts);
    return true;
}

bool sim_disk_audit(struct sim_disk *d, uint32_t i, struct audit_record *ret,
                    struct chain_link *link, struct audit_room *room)
{
    struct span texts[8];
    size_t used = 0;
    bool before = alloc_fault_suspend(true);
    bool there =
        d->model ? model_audit(d, i, ret, texts) : disk_image_audit(d->image, i, ret, texts);
    if (there) {
        struct span *fields[] = {&ret->game,    &ret->account, &ret->player,
                                 &ret->address, &ret->target,  &ret->details};
        for (size_t k = 0; k < ARRAY_LEN(fields); k++)
            *fields[k] = keep(room, &used, texts[k]);
        if (hex_decode(texts[6], link->prev.b, CHAIN_HASH) ||
            hex_decode(texts[7], link->own.b, CHAIN_HASH))
            *link = (struct chain_link){0};
    }
    (void)alloc_fault_suspend(before);
    return there;
}

struct span sim_disk_spool(const struct sim_disk *d)
{
    return span_of(d->spool.p, d->spool.n);
}

/* ---- the model: one ask at a time, in their order ---- */

static void model_next(struct sim_store *s)
{
    if (s->model_busy || s->disk->model->pending_n == 0)
        return;
    s->model_busy = true;
    sim_after(s->sim, &s->model_timer, sim_loop_takes(s->sim, STORE_MIN, STORE_MAX));
}

static void model_do(struct sim_store *s)
{
    struct answer answer;
    struct ask_fake *f = s->disk->model;
    disk_draw_trouble(s->disk);
    if (disk_refuses(s->disk))
        f->pending[0].fault = ASK_FAILED;
    ask_fake_take(f, s->sim->now, 0, &answer);
    store_ports_answer(s, s->sim->now, &answer);
}

static void on_model(struct sim *sim, struct sim_timer *t)
{
    (void)sim;
    struct sim_store *s = CONTAINER_OF(t, struct sim_store, model_timer);
    s->model_busy = false;
    model_do(s);
    model_next(s);
}

static int model_submit(struct ask_port *port, const struct ask *ask, struct ask_owner owner)
{
    struct sim_store *s = CONTAINER_OF(port, struct sim_store, model);
    struct ask_fake *f = s->disk->model;
    bool room = f->accounts_n + f->pending_n < ASK_FAKE_ACCOUNTS;
    int rc = room || ask->kind != ASK_ACCOUNT_CREATE
                 ? ask_fake_submit(f, s->sim->now, ask, owner.req)
                 : E_BUSY;
    if (rc == 0)
        model_next(s);
    return rc;
}

/* Of what was not answered, some was done. */
static void model_die(struct sim_store *s)
{
    struct ask_fake *f = s->disk->model;
    for (uint64_t n = sim_below(s->sim, CHANCE_STORE, f->pending_n + UINT64_C(1)); n > 0; n--)
        model_do(s);
    f->pending_n = 0;
}

static void model_open(struct sim_store *s)
{
    s->disk->model->delay = NSEC_NEVER;
    s->model = (struct ask_port){.submit = model_submit};
    s->model_timer.fire = on_model;
    s->ports[ASK_TO_STORE].inner = &s->model;
}

static void model_close(struct sim_store *s)
{
    sim_stop(s->sim, &s->model_timer);
    if (s->dead)
        model_die(s);
    while (s->disk->model->pending_n > 0)
        model_do(s);
}

/* ---- the real one ---- */

static void say_nothing(struct log *log, const struct log_row *row, const struct log_field *fields,
                        size_t n)
{
    (void)log;
    (void)row;
    (void)fields;
    (void)n;
}

static void before_job(void *ctx)
{
    disk_draw_trouble(ctx);
}

static int real_open(struct sim_store *s)
{
    struct sim_disk *d = s->disk;
    struct buf why;
    struct store_cfg cfg = {
        .url = "sqlite:" DISK_DATABASE,
        .log = &s->log,
        .metrics = &s->metrics,
        .vfs = d->vfs_name,
    };
    disk_draw_trouble(d);
    (void)disk_was_troubled(d);
    buf_init(&why, WHY_MAX);
    bool before = alloc_fault_suspend(false);
    int rc = store_create(&s->real, sim_loop(s->loop), &cfg, &why);
    bool short_of_memory = rc && alloc_fault_fired();
    if (rc && !short_of_memory && !disk_was_troubled(d))
        sim_find(s->sim, "store", "the database cannot be opened: %s: %.*s", err_name(rc),
                 (int)why.n, why.n ? (const char *)why.p : "");
    buf_fini(&why);
    (void)alloc_fault_suspend(before);
    if (rc)
        return E_STORE;
    s->ports[ASK_TO_STORE].inner = store_port(s->real);
    if (d->verify)
        disk_image_verify(d->image);
    d->verify = false;
    return 0;
}

static void real_close(struct sim_store *s)
{
    bool before = alloc_fault_suspend(false);
    store_destroy(s->real);
    metrics_fini(&s->metrics);
    (void)alloc_fault_suspend(before);
}

/* ---- its life ---- */

static void take_down(struct sim_store *s)
{
    s->closing = true;
    sim_hash_destroy(s->hash);
    if (s->disk->model)
        model_close(s);
    else
        real_close(s);
    store_ports_drain(s);
    sim_loop_destroy(s->loop);
    sim_loop_destroy(s->hash_loop);
    alloc_own_free(s);
}

static int open_own(struct sim *sim, struct sim_disk *d, struct sim_store **ret)
{
    struct sim_store *s = alloc_own(sizeof *s);
    s->sim = sim;
    s->disk = d;
    s->log = (struct log){LOG_ERROR, say_nothing};
    metrics_init(&s->metrics);
    s->loop = sim_loop_create(
        sim, &(struct sim_loop_cfg){STORE_MIN, STORE_MAX, d->model ? NULL : before_job, d});
    s->hash_loop = sim_loop_create(sim, &(struct sim_loop_cfg){HASH_MIN, HASH_MAX, NULL, NULL});
    s->hash = sim_hash_create(sim, s->hash_loop);
    store_ports_init(s);
    int rc = 0;
    if (d->model)
        model_open(s);
    else
        rc = real_open(s);
    if (rc) {
        take_down(s);
        return rc;
    }
    ledger_check(d);
    *ret = s;
    return 0;
}

int sim_store_open(struct sim *sim, struct sim_disk *d, struct sim_store **ret)
{
    bool before = alloc_fault_suspend(true);
    int rc = open_own(sim, d, ret);
    (void)alloc_fault_suspend(before);
    return rc;
}

struct ask_port *sim_store_port(struct sim_store *s)
{
    return &s->ports[ASK_TO_STORE].port;
}

struct ask_port *sim_hash_port(struct sim_store *s)
{
    return &s->ports[ASK_TO_HASH].port;
}

void sim_store_close(struct sim_store *s)
{
    struct sim_disk *d = s->disk;
    bool before = alloc_fault_suspend(true);
    take_down(s);
    if (!d->model)
        disk_sync_all(d);
    ledger_check(d);
    (void)alloc_fault_suspend(before);
}

void sim_store_crash(struct sim_store *s, bool power)
{
    struct sim_disk *d = s->disk;
    bool before = alloc_fault_suspend(true);
    store_ports_die(s);
    /* At once, or somewhere in what the store's thread was doing or would have done next. */
    bool at_once = sim_below(d->sim, CHANCE_STORE, 2);
    if (!d->model)
        disk_die(d, at_once ? 0 : 1 + (unsigned)sim_below(d->sim, CHANCE_STORE, DIES_CALLS));
    take_down(s);
    if (!d->model)
        disk_restart(d, power);
    (void)alloc_fault_suspend(before);
}
