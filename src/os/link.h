/* One stream connection: its socket, its TLS, and the bytes that wait in each direction.
 *
 * HANDSHAKE -> OPEN -> ENDING -> CLOSING -> gone. A link is ENDING from the moment its end is
 * decided until its service was told (at the next settling); then it is CLOSING while its last
 * bytes go out, with close_notify behind them, and the peer has seen the end. Its slot is free only
 * then. */
#ifndef SLIPGATE_OS_LINK_H
#define SLIPGATE_OS_LINK_H

#include "base/list.h"
#include "core/service.h"
#include "os/tls.h"

struct listener;
struct proxy_reader;
struct server;

enum link_state { LINK_HANDSHAKE, LINK_OPEN, LINK_ENDING, LINK_CLOSING };

/* What a link is counted in. */
struct admission {
    bool link;      /* of its address, server.per_addr */
    bool handshake; /* server.handshaking */
};

struct link {
    struct link_ref ref;
    struct server *s;
    struct listener *from;
    int fd;
    struct loop_watch *watch;
    struct tls *tls;             /* NULL: plaintext listener, or its end was sent */
    struct proxy_reader *header; /* being read (state HANDSHAKE); peer is the proxy until then */
    struct admission counted;
    uint8_t state; /* enum link_state */
    uint8_t why;   /* enum close_why, from ENDING on */
    bool paused;   /* by the service */
    bool held;     /* its turn waits until the peer has read more */
    bool ended;    /* the peer will send no more */
    bool dead;     /* the socket or the session is of no use: nothing more is sent */
    bool said_bye; /* close_notify is in out */
    bool shut;     /* our direction is closed */
    bool heard;    /* the peer sent something */
    struct addr peer, local;
    size_t in_max, out_max; /* of the listener when the link began */
    struct buf in;          /* plaintext the service has not consumed */
    struct buf text;        /* plaintext to be sent */
    struct buf out;         /* what the socket has not taken yet */
    nsec since;             /* start of the present state; behind: when the peer last read */
    uint64_t read_at_since; /* bytes_out then */
    nsec opened;
    uint64_t bytes_in, bytes_out; /* on the wire */
    uint32_t thrown;              /* bytes read and forgotten while CLOSING */
    struct list age, dirty, ready;
};

/* Takes the socket over: 0, or E_NOMEM, E_IO, E_CRYPTO, and then it was closed. counted NULL: peer
 * is a trusted proxy, whose header comes first. Otherwise a link of a plaintext listener is open at
 * once. */
int link_adopt(struct listener *from, int fd, const struct addr *peer, struct now now,
               const struct admission *counted);

/* The host's calls; they only queue. */
int link_send(struct link *l, struct span bytes);
void link_pause(struct link *l);
void link_resume(struct link *l);
void link_end(struct link *l, enum close_why why);

/* What waits in the lists of the server. */
void link_settle(struct link *l, struct now now);
void link_ready(struct link *l, struct now now);
/* Gives up a handshake. */
enum handshake_end { HANDSHAKE_FAILED, HANDSHAKE_NOT_TLS, HANDSHAKE_TIMEOUT, HANDSHAKE_CROWDED };
void link_drop_handshake(struct link *l, struct now now, enum handshake_end end);
/* Closes the socket and frees the link, which its service does not know (any more). reset: the
 * kernel need not go on with bytes that the peer did not take. */
void link_release(struct link *l, bool reset);
/* Ends handshakes and closing links that are too old; returns when to call it again. */
nsec link_ages(struct server *s, struct now now);

#endif
