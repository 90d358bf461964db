/* The server process and its machine: a service in a fake host (host_fake.h) on the kernel's clock,
 * with a store (store.h) and a network (net.h). It starts, serves, and is brought down and up again
 * in the ways the plan says; its accounts outlive it on the disk. */
#ifndef SLIPGATE_SIM_NODE_H
#define SLIPGATE_SIM_NODE_H

#include "core/egress.h"
#include "sim/game.h"

struct net_stream;

/* ---- for run.c ---- */

int sim_node_create(struct sim *);   /* starts the first process; E_NOMEM */
void sim_node_destroy(struct sim *); /* ends it in order */
void sim_node_calm(struct sim *);    /* the storm is over: all that was broken works again */
/* It serves, and nothing of anybody is left in it: no link, ask, session, room. */
bool sim_node_is_idle(const struct sim *);
/* What is not as it was when the process started, once it is idle: findings. */
void sim_node_compare(struct sim *);
/* For a finding: what it still has. */
void sim_node_text(const struct sim *, struct buf *);

/* ---- for oracles ---- */

bool sim_node_view(const struct sim *, struct service_view *ret); /* false: no process */
bool sim_node_socket_full(const struct sim *);  /* it takes not one datagram more */
bool sim_node_socket_waits(const struct sim *); /* some wait until it does */
/* What its datagrams came to; NULL without a process. What the service counts in its row, or 0. */
const struct egress_stats *sim_node_egress(const struct sim *);
uint64_t sim_node_metric(const struct sim *, size_t row);
/* What was said to the link's peer and is not on its way yet. */
size_t sim_node_unsent(const struct sim *, uint64_t link);

/* ---- for the network: links by slot ---- */

bool node_serves(const struct sim *);
/* The slot, or E_REFUSED. */
int node_accept(struct sim *, struct net_stream *, uint64_t number, const struct addr *peer);
bool node_wants(const struct sim *, int link);
void node_bytes(struct sim *, int link, struct span);
void node_fin(struct sim *, int link);
void node_reset(struct sim *, int link);
void node_room(struct sim *, int link);
void node_dgram(struct sim *, const struct addr *from, struct span);

/* ---- faults, for node_faults.c ---- */

void node_crash(struct sim *, bool power);
void node_drain(struct sim *, nsec within);
void node_reload(struct sim *);
void node_notice(struct sim *, const struct notice *);
void node_socket_full(struct sim *, size_t room, nsec how_long);

/* node_faults.c: strikes of the faults that are spread over the storm. */
struct node_faults;
struct node_faults *node_faults_create(struct sim *);
void node_faults_destroy(struct sim *, struct node_faults *); /* NULL is fine */

#endif
