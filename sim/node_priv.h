/* What the parts of the server process share.
 *
 * node.c         its life: starting, serving, ending
 * node_hooks.c   what its host tells: to the oracle, the network, the digest
 * node_faults.c  the faults that are spread over the storm */
#ifndef SLIPGATE_SIM_NODE_PRIV_H
#define SLIPGATE_SIM_NODE_PRIV_H

#include "sim/desks.h"
#include "sim/host_fake.h"
#include "sim/node.h"

#define NODE_BATCH_MAX 64u

struct node_link {
    struct net_stream *stream; /* NULL: none */
    uint64_t number;
    struct addr peer;
    struct sim_timer slow;
};

struct sim_node {
    struct sim *sim;
    struct fake *f; /* NULL: no process */
    struct sim_store *store;
    struct sim_desks *desks; /* NULL: the game has none */
    bool draining, leaving, inside;
    uint32_t asks;
    struct sim_timer tick, start, drained, full, batch;
    uint16_t stream_listener, dgram_listener;
    struct node_link links[FAKE_LINKS_MAX];
    uint32_t links_n;
    struct dgram in[NODE_BATCH_MAX];
    size_t in_n;
    long blocks, bytes; /* when the process had started */
    struct service_view view;
    uint32_t seals;
    struct node_faults *faults;
};

/* Calls a member of the game's tap, if it has one. */
#define TAP(s, m, ...) ((s)->game->tap.m ? (s)->game->tap.m(__VA_ARGS__) : (void)0)

extern const struct fake_hooks node_hooks; /* their ctx: the struct sim_node */

#endif
