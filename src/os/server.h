/* The server: owns the listeners and links of any number of services and is the host of each
 * (core/host.h). Bytes arrive decrypted, datagrams in batches, answers and time through the loop;
 * what a service queues in a call is sent when the call has returned.
 *
 * One thread, the loop's. Nothing here blocks. Everything has a ceiling: links, handshakes, links
 * of one address, bytes waiting in each direction of a link, datagrams read in one go.
 *
 * Order of shutdown: server_drain or server_close_all; run the loop until the callback or until
 * server_links is 0; close the ports behind store and hash (they answer what they took, and refuse
 * from then on); server_destroy; free the ports. */
#ifndef SLIPGATE_OS_SERVER_H
#define SLIPGATE_OS_SERVER_H

#include "core/limit.h"
#include "core/loop.h"
#include "core/service.h"

#include <openssl/types.h>

#define SERVER_SERVICES_MAX  8u
#define SERVER_LISTENERS_MAX 4u /* of one service */

struct server;

/* Zeroed members with "default" take it. Pointers are borrowed and must outlive the server. */
struct server_cfg {
    struct loop *loop;
    struct log *log;
    struct metrics *metrics;
    struct entropy *entropy;
    struct ask_port *ask[ASK_TO_N]; /* NULL: every ask to it is refused with E_BUSY */
    struct audit_log *audit;        /* NULL: none is kept */
    struct login_guard *guard;      /* NULL: each service's logins have their own */
    const uint8_t *secrets;         /* the key that seals secrets; NULL: there is none */
    struct ban_desk *bans;          /* NULL: nobody is banned. Addresses in it are refused when they
                                       connect, and their links end when they come into it */
    SSL_CTX *tls;                 /* for new handshakes; a reference is taken. NULL until set_tls */
    struct exempt exempt;         /* spared by links_per_addr and handshakes_per_addr */
    struct exempt proxies;        /* connections from there begin with a PROXY header; see below */
    uint32_t handshakes_per_addr; /* of one address at once; 0: no limit */
    uint32_t links_max;           /* default 16384 */
    uint32_t handshakes_max;      /* at once; default 1024 */
    nsec handshake_max;           /* default 10 s */
    nsec linger_max;              /* to send the rest after a close; default 5 s */
    nsec stall_max;            /* for a peer that is behind to read anything at all; default 10 s */
    uint32_t udp_buffer_bytes; /* asked of the kernel for each direction; default 4 MiB */
    struct egress_cfg egress;  /* of each service; zeroed members: see there */
};

/* E_NOMEM, E_FULL (metrics), E_IO. */
MUST_USE int server_create(struct server **ret, const struct server_cfg *);
/* Closes what is left at once (each open link gets its on_close) and destroys the services. Asks
 * must have been answered by then (CHECK). NULL is fine. */
void server_destroy(struct server *);

/* Creates the service and opens the listeners it wants under this configuration. 0 and *id (ids
 * count up from 0); E_NOENT: the configuration has it off. E_CONFIG: a listener could not be opened
 * or the configuration is wrong; why then says in one line without a full stop what, by which key,
 * and how to mend it. E_NOMEM, E_FULL. On failure nothing is left behind but the service's rows in
 * the metrics. Links are accepted from the next turn of the loop on. */
MUST_USE int server_add(struct server *, const struct service_ops *, const struct config *,
                        uint16_t *id, struct buf *why);

/* For new handshakes; open links keep what they have. A reference is taken. */
void server_set_tls(struct server *, SSL_CTX *);
/* Replaces the sources spared by per-address limits. */
void server_set_exempt(struct server *, const struct exempt *);
/* Replaces the trusted proxies, for new connections. What such a proxy connects must begin with a
 * PROXY header of version 2 (wire/proxy.h) and have it whole within handshake_max, else it is
 * refused; from then on the link is the client's that the header names, for limits, bans and the
 * service. From nobody else is a header taken. Datagrams come from where they come. */
void server_set_proxies(struct server *, const struct exempt *);
void server_set_handshakes_per_addr(struct server *, uint32_t);
/* To every service. NOTICE_BAN of addresses ends also the links that no session is on. With
 * NOTICE_CONFIG the ceilings of the listeners (in_max, out_max,
 * links_per_addr) follow the new configuration too; addresses and ports need a restart. */
void server_notice(struct server *, const struct notice *);

/* Closes the stream listeners; datagrams go on. */
void server_stop_accepting(struct server *);
typedef void (*server_drained_fn)(void *ctx, struct now, uint32_t links_cut);
/* Stops accepting, tells the services (NOTICE_DRAIN), and calls fn on the loop as soon as no link
 * is left or the deadline is over: then the rest was closed with CLOSE_DRAIN (links_cut of them).
 * A second call moves the deadline. */
void server_drain(struct server *, nsec deadline, server_drained_fn fn, void *ctx);
/* Ends every link with CLOSE_DRAIN after what is queued is sent. */
void server_close_all(struct server *);

bool server_accepting(const struct server *);
/* Links that hold a descriptor: in a handshake, open, or sending their last bytes. */
uint32_t server_links(const struct server *);
/* Most of them at once since this was asked last. */
uint32_t server_links_peak(struct server *);
/* The port a listener of service id is bound to (it differs from the one asked for only when that
 * was 0); 0 for a listener that is not open. */
uint16_t server_port(const struct server *, uint16_t id, uint16_t listener);
size_t server_services(const struct server *);
const char *server_service_name(const struct server *, uint16_t id);
struct service *server_service(const struct server *, uint16_t id);
void server_view(const struct server *, uint16_t id, struct service_view *);
/* What staff wants of service id: its on_order, players and rooms. Not from within a call of a
 * service. server_order: what on_order says; E_SUPPORT where there is none. */
MUST_USE int server_order(struct server *, uint16_t id, const struct order *);
void server_players(const struct server *, uint16_t id, player_fn fn, void *ctx);
void server_rooms(const struct server *, uint16_t id, room_fn fn, void *ctx);
/* Raises the soft limit of descriptors towards `want`; returns the limit in force. */
size_t server_raise_descriptors(size_t want);

#endif
