/* Datagram egress: between services, which queue plaintext with a handle to the recipient's seal,
 * and the socket, which takes finished datagrams.
 *
 * egress_queue borrows the plaintext until the next egress_flush, so nineteen copies of one message
 * are nineteen small entries. A flush groups the entries by destination (keeping their order within
 * one), packs several messages of one destination into one datagram where its seal was opened with
 * pack (separated by LF, up to the packing limit), seals, and hands the datagrams to the sink. What
 * the sink cannot take (socket buffer full) is kept as a copy of the plaintext in a bounded
 * backlog, where a newer message of the same destination, class DGRAM_LATEST and key replaces the
 * older one; past the bound the oldest goes, counted. An idle egress sends at once: one entry, one
 * datagram.
 *
 * One thread. No allocation after creation but for opening a seal. */
#ifndef SLIPGATE_CORE_EGRESS_H
#define SLIPGATE_CORE_EGRESS_H

#include "base/addr.h"
#include "base/types.h"
#include "wire/seal.h"

struct path {
    uint16_t sock; /* which listening socket */
    struct addr local, peer;
};

struct dgram { /* as received */
    struct path path;
    struct span bytes;
};

enum dgram_class {
    DGRAM_EVENT,  /* every one counts */
    DGRAM_LATEST, /* a newer one with the same key makes it worthless */
};

struct seal_ref {
    struct ref r;
};

#define SEAL_REF_NONE ((struct seal_ref){REF_NONE}) /* as is, unsealed */

struct dgram_out {
    const struct path *path;
    struct span bytes;
};

/* The socket side. send: how many of v were dealt with, in order (sent, or failed and counted by
 * the sink); fewer than n means the socket would block now and egress_flush is to be called again
 * when it is writable. Runs of equal path and size stand together (UDP_SEGMENT). */
struct dgram_sink {
    size_t (*send)(struct dgram_sink *, const struct dgram_out *v, size_t n);
};

struct egress_stats {
    uint64_t messages, datagrams, bytes; /* handed to the sink */
    uint64_t packed;                     /* messages that shared a datagram with another */
    uint64_t delayed, replaced, dropped; /* went to the backlog; superseded there; pushed out */
    uint64_t seal_failed;
    uint32_t seals; /* open now */
};

struct egress_cfg {
    size_t queue_max;         /* entries between two flushes (default 16384) */
    size_t backlog_bytes_max; /* plaintext kept while the socket is full */
    size_t pack_bytes_max;    /* largest datagram packing may make (1200) */
};

struct egress;

MUST_USE int egress_create(struct egress **ret, const struct egress_cfg *, struct dgram_sink *,
                           struct entropy *);
void egress_destroy(struct egress *);

/* A recipient's seal. cfg is copied. pack: the recipient splits datagrams at LF, so no text queued
 * under this seal may hold one. E_NOMEM, E_CRYPTO, E_RANGE. */
MUST_USE int egress_seal_open(struct egress *, const struct seal_cfg *, bool pack,
                              struct seal_ref *ret);
/* Entries still queued under it are dropped. SEAL_REF_NONE and stale handles are fine. */
void egress_seal_close(struct egress *, struct seal_ref);

#define EGRESS_TEXT_MAX 16384u /* bytes of one message */

/* path is copied; text is borrowed until the next flush. E_FULL: the queue is at its ceiling or the
 * text over its own (the message is dropped and counted). */
int egress_queue(struct egress *, const struct path *, struct span text, struct seal_ref,
                 enum dgram_class, uint64_t key);
/* True while something waits for the socket to become writable. */
bool egress_flush(struct egress *);
const struct egress_stats *egress_stats(const struct egress *);

#endif
