/* A client: the session, its connection, and the policy of connecting again. */
#ifndef SLIPGATE_CLIENT_CLIENT_H
#define SLIPGATE_CLIENT_CLIENT_H

#include "client/io_link.h"
#include "client/io_udp.h"
#include "client/retry.h"
#include "client/session.h"

#define SGC_HOST_MAX      255u
#define SGC_ADDRESSES_MAX 8u

struct slipgate_client {
    struct slipgate_config cfg; /* its pointers are not used but for callbacks and user */
    char host[SGC_HOST_MAX + 1], server_name[SGC_HOST_MAX + 1];
    struct slipgate_shared *shared;
    bool shared_own;

    enum slipgate_state state;
    struct sgc_session session;
    struct sgc_link link;
    int udp_fd;            /* -1: none */
    struct sgc_hold *hold; /* the bad link, for datagrams and for the stream; NULL: none */
    struct sgc_slow *slow;
    struct sgc_address addresses[SGC_ADDRESSES_MAX];
    size_t addresses_n, address_at;

    uint64_t now_us;      /* last time seen */
    uint64_t deadline_us; /* of the step of connecting under way, or of the pause */
    uint64_t address_us;  /* time for one address */
    uint64_t stable_us;   /* when this connection counts as a success */
    uint64_t next_us;     /* when poll is due */
    struct sgc_retry retry;

    bool calling;    /* inside poll: nothing may be torn down under its feet */
    bool want_close; /* slipgate_close was called meanwhile */
    bool leaving;    /* slipgate_bye was called */
    int end_error;   /* a hook wants the session ended; 0: no */

    /* For a login before the connection is up, and after a reconnect. */
    char login_name[SGC_NAME_MAX + 1];
    char *password;                /* SGC_PASSWORD_MAX + 1 bytes, or NULL */
    char token[SGC_TOKEN_MAX + 1]; /* to resume with instead; "": none */
    bool login_kept, was_authenticated, relogin, resuming;
    char room_id[SGC_ID_MAX + 1]; /* to join again */
    bool rejoining;

    struct slipgate_descriptor told[2]; /* to on_descriptor: TCP, UDP; events 0: nothing */
};

/* Tears a session down if it has ended, and decides how to go on. Returns the error or 0. */
int sgc_client_settle(struct slipgate_client *c);
/* Sends what is queued, as far as the socket takes it. */
void sgc_client_flush(struct slipgate_client *c);
void sgc_client_forget_login(struct slipgate_client *c);
/* Recomputes the deadline and tells on_descriptor what changed. */
void sgc_client_refresh(struct slipgate_client *c);

#endif
