/* A server with one scripted service and any number of clients, all on one thread: fx_turn gives
 * each a turn, fx_until does so until a condition holds, within a deadline. */
#ifndef SLIPGATE_TESTS_OS_FIXTURE_H
#define SLIPGATE_TESTS_OS_FIXTURE_H

#include "core/host.h"
#include "os/server.h"
#include "os/server_rows.h"
#include "os/uvloop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#define WAIT_S 20 /* nothing here takes so long unless it is broken */

/* --- the service: lines, one command each ------------------------------------------------------
 *   anything      is answered by itself
 *   pause MS      stops the link; it is resumed after MS milliseconds
 *   spin N        pauses and resumes N times in a row
 *   send N        answers N bytes of 'x'
 *   flood         sends 'x' until E_FULL, then closes with CLOSE_SLOW
 *   bye           says "bye" and closes
 *   close-first   closes, then tries to send
 *   hold          from now on consumes nothing
 *   ask           asks the store to find "x", answers "answer RC" */
struct echo_link {
    bool open, hold, closed;
    struct link_info info;
    enum close_why why;
    uint32_t closes, spins, calls;
    nsec resume_at;
    size_t most; /* bytes seen at once */
    struct link_ref ref;
};

struct service {
    struct host *host;
    struct echo_link links[4096];
    uint32_t opens, closes, dgrams, batches, notices, drains, times;
    uint32_t busy;  /* depth of calls; more than one is a broken promise */
    struct buf log; /* the lines as they came */
    bool close_on_open;
    unsigned dgram_copies; /* each datagram is answered so many times */
    struct path last_path;
};

extern const struct service_ops echo_ops;
/* What echo_ops.listeners will say. */
extern struct listener_spec echo_specs[SERVER_LISTENERS_MAX];
extern size_t echo_specs_n;
extern int echo_create_rc;

/* --- the server ----------------------------------------------------------------------------------
 */

struct fx_log {
    struct log log;
    uint32_t n;
    char last_id[64], last_text[512];
};

struct client;

struct fx {
    struct uvloop *loop;
    struct metrics metrics;
    struct entropy entropy;
    struct fx_log log;
    struct server_cfg cfg;
    struct server *server;
    struct service *service;
    SSL_CTX *server_tls, *client_tls;
    uint16_t id;
    struct client *clients;
    uint32_t cut;
    bool drained;
};

/* A TLS listener and a plaintext one on ephemeral ports of 127.0.0.1, no limits per address. */
void fx_specs(void);
/* Everything but the server; fx->cfg may be changed before fx_start. */
void fx_init(struct fx *f);
void fx_start(struct fx *f);
void fx_fini(struct fx *f);
void fx_turn(struct fx *f);
uint64_t fx_row(const struct fx *f, enum server_row row);

#define fx_until(f, cond)                                 \
    do {                                                  \
        nsec fx_end_ = fx_now() + WAIT_S * NSEC_PER_S;    \
        while (!(cond)) {                                 \
            if (fx_now() > fx_end_)                       \
                fail_msg("waited in vain for %s", #cond); \
            fx_turn(f);                                   \
        }                                                 \
    } while (0)
/* Turns for so long: only for showing that something does not happen. */
void fx_idle(struct fx *f, unsigned ms);
nsec fx_now(void);
/* A server context with a fresh certificate. */
SSL_CTX *fx_server_context(void);

/* --- clients -------------------------------------------------------------------------------------
 */

struct client {
    struct client *next;
    int fd;
    SSL *ssl;                              /* NULL: plaintext */
    bool secure, eof, clean, broken, deaf; /* clean: close_notify came; deaf: never reads */
    struct buf got, todo;
    size_t write_max; /* most bytes of one write; 0: no limit */
    uint16_t port;
};

/* Connects to listener 0 (TLS) or 1 (plaintext). */
struct client *client_open(struct fx *f, bool tls);
/* A bare socket to the TLS listener, which says nothing. */
struct client *client_raw(struct fx *f, uint16_t port);
void client_send(struct client *c, const char *text);
void client_send_bytes(struct client *c, const void *p, size_t n);
void client_step(struct client *c);
void client_close(struct fx *f, struct client *c);
bool client_got(const struct client *c, const char *text);
void client_forget(struct client *c);

#endif
