#include "sim/alloc_fault.h"
#include "sim/net.h"
#include "sim/node_priv.h"
#include "sim/plan.h"

#define STALL_MAX     (10 * NSEC_PER_S) /* as the edge: behind, and not reading anything */
#define ALLOC_NTH_MAX 6u

static void hook_call(void *ctx, bool begins)
{
    struct sim_node *n = ctx;
    struct sim *s = n->sim;
    double p = sim_strength(s, FAULT_ALLOC) * sim_plan_rate(FAULT_ALLOC);
    if (begins) {
        if (p > 0 && sim_chance(s, CHANCE_FAULTS, p))
            alloc_fault_at(sim_between(s, CHANCE_FAULTS, 1, ALLOC_NTH_MAX));
        return;
    }
    bool failed = alloc_fault_fired();
    alloc_fault_at(0);
    if (failed) {
        sim_fired(s, FAULT_ALLOC);
        TAP(s, short_of_memory, s);
    }
    /* Somebody may have called it without us: an answer. */
    if (n->f && !n->inside)
        sim_at(s, &n->tick, s->now.mono);
}

static void hook_consumed(void *ctx, int link, size_t n)
{
    struct sim_node *node = ctx;
    TAP(node->sim, consumed, node->sim, node->links[link].number, n);
}

static void hook_said(void *ctx, int link, struct span bytes)
{
    struct sim_node *n = ctx;
    TAP(n->sim, said, n->sim, n->links[link].number, bytes);
}

static void hook_closing(void *ctx, int link, enum close_why why)
{
    struct sim_node *n = ctx;
    TAP(n->sim, closing, n->sim, n->links[link].number, why);
}

static void hook_closed(void *ctx, int link, enum close_why why)
{
    struct sim_node *n = ctx;
    struct node_link *l = &n->links[link];
    sim_event(n->sim, false, "closed", l->number, span_of(&(uint8_t){(uint8_t)why}, 1));
    TAP(n->sim, closed, n->sim, l->number, why);
    net_server_closed(n->sim, l->stream, why != CLOSE_SLOW && why != CLOSE_ERROR);
    sim_stop(n->sim, &l->slow);
    *l = (struct node_link){0};
    n->links_n--;
}

static void hook_asked(void *ctx, const struct ask *ask, uint64_t req)
{
    struct sim_node *n = ctx;
    n->asks++;
    TAP(n->sim, asked, n->sim, ask, req);
}

static void hook_refused(void *ctx, const struct ask *ask, uint64_t req)
{
    struct sim_node *n = ctx;
    TAP(n->sim, refused, n->sim, ask, req);
}

static void hook_answered(void *ctx, const struct answer *a)
{
    struct sim_node *n = ctx;
    int32_t what[2] = {(int32_t)a->kind, a->rc};
    n->asks--;
    sim_event(n->sim, true, "answer", a->req, span_of(what, sizeof what));
    TAP(n->sim, answered, n->sim, a);
}

static void hook_timed(void *ctx)
{
    struct sim_node *n = ctx;
    sim_event(n->sim, true, "time", 0, SPAN_NULL);
    TAP(n->sim, timed, n->sim);
}

static void hook_noticed(void *ctx, const struct notice *notice)
{
    struct sim_node *n = ctx;
    sim_event(n->sim, true, "notice", (uint64_t)notice->kind, SPAN_NULL);
    TAP(n->sim, notice, n->sim, notice);
}

static void hook_dgram(void *ctx, const struct path *path, struct span bytes)
{
    struct sim_node *n = ctx;
    TAP(n->sim, dgram_out, n->sim, path, bytes);
    net_dgram_out(n->sim, path, bytes);
}

static size_t hook_carry(void *ctx, int link, struct span bytes, bool last)
{
    struct sim_node *n = ctx;
    struct node_link *l = &n->links[link];
    size_t took = net_carry(n->sim, l->stream, bytes, last);
    bool behind = bytes.n - took > n->f->listeners[n->stream_listener].out_max / 4;
    if (took > 0 || !behind)
        sim_stop(n->sim, &l->slow);
    if (behind && !l->slow.t.set)
        sim_after(n->sim, &l->slow, STALL_MAX);
    return took;
}

static void hook_broken(void *ctx, const char *what, struct span detail)
{
    struct sim_node *n = ctx;
    const char *oracle = detail.n ? "check" : strstr(what, "memory") ? "memory" : "busy";
    sim_find(n->sim, oracle, "%s: %.*s", what, (int)detail.n, (const char *)detail.p);
}

const struct fake_hooks node_hooks = {
    .call = hook_call,
    .consumed = hook_consumed,
    .said = hook_said,
    .closing = hook_closing,
    .closed = hook_closed,
    .asked = hook_asked,
    .refused = hook_refused,
    .answered = hook_answered,
    .timed = hook_timed,
    .noticed = hook_noticed,
    .dgram = hook_dgram,
    .carry = hook_carry,
    .broken = hook_broken,
};
