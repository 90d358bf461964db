/* What passes the edge between service and world, told to the game's oracle as it happens and in
 * its order. Every link of every process has a number of its own, never used twice in a world.
 * Spans are borrowed until return. NULL members are not called. */
#ifndef SLIPGATE_SIM_TAP_H
#define SLIPGATE_SIM_TAP_H

#include "core/query.h"
#include "core/service.h"
#include "sim/sim.h"

/* Of an ask to the store what an oracle may want: the name, or of a query its numbers in order
 * (nulls left out) and its first text. */
struct store_note {
    enum ask_kind kind;
    enum query query; /* of ASK_QUERY */
    int64_t ints[6];
    uint64_t serial; /* in the order of asking, from 1 */
    size_t ints_n, text_n;
    char text[80];
};

struct sim_tap {
    /* A server process begins to serve with this configuration (at the start, after a crash, after
     * a drain); and has ended: in order (after on_close for every link), or by dying, when its
     * links, asks and memory are simply gone. */
    void (*started)(struct sim *, const struct config *);
    void (*stopped)(struct sim *, bool died);

    void (*opened)(struct sim *, uint64_t link, const struct link_info *); /* before on_open */
    /* Fresh bytes reached the edge: once each, in order, before the service is called. */
    void (*heard)(struct sim *, uint64_t link, struct span);
    /* The service's on_bytes returned: so many of the bytes heard were consumed by it. */
    void (*consumed)(struct sim *, uint64_t link, size_t n);
    void (*said)(struct sim *, uint64_t link, struct span);       /* host_send took it */
    void (*closing)(struct sim *, uint64_t link, enum close_why); /* host_close */
    void (*closed)(struct sim *, uint64_t link, enum close_why);  /* after on_close */

    void (*dgram_in)(struct sim *, const struct path *, struct span);  /* before on_dgrams */
    void (*dgram_out)(struct sim *, const struct path *, struct span); /* handed to the socket */

    void (*asked)(struct sim *, const struct ask *, uint64_t req); /* accepted */
    void (*refused)(struct sim *, const struct ask *, uint64_t req);
    void (*answered)(struct sim *, const struct answer *); /* before on_answer */
    void (*notice)(struct sim *, const struct notice *);   /* before on_notice */
    void (*timed)(struct sim *);                           /* before on_time */

    /* Games with desks: what was asked of the store, by the service or a desk, and accepted; and
     * its answer, before whoever asked gets it. */
    void (*storing)(struct sim *, const struct store_note *);
    void (*stored)(struct sim *, const struct store_note *, const struct answer *);

    /* A request for memory was made to fail in the call that has just ended: what it did may be
     * less than what it should have done, but never something wrong. */
    void (*short_of_memory)(struct sim *);

    void (*step)(struct sim *);    /* after each step: cheap checks */
    void (*settled)(struct sim *); /* now and then and at the end of a phase: dear ones */
};

#endif
