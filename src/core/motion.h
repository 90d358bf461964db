/* Plausibility of the positions a client reports about itself: too fast, or somewhere else at once.
 *
 * Networks delay, bunch, lose, reorder and repeat reports, which makes an honest player look fast
 * between two of them. So no speed of a single step is judged. The excess of a player is the
 * distance reported minus the distance allowed (max_speed * tolerance * time), summed up, never
 * below zero: who keeps to the limit has none, jitter makes a little that goes away by itself, and
 * who is too fast gathers it for as long as it lasts. Beyond slack_ms worth of the allowed speed
 * each report is a violation, and burst_n of them within burst_ms are an offence. One step whose
 * own excess is beyond the teleport distance is an offence by itself. Losses hide a smaller
 * teleport: n units pass as driving when nothing is heard for (n - teleport) / (max_speed *
 * tolerance) seconds.
 * - Silence (a stall, a burst of losses) leaves what was not travelled meanwhile as a credit for
 *   the reports that come late in a bunch; it is limited and expires (MOTION_STALL_*).
 * - A report from where the player was a moment ago (overtaken, or repeated) takes time, no
 * distance.
 *
 * Each offence is answered by an action (core/ladder.h). In RULE_ENFORCE the first `ladder` of them
 * are corrections and the next one is a disconnect; one is forgiven each decay_s.
 * After an offence excess starts from zero and speed is not judged for pause_ms, so that a warning
 * can reach the player before the next action. What follows is measured from the reported position,
 * even if the caller dropped it: who goes on from there commits no second offence.
 *
 * Nothing is allocated; a struct motion (1.5 KiB) is embedded in a session. One thread. Any
 * input is safe: a position that is not finite is ignored, time that runs backwards stands still,
 * and a policy without a positive finite speed judges nothing, unless any_speed says at which speed
 * a step begins to be a teleport: then teleports alone are judged. Distances are in the game's
 * units.
 */
#ifndef SLIPGATE_CORE_MOTION_H
#define SLIPGATE_CORE_MOTION_H

#include "core/ladder.h"

#define MOTION_TRAIL_MAX 64u  /* positions kept as evidence */
#define MOTION_TRAIL_MS  125u /* between two of them: eight seconds in all */
#define MOTION_BURST_MAX 16u  /* the largest burst_n; more is taken as this */
#define MOTION_RECENT    8u   /* reports among which one may be late */
#define MOTION_RECENT_MS 1000u

#define MOTION_STALL_MS     300u  /* silence from which on a credit is given */
#define MOTION_STALL_MAX_MS 2000u /* the largest credit, in time at the allowed speed */
#define MOTION_STALL_HOLD   3u    /* it lasts this many times the silence, and at least a second */

struct motion_policy {
    enum rule_mode mode;
    double max_speed;  /* units a second; 0: speed is not judged, see any_speed */
    double any_speed;  /* units a second: where speed is not judged, what is no teleport yet */
    double tolerance;  /* 1.2: a fifth faster passes for ever; less than 1 is 1 */
    double teleport;   /* excess of one step, units */
    uint32_t slack_ms; /* of the allowed speed: excess that jitter may make */
    uint32_t grace_ms; /* not judged after motion_moved; how long a higher speed outlives itself */
    uint32_t burst_n, burst_ms;
    uint32_t pause_ms;
    uint32_t ladder;  /* actions before the disconnect; 0: at once */
    uint32_t decay_s; /* 0: nothing is forgiven */
};

/* Everything but the speed at its default, mode RULE_OBSERVE; any_speed is 0: without a speed
 * nothing is judged. */
struct motion_policy motion_policy_default(double max_speed);

enum motion_verdict {
    MOTION_FINE,
    MOTION_VIOLATION,      /* nothing to be done but `drop`; an offence that is only observed too */
    MOTION_ACT_WARN,       /* tell the player */
    MOTION_ACT_CORRECT,    /* drop, tell, and put back where the game can */
    MOTION_ACT_DISCONNECT, /* drop, say why, end the session */
};

/* Valid when the verdict is not MOTION_FINE. A violation by speed is measured since the excess
 * began, a teleport over its one step. */
struct motion_facts {
    bool teleport; /* else speed */
    bool offence;  /* an action is due or was only observed: worth a record and its evidence */
    bool exempt;
    bool drop;       /* the report is not to be used or passed on */
    uint32_t action; /* where on the ladder, from 1; 0: not on it */
    double distance;
    nsec elapsed;
    double speed, allowed; /* units a second; elapsed below 1 ms counts as 1 ms */
};

struct motion_point {
    float pos[3];
    uint32_t age_ms; /* before the time asked at */
};

/* Private, but for embedding. */
struct motion {
    bool started, exempt;
    uint8_t trail_n, trail_at, recent_n, burst_n;
    struct ladder ladder;
    nsec pause_until, grace_until;
    double speed, speed_was; /* 0: the policy's */
    nsec speed_until;        /* speed_was */

    float last[3];
    nsec last_at;
    double excess, floor; /* floor: how much credit there was, 0 or negative */
    nsec floor_until;
    double run_distance; /* since excess began */
    nsec run_at;

    struct {
        float pos[3];
        nsec at;
    } recent[MOTION_RECENT];      /* newest first */
    nsec burst[MOTION_BURST_MAX]; /* violations, oldest first */
    nsec trail_due, trail_last;
    struct {
        float pos[3];
        uint32_t at_ms; /* low bits */
    } trail[MOTION_TRAIL_MAX];
};

/* exempt: staff, whose offences are observed. */
void motion_init(struct motion *, bool exempt);
void motion_set_exempt(struct motion *, bool exempt);
/* The player's own limit from now on instead of the policy's; 0: the policy's again. When it
 * becomes lower, the old one holds for grace_ms more. */
void motion_set_speed(struct motion *, const struct motion_policy *, nsec now, double max_speed);
/* The game puts the player elsewhere, a correction included: what comes within grace_ms is not
 * judged, because some of it was sent before the player heard, and neither is the first report
 * after that silence, however long a player's machine takes to get there. */
void motion_moved(struct motion *, const struct motion_policy *, nsec now);
/* One report, in the order of arrival. facts is always written. */
enum motion_verdict motion_report(struct motion *, const struct motion_policy *, nsec now,
                                  const float pos[3], struct motion_facts *facts);
/* Copies the positions kept, oldest first, the newest max of them; returns how many. An offence's
 * own report and the one before it are always among them when it happens. */
unsigned motion_trail(const struct motion *, nsec now, struct motion_point *ret, unsigned max);

#endif
