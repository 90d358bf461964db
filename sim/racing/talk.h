/* The simulator's own client, written from docs/protocol-racing.md alone: one connection's
 * conversation over a peer. It frames lines, keeps what was asked, and finds an answer that nobody
 * asked for, in the wrong order, or of another kind than the question ("bot-replies"); seals and
 * opens datagrams in every form there is. It decides nothing: who speaks does.
 *
 * The same listener serves libslipgate's session (library.h). */
#ifndef SLIPGATE_SIM_RACING_TALK_H
#define SLIPGATE_SIM_RACING_TALK_H

#include "sim/racing/known.h"

#define TALK_PENDING_MAX 256u
#define TALK_LINE_MAX    600000u /* of the server's: a list of all rooms */

enum request {
    ASK_NOTHING,
    ASK_NAME,
    ASK_AUTH,
    ASK_CREATE,
    ASK_JOIN,
    ASK_LEAVE,
    ASK_PING,
    ASK_LIST,
    ASK_PLAYERS,
    ASK_RELAY,
    ASK_INFO,
    ASK_START,
    ASK_BYE,
    ASK_ODD, /* something no sane client says; talk_odd tells what may answer it */
    REQUESTS_N
};

enum answer_kind { /* a bit each */
                   SAYS_NAME_OK = 1 << 0,
                   SAYS_AUTH_OK = 1 << 1,
                   SAYS_AUTH_FAILED = 1 << 2,
                   SAYS_ERROR = 1 << 3,
                   SAYS_CREATED = 1 << 4,
                   SAYS_JOIN_OK = 1 << 5,
                   SAYS_LEAVE_OK = 1 << 6,
                   SAYS_PONG = 1 << 7,
                   SAYS_LIST = 1 << 8,
                   SAYS_PLAYERS = 1 << 9,
                   SAYS_RELAY_OK = 1 << 10,
                   SAYS_INFO = 1 << 11,
                   SAYS_STARTED = 1 << 12,
                   SAYS_BYE_OK = 1 << 13,
                   SAYS_UNKNOWN = 1 << 14,
};

enum room_how { ROOM_CREATED, ROOM_JOINED, ROOM_LEFT, ROOM_SHUT };

/* Who listens to a conversation; NULL members are not called. Everything is borrowed. */
struct listener {
    void (*welcome)(struct bot *);
    void (*answered)(struct bot *, enum request, bool ok, struct span message);
    void (*login)(struct bot *); /* signed in: before answered */
    void (*room)(struct bot *, enum room_how, const char *id);
    void (*listed)(struct bot *, const char *id, struct span name, int64_t players, bool active);
    void (*player)(struct bot *, const char *id);     /* of ROOM_PLAYERS: those, then answered */
    void (*started)(struct bot *);                    /* the race */
    void (*closing)(struct bot *);                    /* SERVER_CLOSING */
    void (*dismissed)(struct bot *, struct span why); /* BYE_ADMIN */
    void (*message)(struct bot *, struct span);       /* of a datagram */
};

enum udp_wish { UDP_CLEAR, UDP_DOCUMENT, UDP_STRONG_GCM, UDP_STRONG_HMAC, UDP_STRONG_ANY };

struct pending {
    uint8_t kind;
    uint16_t mask;
};

struct talk {
    struct bot *bot;
    const struct listener *to;
    bool loose; /* answers are not judged any more: we have broken the framing, or flood */
    bool open, authenticated, second, bye;
    enum udp_wish wish;
    bool pack;
    struct buf in;
    struct buf held; /* lines that will leave together */
    bool holds;
    struct pending pending[TALK_PENDING_MAX];
    uint32_t head, n;
    nsec waits_since; /* the first of them is the first */
    enum seal_kind form;
    bool packed;
    struct sealer *sealer;
    struct opener *opener;
};

void talk_init(struct talk *, struct bot *, const struct listener *);
void talk_fini(struct talk *);
void talk_begin(struct talk *); /* a connection is up */
void talk_end(struct talk *);   /* it is down */
void talk_bytes(struct talk *, struct span);
void talk_dgram(struct talk *, struct span);

/* From hold to release, what is asked leaves in one piece. */
void talk_hold(struct talk *);
void talk_release(struct talk *);

/* What an ask is about: NAME: name, password ("" for none); AUTH: password; CREATE: name; JOIN:
 * room; RELAY: target, text. False: too much is pending. */
bool talk_ask(struct talk *, enum request, const char *a, const char *b);
/* Several asks of one word each, in a BATCH or as lines that leave together. */
bool talk_batch(struct talk *, const enum request *, size_t n, bool as_lines);
/* A text as it is, LF and all, that is to be answered by one of mask (0: by nothing). */
bool talk_odd(struct talk *, struct span, unsigned mask);
/* Sends a datagram: the text in the session's form, or wrapped in gzip before. */
void talk_send(struct talk *, struct span text, bool gzip);
/* The request's line, without LF. Returns its length. */
size_t talk_line(const struct talk *, enum request, const char *a, const char *b, char *to,
                 size_t cap);

#endif
