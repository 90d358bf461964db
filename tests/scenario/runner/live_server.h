/* One real server as a process: its folder, its ports, its log, its metrics. Every wait has a
 * deadline. */
#ifndef SLIPGATE_SCENARIO_LIVE_SERVER_H
#define SLIPGATE_SCENARIO_LIVE_SERVER_H

#include "back.h"

#include <sys/types.h>

struct live_server {
    struct live_cfg cfg;
    char folder[128];
    pid_t pid; /* 0: not running */
    uint16_t port, admin_port;
    bool ipv6;
    unsigned starts;
    struct buf log;  /* of all its starts, as far as it was read */
    size_t log_read; /* of the present file */
};

/* Prepares the accounts, then starts. false: why. */
bool live_server_start(struct live_server *, const struct setup *, struct buf *why);
#define LIVE_URL_MAX 512
/* With the number of the script in place of "{}". false: too long. */
bool live_url(const struct live_cfg *, const char *pattern, char to[LIVE_URL_MAX]);

/* Starts it again on the same data. */
bool live_server_again(struct live_server *, const struct setup *, struct buf *why);
/* SIGTERM, and what every server must show at its end. */
bool live_server_stop(struct live_server *, struct buf *why);
void live_server_kill(struct live_server *);
/* Stops what still runs and removes the folder. */
void live_server_fini(struct live_server *);

/* New settings into its file and SIGHUP; waits for the outcome. */
bool live_server_configure(struct live_server *, const struct setup *, struct buf *why);
bool live_server_drain(struct live_server *, struct buf *why);
/* The status of a request, or -1; the body in to (may be NULL). */
int live_server_get(const struct live_server *, const char *path, struct buf *to);
struct span live_server_log(struct live_server *);
/* Real time. */
nsec live_clock(void);
void live_pause_ms(unsigned ms);

#endif
