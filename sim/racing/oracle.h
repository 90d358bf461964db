/* Racing's oracle: a model of docs/protocol-racing.md from the outside. It sees, in exact order,
 * what passes the service's edge, keeps its own idea of sessions, rooms, hosts, accounts and keys,
 * and reports with sim_find what a server that keeps the protocol would not have done. */
#ifndef SLIPGATE_SIM_RACING_ORACLE_H
#define SLIPGATE_SIM_RACING_ORACLE_H

#include "sim/racing/racing_sim.h"

void oracle_started(struct sim *, const struct config *);
void oracle_stopped(struct sim *, bool died);
void oracle_opened(struct sim *, uint64_t no, const struct link_info *);
void oracle_heard(struct sim *, uint64_t no, struct span);
void oracle_consumed(struct sim *, uint64_t no, size_t n);
void oracle_said(struct sim *, uint64_t no, struct span);
void oracle_closing(struct sim *, uint64_t no, enum close_why);
void oracle_closed(struct sim *, uint64_t no, enum close_why);
void oracle_dgram_in(struct sim *, const struct path *, struct span);
void oracle_dgram_out(struct sim *, const struct path *, struct span);
void oracle_asked(struct sim *, const struct ask *, uint64_t req);
void oracle_refused(struct sim *, const struct ask *, uint64_t req);
void oracle_answered(struct sim *, const struct answer *);
void oracle_notice(struct sim *, const struct notice *);
void oracle_timed(struct sim *);
void oracle_short_of_memory(struct sim *);
void oracle_step(struct sim *);
void oracle_settled(struct sim *);

#define RACING_ORACLE_TAP                                                                          \
    {                                                                                              \
        .started = oracle_started, .stopped = oracle_stopped, .opened = oracle_opened,             \
        .heard = oracle_heard, .consumed = oracle_consumed, .said = oracle_said,                   \
        .closing = oracle_closing, .closed = oracle_closed, .dgram_in = oracle_dgram_in,           \
        .dgram_out = oracle_dgram_out, .asked = oracle_asked, .refused = oracle_refused,           \
        .answered = oracle_answered, .notice = oracle_notice, .timed = oracle_timed,               \
        .short_of_memory = oracle_short_of_memory, .step = oracle_step, .settled = oracle_settled, \
    }

/* How often each kind of judgement was made: an oracle that judged nothing proved nothing. */
struct oracle_stats {
    uint64_t replies, events, rooms_listed, spawns, logins, accounts, deliveries, rejects, settled;
};
const struct oracle_stats *oracle_stats(const struct racing_oracle *);

#endif
