/* A host in memory for one service: links, datagrams, answers, time and entropy without a socket, a
 * thread or a clock, and all of it repeatable from a seed. It keeps the contract of core/host.h as
 * the server does: effects are queued and take place when the service's call has returned; bytes
 * that were not consumed are delivered again with more, or after a resume; on_close comes exactly
 * once for each on_open; every ask that was accepted gets exactly one answer; queued datagrams are
 * flushed after every call. After every call the service's own check runs, and whatever is wrong
 * with it or with how it treats its host ends the process with a message.
 *
 * Made for unit tests, fuzzers and simulation: it needs no test framework. A simulator has hooks at
 * every crossing, its own clock, network and ports for asks (struct fake_cfg). One thread; several
 * may live side by side. Its own memory is not counted or failed by alloc_fault.h, where that is
 * linked in: only the service and what is below it are under test. */
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

/* What a simulator is told and decides, each with the ctx of fake_cfg. They come from within calls
 * of the fake and may not call it. All or none of them. */
struct fake_hooks {
    void (*call)(void *ctx, bool begins); /* round every call of the service: memory is its own */
    void (*consumed)(void *ctx, int link, size_t n);      /* on_bytes returned */
    void (*said)(void *ctx, int link, struct span);       /* host_send took it */
    void (*closing)(void *ctx, int link, enum close_why); /* the service closed it */
    void (*closed)(void *ctx, int link, enum close_why);  /* after on_close */
    void (*asked)(void *ctx, const struct ask *, uint64_t req);
    void (*refused)(void *ctx, const struct ask *, uint64_t req);
    void (*answered)(void *ctx, const struct answer *);         /* before on_answer */
    void (*timed)(void *ctx);                                   /* before on_time */
    void (*dgram)(void *ctx, const struct path *, struct span); /* the socket took it */
    void (*noticed)(void *ctx, const struct notice *);          /* before on_notice */
    /* The network takes what it has room for of a link's bytes, oldest first; all of it when these
     * are the last ones. How many. fake_pull when there is room again. */
    size_t (*carry)(void *ctx, int link, struct span, bool last);
    /* Instead of ending the process; the fake goes on as well as it can. */
    void (*broken)(void *ctx, const char *what, struct span detail);
};

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
    uint64_t resumed_turn;
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
    size_t links_n;                             /* the first so many have been used */
    uint64_t dirty[(FAKE_LINKS_MAX + 63) / 64]; /* a bit each: something may have to take place */
    uint64_t turn;                              /* of settling */
    bool later; /* something was resumed while settling: it waits for the next turn */
    bool gone;  /* crashed or ending: no hooks, no asks */
    struct ask_fake asks;
    struct ask_port *ask[ASK_TO_N]; /* instead of asks */
    uint32_t asks_open;             /* at the ports */
    const struct fake_hooks *hooks;
    void *hooks_ctx;
    bool shares_memory;
    uint32_t check_every, calls;
    long blocks, bytes, blocks_mark, bytes_mark; /* live memory of the service and its egress */

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
    struct buf why;      /* what the service's check found, or what fake_configure refused */
};

struct fake_cfg {
    const struct service_ops *ops;
    const char *const *settings; /* "key=value", NULL at the end; NULL: all defaults */
    uint64_t seed;
    struct egress_cfg egress; /* zeroed members: small ones that fit tests */
    struct buf *why; /* for fake_create: gets what is wrong with a setting; NULL: no matter */

    /* For simulators; all may be zero. With hooks, time is set by fake_set_now alone, the log is
     * kept at errors, and what is resumed while effects take place waits for its turn, as in the
     * server: until fake_next. */
    const struct fake_hooks *hooks;
    void *hooks_ctx;
    struct ask_port *ask[ASK_TO_N]; /* without any the fake answers by itself */
    struct audit_log *audit;        /* may be NULL, as may bans */
    struct ban_desk *bans;
    struct login_guard *guard; /* as struct host has them */
    const uint8_t *secrets;
    bool presence;      /* the fake's own asks answer claims; with ports, a port does */
    bool shares_memory; /* some of the service's is freed by others: it is not held against it */
    struct now now;
    uint32_t check_every; /* calls of the service between two of its check; 0: after every one */
};

/* NULL when the service could not be created; *rc then says why (rc may be NULL). */
struct fake *fake_create(const struct fake_cfg *, int *rc);
/* Answers what is pending, ends all links (on_close for each), destroys the service. */
void fake_destroy(struct fake *);
/* Ends all links, with on_close. */
void fake_close_all(struct fake *);
/* The process dies: no on_close, no answers; everything of it is freed. */
void fake_crash(struct fake *);

/* ---- for simulators ---- */

void fake_set_now(struct fake *, struct now);
/* When it wants fake_advance(f, 0) at the latest: for a deadline, an answer of its own, a turn. */
nsec fake_next(const struct fake *);
/* The slot the next link gets, or FAKE_NO_LINK. */
int fake_free_slot(const struct fake *);
/* As fake_open, at this listener. */
int fake_open_at(struct fake *, uint16_t listener, const struct addr *peer);
/* Whether the edge would read from the link now; what the peer sent waits outside else. */
bool fake_wants_input(const struct fake *, int link);
/* The edge ends a link by itself: it was behind for too long, say. */
void fake_end(struct fake *, int link, enum close_why);
/* The network has room for the link's bytes again. */
void fake_pull(struct fake *, int link);
/* A notice of any kind but NOTICE_CONFIG. */
void fake_notice(struct fake *, const struct notice *);

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
/* It may be written again, with room for so many (SIZE_MAX: for all): what waits is flushed. */
void fake_writable(struct fake *, size_t room);
/* Takes the oldest sent datagram into to; its size, or -1 when there is none. path may be NULL. */
long fake_take_dgram(struct fake *, struct path *, void *to, size_t cap);
void fake_forget_dgrams(struct fake *);

/* ---- time, answers, notices ---- */

/* Time passes; deadlines and delayed answers come in their order on the way. */
void fake_advance(struct fake *, nsec by);
/* Gives the oldest unanswered ask its answer; false when there is none. */
bool fake_answer(struct fake *);
void fake_answer_all(struct fake *);
/* A new configuration: defaults, then these settings. E_*: a setting was refused (why says
 * what is wrong), nothing changed. */
int fake_configure(struct fake *, const char *const *settings);
void fake_drain(struct fake *, nsec after);
/* NOTICE_KICK, NOTICE_CLOSE_ROOM */
void fake_moderate(struct fake *, enum notice_kind kind, const char *id);
/* The value of the service's metric row. */
uint64_t fake_metric(const struct fake *, size_t row);
struct service_view fake_view(const struct fake *);

#endif
