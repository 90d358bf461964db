/* Datagrams on their way over a bad link: decides their fate (client/impair.h) and keeps them until
 * they are due. Both directions of one client in one queue.
 *
 * Memory: none before the first datagram; then slots of one size, twice as many each time they run
 * out, up to SLIPGATE_LINK_HELD_MAX, and none per datagram. What finds no slot is lost and counted.
 *
 * Pure; one thread. */
#ifndef SLIPGATE_CLIENT_HOLD_H
#define SLIPGATE_CLIENT_HOLD_H

#include "client/datagram.h"
#include "client/profile.h"

#define SGC_HOLD_HEADERS 28u /* of IPv4 and UDP: they take their share of the rate */

enum sgc_direction { SGC_UP, SGC_DOWN };

/* What a datagram that comes out is. */
enum sgc_arrival {
    SGC_ARRIVED = 0,
    SGC_TWIN, /* the link doubled it: that one of the two is refused as a replay is no wonder */
    SGC_LOST, /* it did not arrive, but the owner wants to know what it was */
};

struct sgc_held;
struct sgc_due;

struct sgc_hold {
    struct impair way[2]; /* by enum sgc_direction */
    bool keep_lost;       /* of those coming down: hand them out as SGC_LOST */
    struct sgc_held *slots;
    struct sgc_due *queue; /* a heap of n, then the numbers of the free slots */
    uint32_t n, cap;
    uint64_t count;                 /* handed in so far */
    uint64_t taken[2], unplaced[2]; /* unplaced: lost for want of a slot */
    uint8_t out[SGC_DATAGRAM_MAX];
};

struct sgc_arriving {
    enum sgc_direction direction;
    enum sgc_arrival how;
    struct span datagram; /* valid until the next sgc_hold_take */
};

void sgc_hold_init(struct sgc_hold *, const struct sgc_profile *, uint64_t seed, bool keep_lost);
void sgc_hold_fini(struct sgc_hold *);
/* Forgets what is held; the link's state and counters stay. */
void sgc_hold_clear(struct sgc_hold *);
/* At most SGC_DATAGRAM_MAX bytes, which are copied. False: the link lost it. */
bool sgc_hold_put(struct sgc_hold *, enum sgc_direction, uint64_t now_us, struct span datagram);
/* Takes out the next datagram that is due, in the order of their times; false: none is. */
bool sgc_hold_take(struct sgc_hold *, uint64_t now_us, struct sgc_arriving *ret);
/* When the next one is due; UINT64_MAX: nothing is held. */
uint64_t sgc_hold_due_us(const struct sgc_hold *);
/* Fills the members about the link. */
void sgc_hold_stats(const struct sgc_hold *, struct slipgate_stats *);

#endif
