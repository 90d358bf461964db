/* What the server, its edge (listeners) and its links share; nobody else includes it.
 *
 * Service calls never nest. Whatever wakes the server (a descriptor, a timer, an answer) ends with
 * server_settle, which does what the services queued meanwhile: links with something to send or to
 * end wait in `dirty`, resumed links in `ready`.
 *
 * A turn of the loop may have a thousand links to deal with; datagrams do not wait for all of them:
 * whatever ends with server_settle gives them their turn once LOOK_EVERY has passed. */
#ifndef SLIPGATE_OS_SERVER_PRIV_H
#define SLIPGATE_OS_SERVER_PRIV_H

#include "base/hmap.h"
#include "base/list.h"
#include "base/slots.h"
#include "core/host.h"
#include "os/link.h"
#include "os/server.h"
#include "os/server_rows.h"
#include "os/tls.h"
#include "os/udp.h"

#define ADDR_KEY_BYTES 18u    /* service, address */
#define RX_BYTES       65536u /* most that one read takes */
/* Plaintext of one read and of a record begun before, and room for one record more. */
#define CLEAR_BYTES (RX_BYTES + 4u * TLS_RECORD_MAX)
#define WIRE_BYTES  (2u * RX_BYTES) /* most that one step can produce for the peer */

struct bound;

struct listener {
    struct bound *b;
    uint16_t index; /* what services know it by */
    struct listener_spec spec;
    uint16_t port; /* really bound */
    int fd;        /* stream listeners; -1: closed */
    struct loop_watch *watch;
    struct udp *udp; /* datagram listeners */
};

/* A service and what it is bound to; the host comes first. */
struct bound {
    struct host host;
    struct server *s;
    const struct service_ops *ops;
    struct service *svc;
    uint16_t id;
    struct listener listeners[SERVER_LISTENERS_MAX];
    size_t listeners_n;
    struct egress *egress;
    struct dgram_sink sink;
    struct egress_stats told; /* what the metrics already know */
    struct loop_timer *timer;
    nsec deadline;
    size_t asks; /* not yet answered */
};

/* At most `max` records a second; what was left out is told with the next one. */
struct log_gate {
    nsec second;
    uint32_t n;
    uint64_t left_out;
};

struct server {
    struct server_cfg cfg;
    struct loop *loop;
    struct log *log;
    struct rows rows;
    SSL_CTX *tls;
    struct tls_port *tls_port;
    struct bound *bound[SERVER_SERVICES_MAX];
    size_t bound_n;

    struct slots links;
    struct hmap per_addr;                     /* links by service and address */
    struct addr_count handshaking;            /* links in a handshake by address */
    struct list handshakes, stalled, closing; /* oldest first; each has one age limit */
    uint32_t handshakes_n, open_n, closing_n;
    uint32_t links_peak;
    struct list dirty, ready;
    bool in_call, settling, dying;
    bool looking;
    nsec looked;             /* when datagrams were last asked for */
    struct loop_timer *ages; /* first end of a handshake or a closing link */
    struct loop_timer *soon; /* ready links that must wait for the next turn */

    struct loop_timer *retry; /* accepting goes on */
    bool accepting, held;
    int reserve; /* a descriptor to give up when there are no more */
    nsec handshake_turn;
    uint32_t handshake_steps; /* left in this turn of the loop */
    struct log_gate gate_handshake, gate_refused, gate_accept;

    struct loop_timer *drain;
    nsec drain_deadline;
    server_drained_fn drained;
    void *drained_ctx;

    uint8_t *rx;
    struct buf clear, wire;
    struct udp_io *udp_io;
};

/* --- server.c --------------------------------------------------------------------------------- */

struct now server_now(struct server *s);
/* Round every call of a service. */
void server_enter(struct server *s);
void server_leave(struct bound *b);
/* At the end of whatever the loop called. */
void server_settle(struct server *s, struct now now);
/* Deals with datagrams that wait, if it is time to; not in a call of a service. */
void server_look(struct server *s, struct now now);
/* From the sockets of a datagram listener; ctx is the listener. */
void server_on_batch(void *ctx, struct now, const struct dgram *, size_t n);
void server_on_writable(void *ctx, struct now);
/* True when a record may be written now; *left_out were not since the last one. */
bool log_gate_pass(struct log_gate *g, nsec now, uint32_t max, uint64_t *left_out);

/* --- edge.c ----------------------------------------------------------------------------------- */

/* E_CONFIG with the reason in why. */
int edge_listen(struct listener *l, struct buf *why);
void edge_close(struct listener *l);
/* No accepting for a little while. */
void edge_hold(struct server *s, struct now now);
void edge_on_retry(void *ctx, struct now now);
struct addr edge_local_addr(int fd);

/* --- door.c: who may come --------------------------------------------------------------------
 */

/* Whether the listener may have one more link of that address, which is counted then; otherwise
 * the refusal is. */
bool door_admit(struct listener *l, const struct addr *peer, struct now now, struct admission *ret);
/* Takes back what was counted. */
void door_forget(struct bound *b, const struct addr *peer, struct admission *);
void door_forget_handshake(struct server *s, const struct addr *peer, struct admission *);
void door_refuse(struct listener *l, const struct addr *peer, struct now now, enum server_row row,
                 const char *reason);
/* Reads on in the header of a trusted proxy; *in becomes what is behind it. DOOR_GONE: the link
 * was released. */
enum door_step { DOOR_MORE, DOOR_DONE, DOOR_GONE };
enum door_step door_header(struct link *l, struct span *in, struct now now);
/* Gives up waiting for one. */
void door_drop_header(struct link *l, struct now now, const char *reason);
/* Ends the links of a banned address. */
void door_ban(struct server *s, const struct ban *, struct now now);

/* --- link.c: see link.h ----------------------------------------------------------------------- */

#endif
