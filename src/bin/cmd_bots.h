/* `slipgate bots`: players that drive, and what they measure (docs/slipgate.1).
 *
 * One thread, one epoll loop, libslipgate for each player. The phases of a run:
 *
 *   RAMP     players log in at the pace asked for, form rooms, start their games, and send
 *   WARM     everybody is in; until all have heard all others of their room
 *   MEASURE  what is sent from here on counts
 *   SETTLE   nobody sends any more; what is still under way arrives
 *   END      everybody says goodbye
 *
 * Every update carries a sequence number and the time it was sent, so that a received one says what
 * it is, how old it is, and (sampled) can be made again and compared byte by byte. */
#ifndef SLIPGATE_BIN_CMD_BOTS_H
#define SLIPGATE_BIN_CMD_BOTS_H

#include "bin/cmd_bots_expect.h"
#include "bin/cmd_bots_feel.h"
#include "bin/command.h"

#include <slipgate/slipgate.h>

#define BOTS_PLAYERS_MAX   20000u
#define BOTS_ROOM_SIZE_MAX 1000u
#define BOTS_HOST_MAX      255u

struct bots_options {
    char host[BOTS_HOST_MAX + 1];
    uint16_t port;
    uint32_t players, room_size;
    double rate_hz, ramp_per_s; /* ramp 0: all at once */
    uint32_t duration_s;        /* 0: until interrupted */
    const char *names, *password;
    enum slipgate_udp_policy udp;
    enum slipgate_verify verify;
    const char *ca_file, *pin;
    bool no_room, json, progress;

    const char *link_name; /* as given; NULL: none */
    bool link_known;       /* one of the library's, no file */
    char link[SLIPGATE_LINK_TEXT_MAX + 1];
    uint32_t link_ms; /* the longest a datagram may be held in one direction */
    uint64_t seed;
    double limit;      /* units a second, as bots_drive; 0: none */
    double cheat_pace; /* of one player of each room; 0: none */
    double cheat_jump; /* likewise */
    struct bots_gate gates[BOTS_GATES_MAX];
    size_t gates_n;
};

/* Reads the command line. 0, or the exit code to end with (the error is on standard error). */
MUST_USE int bots_options_read(const struct cmdline *, struct bots_options *ret);

struct bots_totals {
    /* In the measured time. Expected: what the links took is not; link_lost counts that. */
    uint64_t sent, expected, delivered, link_lost;
    uint64_t duplicates, foreign, corrupt, compared, unsent; /* of it */
    uint64_t bytes_in, bytes_out;                            /* datagrams' */
    uint64_t link_up, link_up_lost, link_up_doubled;         /* datagrams' */
    uint64_t link_down, link_down_lost, link_down_doubled;
    uint64_t datagrams_out;                             /* since the start of the run */
    uint32_t in, failed, disconnects, errors, still_in; /* players; errors: messages */
    double login_s, measured_s, cpu_s;                  /* cpu_s: ours, in the measured time */
    uint64_t login_p50_us, login_max_us;
    uint32_t cheats, told, caught;   /* of the cheats: the server had a word with, threw out */
    double told_max_s, caught_max_s; /* after the first cheating */
    bool interrupted;
};

struct bots_run;

/* E_NOMEM, E_IO, E_CONFIG; the error is on standard error. */
MUST_USE int bots_run_create(struct bots_run **ret, const struct bots_options *);
void bots_run_destroy(struct bots_run *);
/* Runs to the end, or to the first interrupt. 0 or E_IO. */
MUST_USE int bots_run_play(struct bots_run *);

/* What it found; the pointers are the run's. */
struct bots_results {
    const struct bots_options *o;
    const struct bots_totals *t;
    const struct bots_hist *latency; /* relay latency of the measured time, microseconds */
    const struct feel *feel;
    const char *udp_mode; /* "" when nobody got in */
    const char *error;    /* the first one, "" when there was none */
    struct bots_figures figures;
};

void bots_run_results(const struct bots_run *, struct bots_results *ret);

/* One line on standard error about the last second; the closing table on standard output. */
void bots_report_progress(const char *phase, const struct bots_options *,
                          const struct bots_totals *now, const struct bots_totals *before,
                          const struct bots_hist *second);
void bots_report_table(const struct bots_results *);
void bots_report_json(const struct bots_results *);

#endif
