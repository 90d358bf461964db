/* One connection's conversation, without the connection: bytes in, bytes out, time passed in. It
 * reads the welcome, sends commands, matches answers to requests, keeps the room and the UDP seal,
 * and calls the application back.
 *
 * Answers come in the order of the requests (docs/protocol-racing.md, "Lines"), notifications in
 * between, so a queue of what is pending is enough to tell which request an ERROR belongs to.
 *
 * After any fault the phase is SGC_ENDED with the reason in end_*: the owner then drops the
 * connection. The owner feeds no more bytes afterwards.
 *
 * One thread. Ceilings: queue of requests SGC_PENDING_MAX, out_max and line_max of the
 * configuration. Buffers that may have held a password or a key are wiped. */
#ifndef SLIPGATE_CLIENT_SESSION_H
#define SLIPGATE_CLIENT_SESSION_H

#include "base/buf.h"
#include "client/hold.h"

#define SGC_PENDING_MAX  64u
#define SGC_NAME_MAX     256u
#define SGC_PASSWORD_MAX 1024u
#define SGC_TOKEN_MAX    128u
#define SGC_LINE_MAX     65536u /* of what we send: the server accepts no longer line */

enum sgc_phase {
    SGC_CLOSED = 0,    /* no connection */
    SGC_WELCOME,       /* waits for the session id */
    SGC_OPEN,          /* not logged in */
    SGC_AUTHENTICATED, /* logged in */
    SGC_ENDED,         /* see end_* */
};

struct sgc_session_cfg {
    struct slipgate_callbacks cb; /* size checked and completed by the owner */
    void *user;
    struct slipgate_client *self; /* only handed on */
    void (*on_link_lost)(struct slipgate_client *, void *user, const struct slipgate_update_in *);
    /* Tells the owner of OPEN and AUTHENTICATED, before the application hears of anything else. */
    void (*on_phase)(void *owner, enum sgc_phase);
    /* Tells the owner how a request went, before the application; true: which need not hear. */
    bool (*on_answer)(void *owner, enum slipgate_request, int error);
    void *owner;
    enum slipgate_udp_policy udp;
    char udp_secret[SGC_NAME_MAX + 1];
    bool udp_pack, udp_register, resume;
    uint32_t login_timeout_ms, reply_timeout_ms, ping_interval_ms;
    uint32_t out_max, line_max;
    struct sgc_scratch *scratch;
};

struct sgc_pending {
    enum slipgate_request kind;
    uint64_t sent_us;
    bool quiet; /* ours, the application did not ask */
};

struct sgc_session {
    struct sgc_session_cfg cfg;
    enum sgc_phase phase;

    int end_error;      /* enum slipgate_error; 0 after BYE */
    bool end_final;     /* trying again cannot help */
    char end_text[256]; /* the server's words, or "" */

    char id[SGC_ID_MAX + 1], room_id[SGC_ID_MAX + 1], name[SGC_NAME_MAX + 1];
    bool game_told; /* the notification of the current game was passed on */
    bool bye_sent;
    char token[SGC_TOKEN_MAX + 1]; /* to resume with, of the last login; "": none */

    struct buf in, out;
    bool out_secret; /* out holds or held a password */
    struct sgc_pending pending[SGC_PENDING_MAX];
    size_t pending_head, pending_n;
    uint64_t head_us; /* since when the first pending request is the first */

    uint64_t now_us, sent_us; /* last time seen; last line queued */
    uint64_t round_trip_us;

    struct sgc_udp udp;
    struct buf text; /* of the datagram being made */
    uint64_t udp_sent_us;
    uint32_t udp_hellos; /* neutral INPUTs sent since the login */

    struct slipgate_stats stats;
};

/* Takes all memory that later calls need, except for long lines. E_NOMEM. */
MUST_USE int sgc_session_init(struct sgc_session *s, const struct sgc_session_cfg *);
void sgc_session_fini(struct sgc_session *s);

/* A connection is up: forgets everything about the last one but the statistics. */
void sgc_session_begin(struct sgc_session *s, uint64_t now_us);
/* The connection is gone or has to go: fails what is pending, closes UDP. text may be NULL. */
void sgc_session_end(struct sgc_session *s, int error, bool final, const char *text);

/* Feeds bytes from the server. */
void sgc_session_bytes(struct sgc_session *s, uint64_t now_us, struct span bytes);
/* Bytes for the server; the owner takes n of them off by sgc_session_sent. */
struct span sgc_session_out(const struct sgc_session *s);
void sgc_session_sent(struct sgc_session *s, size_t n);
/* Keeps deadlines: pings, times out. */
void sgc_session_time(struct sgc_session *s, uint64_t now_us);
/* When sgc_session_time is due; UINT64_MAX: never. */
uint64_t sgc_session_due_us(const struct sgc_session *s);

/* ---- requests (request.c): enum slipgate_error ---- */
int sgc_session_login(struct sgc_session *s, const char *name, const char *password);
int sgc_session_resume(struct sgc_session *s, const char *name, const char *token);
int sgc_session_authenticate(struct sgc_session *s, const char *password);
/* A command without members, or with one text member. */
int sgc_session_request(struct sgc_session *s, enum slipgate_request kind, const char *key,
                        const char *value);
int sgc_session_message(struct sgc_session *s, const char *player_id, const char *text);

/* ---- answers (reply.c) ---- */
/* Handles one line; false: the protocol does not allow it. */
bool sgc_reply_line(struct sgc_session *s, struct span line);
/* Takes the first pending request off and tells the application how it went. */
void sgc_session_done(struct sgc_session *s, int error, const char *text);
/* Kind of the first pending request, SLIPGATE_REQUEST_NONE when there is none. */
enum slipgate_request sgc_session_first(const struct sgc_session *s);

/* ---- datagrams ---- */
/* Seals a message; the datagram is in the scratch until the next call. Size or slipgate_error. */
int sgc_session_update(struct sgc_session *s, const struct slipgate_update *);
int sgc_session_input(struct sgc_session *s, const struct slipgate_input *);
/* The owner sent a datagram of n bytes, or (n = 0) could not. */
void sgc_session_datagram_sent(struct sgc_session *s, uint64_t now_us, size_t n);
/* A datagram from the server arrived, or (SGC_LOST) would have: then only on_link_lost hears of it.
 */
void sgc_session_datagram(struct sgc_session *s, struct span datagram, enum sgc_arrival);
/* When a neutral INPUT is due (made by sgc_session_input); UINT64_MAX: never. */
uint64_t sgc_session_hello_us(const struct sgc_session *s);

/* Our error for one of the program's error codes. */
int sgc_error_of(int e);

#endif
