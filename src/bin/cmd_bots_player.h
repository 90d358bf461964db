/* One bot: its conversation with the server, what it sends, and how it judges what it receives. */
#ifndef SLIPGATE_BIN_CMD_BOTS_PLAYER_H
#define SLIPGATE_BIN_CMD_BOTS_PLAYER_H

#include "bin/cmd_bots.h"

#define BOTS_ID_MAX 64u

enum bots_phase { BOTS_RAMP, BOTS_WARM, BOTS_MEASURE, BOTS_SETTLE, BOTS_END };

enum bot_state {
    BOT_IDLE,   /* its turn to log in has not come */
    BOT_LOGIN,  /* connecting, logging in */
    BOT_PAUSED, /* the server was busy: will ask again */
    BOT_LOBBY,  /* logged in */
    BOT_IN,     /* where it should be: in its room, or in the lobby with --no-room */
    BOT_GONE,   /* failed, or disconnected */
};

/* What one player has seen of another one of its room: the last 64 sequence numbers. */
struct bot_seen {
    uint32_t high; /* highest sequence number that came or was lost; numbers start at 1 */
    uint64_t mask; /* bit i: high - i was seen */
    uint64_t lost; /* bit i: the link took high - i, and so far no copy has come */
    struct feel_mate feel;
};

struct bot_room {
    char id[BOTS_ID_MAX + 1]; /* "" until its host has made it */
    uint32_t first, members;  /* players that belong here and are not gone */
    uint32_t in;
    bool started;
};

struct bot {
    struct bots_run *run;
    struct slipgate_client *client;
    struct bot_room *room; /* NULL with --no-room */
    uint32_t index, slot;  /* of all; in its room */
    enum bot_state state;
    uint32_t tries;
    uint64_t login_us, retry_us; /* when it started; when it asks again */
    char id[BOTS_ID_MAX + 1];

    float garage[3];
    int64_t start_ms;          /* of the race, wall clock; INT64_MAX: not yet */
    uint32_t seq;              /* last one sent */
    uint32_t seq_from, seq_to; /* measured: from <= seq < to */
    uint64_t link_up_lost;     /* when it last sent */
    bool cheats, told;         /* told: the server had a word with it */
    struct bot_seen *seen;     /* [room_size], by slot of the sender */
};

/* What the bots share. */
struct bots_run {
    struct bots_options o;
    enum bots_phase phase;
    int epoll_fd, signal_fd;
    struct slipgate_shared *shared;
    struct bot *bots;
    struct bot_room *rooms;
    struct bot_seen *seen;
    uint32_t rooms_n, started; /* started: bots whose login has begun */

    uint32_t *by_id; /* open addressing: index + 1, 0 free; by the session id's first digits */
    uint32_t by_id_mask;

    uint64_t now_us,
        batch_us;           /* batch_us: clock read for the datagrams being handled, 0: not yet */
    uint32_t batch_left;    /* until it is read again */
    int64_t wall_ms_offset; /* wall clock minus monotonic, milliseconds */
    uint64_t began_us, all_in_us, phase_us, measure_us;
    uint64_t heard, heard_want;
    uint64_t last_delivery_us;
    uint64_t sends;    /* scheduled so far */
    uint64_t sends_us; /* when number 0 was due */
    uint32_t sample;
    uint32_t checked; /* players that answered the check at the end */
    struct bots_totals totals, second_totals;
    struct bots_hist latency, second, login;
    struct feel feel;
    struct slipgate_stats base; /* sums at the start of the measurement */
    double cpu_base_s;
    bool stop;
    char udp_mode[64];
    char first_error[192];
};

/* Creates the client and starts connecting. */
void bot_start(struct bot *b);
/* Asks again after a busy answer. */
void bot_retry(struct bot *b);
/* Sends one update; nothing before login. */
void bot_send(struct bot *b);
/* The player is lost. */
void bot_lost(struct bot *b, const char *why);

#endif
