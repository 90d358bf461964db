#include "base/err.h"
#include "base/mem.h"
#include "bin/cmd_bots_player.h"
#include "bin/cmd_bots_track.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX   256
#define TICK_MS      1
#define TIMERS_SHARE 64 /* ticks in which every player's deadlines are looked at once */
#define WARM_MIN_US  UINT64_C(1000000)
#define WARM_MAX_US  UINT64_C(5000000)
#define QUIET_US     UINT64_C(500000) /* nothing arrived for so long: nothing will */
#define SETTLE_US    UINT64_C(3000000)
#define END_US       UINT64_C(2000000)
#define BEHIND_US    UINT64_C(500000)
#define SIGNAL_KEY   UINT64_MAX

/* ---- making a run ---- */

/* Every player needs two descriptors. */
static void raise_limit(uint32_t players)
{
    struct rlimit r;
    rlim_t want = 2 * (rlim_t)players + 64;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur >= want)
        return;
    r.rlim_cur = r.rlim_max < want ? r.rlim_max : want;
    (void)setrlimit(RLIMIT_NOFILE, &r);
}

static void place(struct bots_run *run)
{
    uint32_t size = run->o.room_size;
    for (uint32_t i = 0; i < run->o.players; i++) {
        struct bot *b = &run->bots[i];
        b->run = run;
        b->index = i;
        b->slot = i % size;
        b->start_ms = INT64_MAX;
        bots_track_garage(b->slot, b->garage);
        if (run->o.no_room)
            continue;
        b->cheats = (run->o.cheat_pace > 0 || run->o.cheat_jump > 0) &&
                    (b->slot + 1 == size || i + 1 == run->o.players);
        run->totals.cheats += b->cheats;
        b->room = &run->rooms[i / size];
        b->seen = &run->seen[(size_t)i * size];
        if (b->slot == 0)
            b->room->first = i;
        b->room->members++;
    }
}

static int make_tables(struct bots_run *run)
{
    uint32_t players = run->o.players, size = 64;
    while (size < 4 * players)
        size *= 2;
    run->rooms_n = (players + run->o.room_size - 1) / run->o.room_size;
    run->bots = mem_zalloc(players, sizeof *run->bots);
    run->rooms = mem_zalloc(run->rooms_n, sizeof *run->rooms);
    run->seen = mem_zalloc((size_t)players * run->o.room_size, sizeof *run->seen);
    run->by_id = mem_zalloc(size, sizeof *run->by_id);
    run->by_id_mask = size - 1;
    return run->bots && run->rooms && run->seen && run->by_id ? 0 : E_NOMEM;
}

static int watch_signals(struct bots_run *run)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = SIGNAL_KEY};
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    run->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (run->epoll_fd < 0 || sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return E_IO;
    run->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (run->signal_fd < 0 || epoll_ctl(run->epoll_fd, EPOLL_CTL_ADD, run->signal_fd, &e) != 0)
        return E_IO;
    return 0;
}

static int make_shared(struct bots_run *run)
{
    struct slipgate_config cfg;
    slipgate_config_init(&cfg);
    cfg.verify = run->o.verify;
    cfg.ca_file = run->o.ca_file;
    cfg.pin = run->o.pin;
    int rc = slipgate_shared_create(&run->shared, &cfg);
    if (rc == SLIPGATE_E_ARGUMENT)
        (void)command_wrong("--pin: give the certificate's SHA-256 or SHA-1 in hex digits");
    else if (rc == SLIPGATE_E_CERTIFICATE)
        (void)command_wrong("--ca: cannot read certificates from %s",
                            run->o.ca_file ? run->o.ca_file : "the system");
    return rc == 0 ? 0 : rc == SLIPGATE_E_MEMORY ? E_NOMEM : E_CONFIG;
}

int bots_run_create(struct bots_run **ret, const struct bots_options *o)
{
    struct bots_run *run = mem_zalloc(1, sizeof *run);
    if (!run)
        return E_NOMEM;
    run->o = *o;
    run->epoll_fd = run->signal_fd = -1;
    run->totals.login_s = 0;
    raise_limit(o->players);
    int rc = make_tables(run);
    if (rc == 0)
        rc = watch_signals(run);
    if (rc == 0)
        rc = make_shared(run);
    if (rc != 0) {
        bots_run_destroy(run);
        return rc;
    }
    place(run);
    *ret = run;
    return 0;
}

void bots_run_destroy(struct bots_run *run)
{
    if (!run)
        return;
    run->phase = BOTS_END;
    for (uint32_t i = 0; run->bots && i < run->o.players; i++)
        slipgate_destroy(run->bots[i].client);
    slipgate_shared_destroy(run->shared);
    if (run->epoll_fd >= 0)
        (void)close(run->epoll_fd);
    if (run->signal_fd >= 0)
        (void)close(run->signal_fd);
    mem_free(run->bots);
    mem_free(run->rooms);
    mem_free(run->seen);
    mem_free(run->by_id);
    mem_free(run);
}

/* ---- sums ---- */

static void sum_stats(const struct bots_run *run, struct slipgate_stats *ret)
{
    struct slipgate_stats one = {.size = sizeof one};
    *ret = (struct slipgate_stats){.size = sizeof *ret};
    for (uint32_t i = 0; i < run->o.players; i++) {
        if (!run->bots[i].client)
            continue;
        slipgate_get_stats(run->bots[i].client, &one);
        ret->datagrams_out += one.datagrams_out;
        ret->datagram_bytes_in += one.datagram_bytes_in;
        ret->datagram_bytes_out += one.datagram_bytes_out;
        /* A link's detour may be longer than a replay window. */
        ret->datagrams_bad += one.datagrams_bad + (run->o.link_name ? 0 : one.datagrams_replayed);
        ret->link_up += one.link_up;
        ret->link_up_lost += one.link_up_lost;
        ret->link_up_doubled += one.link_up_doubled;
        ret->link_down += one.link_down;
        ret->link_down_lost += one.link_down_lost;
        ret->link_down_doubled += one.link_down_doubled;
    }
}

static double cpu_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- phases ---- */

static void set_phase(struct bots_run *run, enum bots_phase phase)
{
    run->phase = phase;
    run->phase_us = run->now_us;
}

/* Every player in a room with each of its mates that is there. */
static void each_pair(struct bots_run *run, void (*f)(struct bots_run *, struct feel_mate *))
{
    for (uint32_t i = 0; i < run->o.players; i++) {
        const struct bot *b = &run->bots[i];
        if (!b->room || b->state != BOT_IN)
            continue;
        for (uint32_t slot = 0; slot < run->o.room_size; slot++) {
            uint32_t other = b->room->first + slot;
            if (other != i && other < run->o.players && run->bots[other].state == BOT_IN)
                f(run, &b->seen[slot].feel);
        }
    }
}

static void pair_begins(struct bots_run *run, struct feel_mate *m)
{
    feel_begin(&run->feel, m);
}

static void pair_ends(struct bots_run *run, struct feel_mate *m)
{
    feel_end(&run->feel, m, run->now_us);
}

static void begin_measure(struct bots_run *run)
{
    set_phase(run, BOTS_MEASURE);
    run->measure_us = run->feel.from_us = run->now_us;
    for (uint32_t i = 0; i < run->o.players; i++) {
        run->bots[i].seq_from = run->bots[i].seq + 1;
        run->bots[i].seq_to = UINT32_MAX;
    }
    each_pair(run, pair_begins);
    sum_stats(run, &run->base);
    run->cpu_base_s = cpu_s();
    bots_hist_clear(&run->second);
}

static void begin_settle(struct bots_run *run)
{
    if (run->phase == BOTS_MEASURE) {
        run->totals.measured_s = (double)(run->now_us - run->measure_us) / 1e6;
        run->totals.cpu_s = cpu_s() - run->cpu_base_s;
        each_pair(run, pair_ends);
    }
    set_phase(run, BOTS_SETTLE);
    run->last_delivery_us = run->now_us;
    for (uint32_t i = 0; i < run->o.players; i++) {
        struct bot *b = &run->bots[i];
        if (b->seq_to)
            b->seq_to = b->seq + 1;
        if (b->state != BOT_IN)
            continue;
        /* Everybody has to be where it was. */
        if (slipgate_list_players(b->client) != 0)
            run->checked++;
    }
}

static void begin_end(struct bots_run *run)
{
    struct slipgate_stats now;
    sum_stats(run, &now);
    run->totals.datagrams_out = now.datagrams_out;
    if (run->measure_us) {
        run->totals.bytes_in = now.datagram_bytes_in - run->base.datagram_bytes_in;
        run->totals.bytes_out = now.datagram_bytes_out - run->base.datagram_bytes_out;
        run->totals.corrupt += now.datagrams_bad - run->base.datagrams_bad;
        run->totals.link_up = now.link_up - run->base.link_up;
        run->totals.link_up_lost = now.link_up_lost - run->base.link_up_lost;
        run->totals.link_up_doubled = now.link_up_doubled - run->base.link_up_doubled;
        run->totals.link_down = now.link_down - run->base.link_down;
        run->totals.link_down_lost = now.link_down_lost - run->base.link_down_lost;
        run->totals.link_down_doubled = now.link_down_doubled - run->base.link_down_doubled;
    }
    run->totals.login_p50_us = bots_hist_quantile(&run->login, 0.5);
    run->totals.login_max_us = run->login.max;
    set_phase(run, BOTS_END);
    for (uint32_t i = 0; i < run->o.players; i++)
        if (run->bots[i].client)
            (void)slipgate_bye(run->bots[i].client);
}

/* Logs in those whose turn has come. */
static void ramp(struct bots_run *run)
{
    double elapsed_s = (double)(run->now_us - run->began_us) / 1e6;
    double due = run->o.ramp_per_s > 0 ? 1 + elapsed_s * run->o.ramp_per_s : run->o.players;
    while (run->started < run->o.players && run->started < due)
        bot_start(&run->bots[run->started++]);
    if (run->started < run->o.players ||
        run->totals.in + run->totals.failed + run->totals.disconnects < run->o.players)
        return;
    run->all_in_us = run->now_us;
    set_phase(run, BOTS_WARM);
    for (uint32_t i = 0; i < run->rooms_n && !run->o.no_room; i++)
        run->heard_want +=
            (uint64_t)run->rooms[i].in * (run->rooms[i].in ? run->rooms[i].in - 1 : 0);
}

static void advance(struct bots_run *run)
{
    uint64_t age_us = run->now_us - run->phase_us;
    uint64_t link_us = run->o.link_ms * UINT64_C(2000); /* there and back */
    switch (run->phase) {
    case BOTS_RAMP:
        ramp(run);
        if (run->stop)
            begin_settle(run);
        break;
    case BOTS_WARM:
        if (run->stop || run->totals.in == 0)
            begin_settle(run);
        else if ((age_us >= WARM_MIN_US && run->heard >= run->heard_want) ||
                 age_us >= WARM_MAX_US + 4 * link_us)
            begin_measure(run);
        break;
    case BOTS_MEASURE:
        if (run->stop || run->totals.in == 0 ||
            (run->o.duration_s && age_us >= run->o.duration_s * UINT64_C(1000000)))
            begin_settle(run);
        break;
    case BOTS_SETTLE: {
        bool quiet = run->totals.delivered >= run->totals.expected ||
                     run->now_us >= run->last_delivery_us + QUIET_US + link_us;
        if ((quiet && run->checked >= run->totals.in) || age_us >= SETTLE_US + 2 * link_us)
            begin_end(run);
        break;
    }
    case BOTS_END: break;
    }
}

static bool finished(const struct bots_run *run)
{
    if (run->phase != BOTS_END)
        return false;
    if (run->now_us - run->phase_us >= END_US + run->o.link_ms * UINT64_C(4000))
        return true;
    for (uint32_t i = 0; i < run->o.players; i++)
        if (run->bots[i].client && slipgate_get_state(run->bots[i].client) != SLIPGATE_OFFLINE)
            return false;
    return true;
}

/* ---- one tick ---- */

/* Sends are spread evenly: number k is due at k / (players * rate), by player k modulo players. */
static void send_due(struct bots_run *run)
{
    double every_us = 1e6 / (run->o.rate_hz * run->o.players);
    if (run->phase == BOTS_SETTLE || run->phase == BOTS_END)
        return;
    for (;;) {
        uint64_t due_us = run->sends_us + (uint64_t)((double)run->sends * every_us);
        if (due_us > run->now_us)
            return;
        if (run->now_us - due_us > BEHIND_US) { /* the machine slept: do not make up for it */
            run->sends_us = run->now_us;
            run->sends -= run->sends / run->o.players * run->o.players;
            run->sends_us -= (uint64_t)((double)run->sends * every_us);
        }
        bot_send(&run->bots[run->sends % run->o.players]);
        run->sends++;
    }
}

static void timers(struct bots_run *run, uint32_t *cursor)
{
    /* What a link holds is due to the millisecond. */
    uint32_t share = run->o.link_name ? run->o.players : run->o.players / TIMERS_SHARE + 1;
    for (uint32_t n = 0; n < share; n++) {
        struct bot *b = &run->bots[(*cursor)++ % run->o.players];
        if (b->state == BOT_PAUSED && run->now_us >= b->retry_us)
            bot_retry(b);
        if (b->client && run->now_us >= slipgate_deadline_us(b->client)) {
            run->batch_us = 0;
            (void)slipgate_poll(b->client, run->now_us);
        }
    }
}

static void on_signal(struct bots_run *run)
{
    struct signalfd_siginfo info;
    while (read(run->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (run->stop) /* asked twice: no goodbyes */
            set_phase(run, BOTS_END), run->phase_us = 0;
        run->stop = run->totals.interrupted = true;
    }
}

static void on_event(struct bots_run *run, const struct epoll_event *e)
{
    if (e->data.u64 == SIGNAL_KEY) {
        on_signal(run);
        return;
    }
    struct bot *b = &run->bots[e->data.u64 >> 32];
    unsigned events = 0;
    if (e->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        events |= SLIPGATE_IO_IN;
    if (e->events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        events |= SLIPGATE_IO_OUT;
    run->batch_us = 0;
    (void)slipgate_handle(b->client, (int)(uint32_t)e->data.u64, events, slipgate_clock_us());
}

static void progress(struct bots_run *run, uint64_t *next_us)
{
    static const char *const names[] = {"logging in", "warming up", "measuring", "settling",
                                        "leaving"};
    if (run->now_us < *next_us)
        return;
    *next_us = run->now_us + 1000000;
    if (run->o.progress)
        bots_report_progress(names[run->phase], &run->o, &run->totals, &run->second_totals,
                             &run->second);
    run->second_totals = run->totals;
    bots_hist_clear(&run->second);
}

int bots_run_play(struct bots_run *run)
{
    struct epoll_event events[EVENTS_MAX];
    struct timespec wall;
    uint32_t cursor = 0;
    uint64_t progress_us;
    run->now_us = run->began_us = run->sends_us = slipgate_clock_us();
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    run->wall_ms_offset =
        (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000 - (int64_t)(run->now_us / 1000);
    progress_us = run->now_us + 1000000;
    while (!finished(run)) {
        int n = epoll_wait(run->epoll_fd, events, EVENTS_MAX, TICK_MS);
        if (n < 0 && errno != EINTR)
            return E_IO;
        for (int i = 0; i < n; i++)
            on_event(run, &events[i]);
        run->now_us = slipgate_clock_us();
        send_due(run);
        timers(run, &cursor);
        advance(run);
        progress(run, &progress_us);
    }
    return 0;
}
