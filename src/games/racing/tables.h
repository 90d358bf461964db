/* The service's rows: configuration, metrics, log records. */
#ifndef SLIPGATE_GAMES_RACING_TABLES_H
#define SLIPGATE_GAMES_RACING_TABLES_H

#include "base/log.h"
#include "base/metric.h"
#include "core/config.h"

#define RACING_NAME_MAX \
    64u /* bytes of a player's or room's name; racing.name_max_bytes may lower it */
/* Unsent bytes of one link. A list of 1,000 rooms, 257 KB at worst, must fit on top of what the
 * edge lets wait before it holds lines back (a quarter) and of one turn's replies (an eighth). */
#define RACING_OUT_MAX  524288u
#define RACING_ROOM_MAX 64u /* ceiling of racing.room_size */

#define RACING_RULES   4u /* of fair play */
#define RACING_ACTIONS 3u

enum racing_metric {
    M_COMMANDS,
    M_COMMANDS_REFUSED,
    M_LOGINS_OK,
    M_LOGINS_CREATED,
    M_LOGINS_WRONG,
    M_LOGINS_REFUSED,
    M_LOGINS_BUSY,
    M_ENDED_PEER,
    M_ENDED_BYE,
    M_ENDED_IDLE,
    M_ENDED_PROTOCOL,
    M_ENDED_SLOW,
    M_ENDED_KICK,
    M_ENDED_DRAIN,
    M_ENDED_ERROR,
    M_ROOMS_CREATED,
    M_RACES_STARTED,
    M_RELAYED_MESSAGES,
    M_DGRAM_ACCEPTED,
    M_DGRAM_MALFORMED,
    M_DGRAM_UNKNOWN,
    M_DGRAM_FORGED,
    M_DGRAM_REPLAYED,
    M_DGRAM_MOVED,
    M_DGRAM_PLAIN,
    M_DGRAM_RATE,
    M_DGRAM_ROOM,
    M_DELIVERIES,
    M_TRIALS,
    M_OFFENCES, /* a row for each rule and action, see cheat.c */
    M_UPDATES_DROPPED = M_OFFENCES + RACING_RULES * RACING_ACTIONS,
    M_ROWS,
};

extern const struct metric_row racing_metrics[M_ROWS];
#define RACING_CONFIG_ROWS 39u
extern const struct config_row racing_config[RACING_CONFIG_ROWS];
extern const struct limit_table racing_limits; /* core/limits.h */

extern const struct log_row log_session_open, log_session_end, log_command, log_login,
    log_login_failed, log_room_created, log_room_removed, log_race, log_moved, log_datagram,
    log_default_secret;

#endif
