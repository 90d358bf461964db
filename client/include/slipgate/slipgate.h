/* libslipgate: a client for Slipgate's racing protocol (docs/protocol-racing.md).
 *
 * A client logs in over TLS, manages rooms with commands, and exchanges positions and inputs with
 * the other players of its room in UDP datagrams. The library keeps one connection with each
 * `struct slipgate_client`, calls you back when something happens, and reconnects by itself.
 *
 * Time is handed in: every call that needs a clock takes `now_us`, microseconds of any monotonic
 * clock (slipgate_clock_us reads a suitable one). Nothing happens between calls: no threads, no
 * signals, no global state.
 *
 * Threads: a client, and everything that uses one `struct slipgate_shared`, belongs to one thread
 * at a time. Different clients with different shared parts may live in different threads.
 *
 * Memory: what a callback receives is borrowed until it returns. Strings end with NUL and are valid
 * UTF-8 unless stated otherwise. Strings handed in are copied.
 *
 * Callbacks run only inside slipgate_poll and slipgate_handle. They may call every function of the
 * client but slipgate_poll, slipgate_handle, slipgate_wait and slipgate_destroy.
 *
 * Errors: functions return 0 (or a count) or one of enum slipgate_error, all negative.
 *
 * Versions: functions and enum values are only added; structs that the caller fills begin with
 * `size` and only grow, at their end. All other structs keep their layout as long as the soname
 * stays, and so does slipgate_callbacks, which lies within the configuration: what is called back
 * besides is a member of the configuration itself. */
#ifndef SLIPGATE_SLIPGATE_H
#define SLIPGATE_SLIPGATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define SLIPGATE_API __attribute__((visibility("default")))
#else
#define SLIPGATE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- errors ---- */

enum slipgate_error {
    SLIPGATE_OK = 0,
    SLIPGATE_E_ARGUMENT = -1, /* NULL, not UTF-8, too long, out of range */
    SLIPGATE_E_STATE = -2,    /* not possible now: not connected, not logged in, no UDP yet */
    SLIPGATE_E_MEMORY = -3,   /* out of memory or descriptors */
    SLIPGATE_E_FULL = -4,     /* a queue is at its ceiling; try again later */
    SLIPGATE_E_RESOLVE = -5,  /* no address for the host name */
    SLIPGATE_E_CONNECT = -6,  /* no connection: refused, unreachable */
    SLIPGATE_E_TLS = -7,      /* the TLS handshake failed, or a record was damaged */
    SLIPGATE_E_CERTIFICATE =
        -8,                     /* the server's certificate is not trusted, or not the pinned one */
    SLIPGATE_E_TIMEOUT = -9,    /* no connection or no answer in time */
    SLIPGATE_E_PROTOCOL = -10,  /* the server said something that the protocol does not know */
    SLIPGATE_E_CLOSED = -11,    /* the connection was lost, or the server closed it */
    SLIPGATE_E_KICKED = -12,    /* an administrator, a ban, or a login from elsewhere ended it */
    SLIPGATE_E_AUTH = -13,      /* wrong password, or not logged in */
    SLIPGATE_E_BUSY = -14,      /* the server is busy; try again later */
    SLIPGATE_E_NOT_FOUND = -15, /* no such room or player */
    SLIPGATE_E_ROOM = -16,      /* the room is full or its game has started */
    SLIPGATE_E_REFUSED = -17,   /* refused for another reason: see the text */
    SLIPGATE_E_WEAK_UDP = -18,  /* authenticated datagrams were required, the server has none */
    SLIPGATE_E_SYSTEM = -19     /* an operating system call failed unexpectedly */
};

/* One English sentence without a full stop; never NULL. */
SLIPGATE_API const char *slipgate_error_text(int error);
/* Version of the library at run time, "major.minor.patch". */
SLIPGATE_API const char *slipgate_version(void);

/* ---- what is told to callbacks ---- */

struct slipgate_client;
struct slipgate_shared;

enum slipgate_state {
    SLIPGATE_OFFLINE = 0,   /* not connected, nothing under way */
    SLIPGATE_CONNECTING,    /* resolving, TCP, TLS, waiting for the welcome */
    SLIPGATE_CONNECTED,     /* has a session id, not logged in */
    SLIPGATE_AUTHENTICATED, /* logged in; rooms and UDP work */
    SLIPGATE_WAITING        /* lost the connection; will try again by itself */
};

enum slipgate_request {
    SLIPGATE_REQUEST_NONE = 0, /* an ERROR that answers nothing */
    SLIPGATE_REQUEST_LOGIN,
    SLIPGATE_REQUEST_AUTHENTICATE,
    SLIPGATE_REQUEST_CREATE_ROOM,
    SLIPGATE_REQUEST_JOIN_ROOM,
    SLIPGATE_REQUEST_LEAVE_ROOM,
    SLIPGATE_REQUEST_LIST_ROOMS,
    SLIPGATE_REQUEST_LIST_PLAYERS,
    SLIPGATE_REQUEST_START_GAME,
    SLIPGATE_REQUEST_SEND_MESSAGE,
    SLIPGATE_REQUEST_PLAYER_INFO,
    SLIPGATE_REQUEST_PING,
    SLIPGATE_REQUEST_BYE
};

enum slipgate_room_event {
    SLIPGATE_ROOM_CREATED = 0, /* you created it and are its host */
    SLIPGATE_ROOM_JOINED,
    SLIPGATE_ROOM_LEFT,  /* by request, or the room could not be joined again after a reconnect */
    SLIPGATE_ROOM_CLOSED /* by an administrator */
};

/* How this session's datagrams are protected. */
enum slipgate_udp_mode {
    SLIPGATE_UDP_NONE = 0,    /* not logged in */
    SLIPGATE_UDP_PLAIN,       /* in the clear */
    SLIPGATE_UDP_CBC,         /* AES-256-CBC with a key made of session id and shared secret */
    SLIPGATE_UDP_AES_GCM,     /* negotiated: AES-256-GCM, random keys */
    SLIPGATE_UDP_AES_CBC_HMAC /* negotiated: AES-256-CBC with HMAC-SHA-256, random keys */
};

struct slipgate_vec3 {
    float x, y, z;
};

struct slipgate_quat {
    float x, y, z, w;
};

struct slipgate_room {
    const char *id, *name, *host_id;
    uint32_t players;
    bool active; /* its game has started: it cannot be joined */
};

struct slipgate_player {
    const char *id, *name;
};

struct slipgate_spawn {
    const char *player_id;
    struct slipgate_vec3 position;
};

struct slipgate_game_start {
    const char *room_id;
    const char *host_id; /* "" when the server did not say */
    const struct slipgate_spawn *spawns;
    size_t spawns_n;
};

struct slipgate_message {
    const char *sender_id, *sender_name;
    const char *text;
    size_t text_len; /* the text may hold NUL characters */
};

struct slipgate_player_info {
    const char *id, *name;
    const char *room_id; /* NULL: in no room */
};

/* A position as another player sent it. Absent members have their defaults: 0, and 1 for w. */
struct slipgate_update_in {
    const char *sender_id;
    struct slipgate_vec3 position;
    struct slipgate_quat rotation;
    const char *json; /* the whole message as received, json_len bytes, no NUL behind it */
    size_t json_len;
};

struct slipgate_input_in {
    const char *sender_id;
    float steering, throttle, brake;
    double timestamp_s; /* the sender's own clock */
    const char *json;
    size_t json_len;
};

/* Every member may be NULL. `user` is the pointer from the configuration. */
struct slipgate_callbacks {
    size_t size; /* set by slipgate_config_init */
    /* error: why, 0 when it was asked for. text: more about it, "" when there is no more. */
    void (*on_state)(struct slipgate_client *, void *user, enum slipgate_state, int error,
                     const char *text);
    /* A request was answered, or (E_CLOSED, E_TIMEOUT) will not be. error 0: success; anything it
     * brought was told just before by the callback for it. text: the server's words, or "". */
    void (*on_done)(struct slipgate_client *, void *user, enum slipgate_request, int error,
                    const char *text);
    /* authenticated false: the name is set, a password is still needed. */
    void (*on_login)(struct slipgate_client *, void *user, const char *name, bool authenticated,
                     enum slipgate_udp_mode);
    void (*on_room)(struct slipgate_client *, void *user, enum slipgate_room_event,
                    const char *room_id);
    void (*on_rooms)(struct slipgate_client *, void *user, const struct slipgate_room *, size_t n);
    /* The players of your room, you among them. */
    void (*on_players)(struct slipgate_client *, void *user, const char *room_id,
                       const struct slipgate_player *, size_t n);
    void (*on_game_started)(struct slipgate_client *, void *user,
                            const struct slipgate_game_start *);
    void (*on_message)(struct slipgate_client *, void *user, const struct slipgate_message *);
    void (*on_player_info)(struct slipgate_client *, void *user,
                           const struct slipgate_player_info *);
    void (*on_pong)(struct slipgate_client *, void *user, uint64_t round_trip_us);
    /* A datagram's message; sender_id is as trustworthy as the UDP mode in use. */
    void (*on_update)(struct slipgate_client *, void *user, const struct slipgate_update_in *);
    void (*on_input)(struct slipgate_client *, void *user, const struct slipgate_input_in *);
    /* A line that the library has no meaning for (n bytes, no NUL behind it). */
    void (*on_line)(struct slipgate_client *, void *user, const char *line, size_t n);
    /* For event loops: watch fd from now on for these SLIPGATE_IO_* events, level-triggered.
     * events 0: forget fd, it is about to be closed. Called from any function of the client. */
    void (*on_descriptor)(struct slipgate_client *, void *user, int fd, unsigned events);
};

/* ---- configuration ---- */

enum slipgate_verify {
    SLIPGATE_VERIFY_CA = 0, /* chain to a trusted authority and the host's name */
    SLIPGATE_VERIFY_PIN,    /* exactly the certificate with this fingerprint */
    SLIPGATE_VERIFY_NONE    /* anybody: only for tests on your own machine */
};

enum slipgate_udp_policy {
    SLIPGATE_UDP_PREFER_AEAD = 0, /* authenticated datagrams if the server has them, else CBC */
    SLIPGATE_UDP_REQUIRE_AEAD,    /* or nothing: E_WEAK_UDP ends the connection */
    SLIPGATE_UDP_ONLY_CBC,        /* the protocol's original cipher */
    SLIPGATE_UDP_ONLY_PLAIN       /* in the clear */
};

struct slipgate_config {
    size_t size; /* set by slipgate_config_init */

    const char *host; /* name or address; names are resolved while connecting, which blocks */
    uint16_t port;    /* of TLS, and of UDP; default 443 */
    const char *server_name; /* the name to verify; NULL: host */

    enum slipgate_verify verify;
    const char *ca_file; /* PEM; NULL: the system's authorities */
    const char *pin; /* SHA-256 (64) or SHA-1 (40 hex digits) of the certificate; colons allowed */

    enum slipgate_udp_policy udp;
    const char *udp_secret; /* the server's shared secret for CBC; NULL: the protocol's default */
    bool udp_pack;          /* let the server put several messages into one datagram (AEAD only) */
    bool udp_register; /* say a neutral INPUT after login so that the server knows where to send
                          even if you only watch; again whenever UDP was silent for 20 s */

    bool reconnect;              /* by itself, with login and room */
    bool rejoin;                 /* the room, after a reconnect */
    uint32_t reconnect_min_ms;   /* first pause, doubled each time, with jitter; default 500 */
    uint32_t reconnect_max_ms;   /* default 30,000 */
    uint32_t reconnect_tries;    /* 0: for ever */
    uint32_t connect_timeout_ms; /* TCP, TLS and welcome; default 10,000 */
    uint32_t login_timeout_ms;   /* default 30,000 */
    uint32_t reply_timeout_ms;   /* default 15,000 */
    uint32_t ping_interval_ms;   /* PING when nothing else was sent; 0: never; default 20,000 */

    uint32_t out_max;  /* ceiling of unsent commands in bytes; default 65,536 */
    uint32_t line_max; /* longest line accepted; default 1 MiB */

    struct slipgate_shared *shared; /* NULL: the client has its own */
    struct slipgate_callbacks callbacks;
    void *user;

    /* A bad link to test with; NULL: none. The name of one (wifi, 4g, bad-dsl, satellite) or a text
     * of key = value lines (docs/client-library.md, "Bad links"); see slipgate_link_check.
     * Datagrams of both directions are then lost, held back, doubled and overtaken inside the
     * client, decided by the seed: for the same seed the same again. What is held is let go by
     * slipgate_poll and slipgate_handle, and counts in slipgate_deadline_us; a datagram's way
     * begins at the latest now_us seen, so poll before you send. At most SLIPGATE_LINK_HELD_MAX
     * datagrams are on their way, further ones are lost. The bytes of the TLS connection are held
     * back by the delay only.
     */
    const char *link;
    uint64_t link_seed;
    /* An update from the server that the link lost, told when it would have come: for programs that
     * have to tell the link's losses from others. NULL: such datagrams are not even opened. */
    void (*on_link_lost)(struct slipgate_client *, void *user, const struct slipgate_update_in *);

    /* Come back after a lost connection with a token that the server gave at login, which spares
     * both sides the work of the password; with the password where the token is good no more, or
     * the server gives none. Needs `reconnect`. Default false. */
    bool resume;
};

/* Defaults for a structure of this size, which is not the library's own when the program was
 * compiled with another version of this file. */
SLIPGATE_API void slipgate_config_init_sized(struct slipgate_config *, size_t size);

/* Sets every default: verification by the system's authorities, AEAD preferred with packing,
 * reconnect on. Call it first. */
static inline void slipgate_config_init(struct slipgate_config *cfg)
{
    slipgate_config_init_sized(cfg, sizeof *cfg);
}

#define SLIPGATE_LINK_TEXT_MAX 4096u
#define SLIPGATE_LINK_HELD_MAX 4096u /* of both directions together, some 2 KiB each while held */

/* Whether a text is good as slipgate_config.link: the longest time in milliseconds for which it
 * holds a datagram of one direction, or E_ARGUMENT. why (cap bytes with NUL, 256 are enough; may be
 * NULL) then gets one sentence: the line, what is wrong, what to write. */
SLIPGATE_API int slipgate_link_check(const char *link, char *why, size_t cap);
/* The text of a named link, to change; NULL: there is none of that name. */
SLIPGATE_API const char *slipgate_link_text(const char *name);

/* What many clients of one thread can share: the TLS context with the trusted certificates and the
 * receive buffers. Only the verification members of the configuration are used, and they hold for
 * all its clients. It must outlive them. E_MEMORY, E_CERTIFICATE (ca_file), E_ARGUMENT. */
SLIPGATE_API int slipgate_shared_create(struct slipgate_shared **, const struct slipgate_config *);
SLIPGATE_API void slipgate_shared_destroy(struct slipgate_shared *);

/* ---- life ---- */

/* Creates a client; nothing is connected yet. E_ARGUMENT, E_MEMORY, E_CERTIFICATE (ca_file, pin).
 */
SLIPGATE_API int slipgate_create(struct slipgate_client **, const struct slipgate_config *);
/* Closes everything at once, calls back nothing but on_descriptor, wipes secrets. NULL is fine. */
SLIPGATE_API void slipgate_destroy(struct slipgate_client *);

/* Starts connecting; on_state tells how it went. E_STATE when it is not OFFLINE; E_RESOLVE and
 * E_CONNECT only if reconnect is off. */
SLIPGATE_API int slipgate_connect(struct slipgate_client *, uint64_t now_us);
/* Drops the connection without a word and stops reconnecting. */
SLIPGATE_API void slipgate_close(struct slipgate_client *);

/* Does all that can be done now: reads and writes what the sockets allow, calls back, keeps
 * deadlines. Returns 0, or the error that the connection ended with in this call. */
SLIPGATE_API int slipgate_poll(struct slipgate_client *, uint64_t now_us);

/* ---- event loops ---- */

#define SLIPGATE_IO_IN  1u
#define SLIPGATE_IO_OUT 2u

struct slipgate_descriptor {
    int fd;
    unsigned events; /* SLIPGATE_IO_* */
};

/* What to watch now: at most 2. Changes only within calls of this client (see on_descriptor). */
SLIPGATE_API size_t slipgate_descriptors(const struct slipgate_client *,
                                         struct slipgate_descriptor ret[2]);
/* When slipgate_poll is due at the latest, even without any event; UINT64_MAX: never. */
SLIPGATE_API uint64_t slipgate_deadline_us(const struct slipgate_client *);
/* Like slipgate_poll, for one descriptor known to be ready: saves the useless system calls. */
SLIPGATE_API int slipgate_handle(struct slipgate_client *, int fd, unsigned events,
                                 uint64_t now_us);
/* For programs without an event loop: sleeps until the client has something to do, at most max_ms.
 * now_us as in slipgate_poll, which is to be called next. Returns early on a signal. */
SLIPGATE_API void slipgate_wait(struct slipgate_client *, uint64_t now_us, uint32_t max_ms);
/* CLOCK_MONOTONIC in microseconds. */
SLIPGATE_API uint64_t slipgate_clock_us(void);

/* ---- requests ----
 * All return 0 when the request is on its way; the answer comes by on_done. E_STATE when not
 * connected, E_FULL, E_ARGUMENT. Requests are answered in the order in which they were made. */

/* NAME with a password: logs in, or registers a name that nobody has. May be called before the
 * connection is up. password NULL or "": only sets the name. Name and password are kept for a
 * reconnect if the configuration asks for that, and otherwise wiped once sent. */
SLIPGATE_API int slipgate_login(struct slipgate_client *, const char *name, const char *password);
/* AUTHENTICATE: the password for the name set before. */
SLIPGATE_API int slipgate_authenticate(struct slipgate_client *, const char *password);
SLIPGATE_API int slipgate_create_room(struct slipgate_client *, const char *name);
SLIPGATE_API int slipgate_join_room(struct slipgate_client *, const char *room_id);
SLIPGATE_API int slipgate_leave_room(struct slipgate_client *);
SLIPGATE_API int slipgate_list_rooms(struct slipgate_client *);
SLIPGATE_API int slipgate_list_players(struct slipgate_client *);
SLIPGATE_API int slipgate_start_game(struct slipgate_client *); /* only the host may */
/* RELAY_MESSAGE: a text for one player, at most 4 KiB with most servers. */
SLIPGATE_API int slipgate_send_message(struct slipgate_client *, const char *player_id,
                                       const char *text);
SLIPGATE_API int slipgate_ask_player_info(struct slipgate_client *);
SLIPGATE_API int slipgate_ping(struct slipgate_client *, uint64_t now_us);
/* BYE: a polite end; on_state(OFFLINE, 0) follows. Stops reconnecting. */
SLIPGATE_API int slipgate_bye(struct slipgate_client *);

/* ---- datagrams ---- */

struct slipgate_update {
    struct slipgate_vec3 position;
    struct slipgate_quat rotation;
    const char *extra; /* further members as JSON text, for example "\"lap\":3"; NULL: none */
};

enum slipgate_input_form {
    SLIPGATE_INPUT_NESTED = 0, /* members inside "input", with room and client id */
    SLIPGATE_INPUT_FLAT        /* members at top level */
};

struct slipgate_input {
    float steering;        /* -1 left to 1 right */
    float throttle, brake; /* 0 to 1 */
    double timestamp_s;    /* your own clock; kept to the microsecond */
    enum slipgate_input_form form;
    const char *extra;
};

#define SLIPGATE_DATAGRAM_MAX 1200u /* bytes of a sealed datagram */

/* Sends at once or not at all: E_STATE before login, E_ARGUMENT (not finite, over 1200 bytes, extra
 * is not JSON), E_FULL when the socket is full (the datagram is dropped and counted). */
SLIPGATE_API int slipgate_send_update(struct slipgate_client *, const struct slipgate_update *);
SLIPGATE_API int slipgate_send_input(struct slipgate_client *, const struct slipgate_input *);
/* The text that slipgate_send_update sends for a player with this session id, without NUL. Returns
 * its length, E_ARGUMENT, or E_FULL when cap is too small. */
SLIPGATE_API int slipgate_update_text(char *to, size_t cap, const char *session_id,
                                      const struct slipgate_update *);

/* ---- what is known ---- */

SLIPGATE_API enum slipgate_state slipgate_get_state(const struct slipgate_client *);
SLIPGATE_API const char *slipgate_get_session_id(const struct slipgate_client *); /* "": offline */
SLIPGATE_API const char *slipgate_get_name(const struct slipgate_client *);    /* "" before login */
SLIPGATE_API const char *slipgate_get_room_id(const struct slipgate_client *); /* "": in none */
SLIPGATE_API enum slipgate_udp_mode slipgate_get_udp_mode(const struct slipgate_client *);
SLIPGATE_API const char *slipgate_udp_mode_text(enum slipgate_udp_mode);
/* Last measured by PING, 0 before. */
SLIPGATE_API uint64_t slipgate_get_round_trip_us(const struct slipgate_client *);

struct slipgate_stats {
    size_t size;                          /* set by the caller to sizeof(struct slipgate_stats) */
    uint64_t connects;                    /* welcomes received */
    uint64_t tcp_bytes_in, tcp_bytes_out; /* inside TLS */
    uint64_t lines_in, lines_out;
    uint64_t datagrams_in, datagrams_out; /* all received; all sent */
    uint64_t datagram_bytes_in, datagram_bytes_out;
    uint64_t messages_in;   /* UPDATE and INPUT delivered */
    uint64_t datagrams_bad; /* not opened, or nonsense inside */
    uint64_t datagrams_replayed;
    uint64_t datagrams_unsent; /* the socket refused */

    /* Datagrams that slipgate_config.link took in, lost (its queues full among them) and doubled.
     * Those sent count in datagrams_out whatever becomes of them, those lost on their way here do
     * not count in datagrams_in, nor copies refused as such in datagrams_replayed. */
    uint64_t link_up, link_up_lost, link_up_doubled;
    uint64_t link_down, link_down_lost, link_down_doubled;
};

SLIPGATE_API void slipgate_get_stats(const struct slipgate_client *, struct slipgate_stats *);

#ifdef __cplusplus
}
#endif

#endif
