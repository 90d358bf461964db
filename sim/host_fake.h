/* A host in memory for one service: links, datagrams, answers, time and entropy without a socket, a
 * thread or a clock, and all of it repeatable from a seed. It keeps the contract of core/host.h as
 * the server does: effects are queued and take place when the service's call has returned; bytes
 * that were not consumed are delivered again with more, or after a resume; on_close comes exactly
 * once for each on_open; every ask that was accepted gets exactly one answer; queued datagrams are
 * flushed after every call. After every call the service's own check runs, and whatever is wrong
 * with it or with how it treats its host ends the process with a message.
 *
 * Made for unit tests, fuzzers and simulation: it needs no test framework. One thread; several may
 * live side by side. Its own memory is not counted or failed by alloc_fault.h, where that is linked
 * in: only the service and what is below it are under test. */
#ifndef SLIPGATE_SIM_HOST_FAKE_H
#define SLIPGATE_SIM_HOST_FAKE_H

#include "base/metric.h"
#include "base/rng.h"
#include "core/host.h"

#include "sim/ask_fake.h"

#define FAKE_LINKS_MAX   1100u
#define FAKE_DGRAMS_MAX  4096u
#define FAKE_DGRAM_BYTES 16640u
#define FAKE_IN_SLACK    16u /* as the server: a line's end behind a line of the full length */
#define FAKE_NO_LINK     (-1)

enum fake_link_state { FAKE_FREE, FAKE_OPEN, FAKE_ENDING, FAKE_CLOSED };

struct fake_link {
    enum fake_link_state state;
    uint32_t gen;
    struct link_info info;
    bool paused, resumed, ended; /* ended: the peer will send no more */
    bool held;                   /* it waits for the peer to read */
    bool stalled;                /* the peer does not read */
    bool bye;                    /* closed after everything queued was sent */
    enum close_why why;
    uint32_t opens, closes; /* calls of on_open and on_close for this generation */
    struct buf in;          /* what the service has not consumed */
    struct buf out;         /* what the peer has not read */
    struct buf read;        /* what the peer has read; tests take from it */
};

struct fake_dgram {
    struct path path;
    size_t n;
    uint8_t *bytes;
};

struct fake {
    struct host host;
    const struct service_ops *ops;
    struct service *svc;
    struct config *config;
    struct listener_spec listeners[8];
    size_t listeners_n;
    struct now now;
    nsec deadline;
    bool in_call;

    struct fake_link links[FAKE_LINKS_MAX];
    size_t links_n; /* the first so many have been used */
    struct ask_fake asks;

    struct dgram_sink sink;
    size_t sink_room; /* datagrams the socket takes before it is full */
    bool writable_wanted;
    struct fake_dgram dgrams[FAKE_DGRAMS_MAX]; /* sent and not yet taken, oldest first */
    size_t dgrams_n, dgrams_lost;

    struct entropy entropy;
    struct rng rng;
    struct metrics metrics;
    struct log log;
    struct buf log_text; /* every record, one a line: id, then key=value */
    struct buf why;
};

struct fake_cfg {
    const struct service_ops *ops;
    const char *const *settings; /* "key=value", NULL at the end; NULL: all defaults */
    uint64_t seed;
    struct egress_cfg egress; /* zeroed members: small ones that fit tests */
};

/* NULL when the service could not be created; *rc then says why (rc may be NULL). */
struct fake *fake_create(const struct fake_cfg *, int *rc);
/* Answers what is pending, ends all links (on_close for each), destroys the service. */
void fake_destroy(struct fake *);

/* ---- links: named by their slot ---- */

/* A peer connects to listener 0. Its slot, the lowest free one, or FAKE_NO_LINK when there is none.
 */
int fake_open(struct fake *, const char *ip, uint16_t port);
void fake_bytes(struct fake *, int link, const void *p, size_t n);
/* Each line with its LF. */
void fake_line(struct fake *, int link, const char *text);
/* The peer ends its direction in order: what it sent before is still delivered, after a pause too.
 */
void fake_hang_up(struct fake *, int link);
/* The connection is lost: the link ends at once, whatever it waits for. */
void fake_reset(struct fake *, int link);
/* While stalled the peer reads nothing; at its end it reads what waits. */
void fake_stall(struct fake *, int link, bool stalled);
bool fake_is_open(const struct fake *, int link);
/* What the peer has read and the test not yet taken. */
struct span fake_read(const struct fake *, int link);
void fake_forget(struct fake *, int link);
/* The next whole line without its LF into to, NUL-terminated; false when there is none. */
bool fake_take_line(struct fake *, int link, char *to, size_t cap);

/* ---- datagrams ---- */

struct path fake_path(const char *ip, uint16_t port);
void fake_dgram(struct fake *, const struct path *, struct span bytes);
void fake_dgrams(struct fake *, const struct dgram *, size_t n);
/* The socket takes n datagrams from now on, then it is full. */
void fake_socket_room(struct fake *, size_t n);
/* It may be written again: what waits is flushed. */
void fake_writable(struct fake *);
/* Takes the oldest sent datagram into to; its size, or -1 when there is none. path may be NULL. */
long fake_take_dgram(struct fake *, struct path *, void *to, size_t cap);
void fake_forget_dgrams(struct fake *);

/* ---- time, answers, notices ---- */

/* Time passes; deadlines and delayed answers come in their order on the way. */
void fake_advance(struct fake *, nsec by);
/* Gives the oldest unanswered ask its answer; false when there is none. */
bool fake_answer(struct fake *);
void fake_answer_all(struct fake *);
/* A new configuration: defaults, then these settings. E_*: a setting was refused, nothing changed.
 */
int fake_configure(struct fake *, const char *const *settings);
void fake_drain(struct fake *, nsec after);
/* NOTICE_KICK, NOTICE_CLOSE_ROOM */
void fake_moderate(struct fake *, enum notice_kind kind, const char *id);
/* The value of the service's metric row. */
uint64_t fake_metric(const struct fake *, size_t row);
struct service_view fake_view(const struct fake *);

#endif
