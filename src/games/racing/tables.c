#include "games/racing/tables.h"

#include "core/motion.h"

#define DGRAMS "slipgate_racing_datagrams_total"
#define ENDED  "slipgate_racing_sessions_ended_total"
#define LOGINS "slipgate_racing_logins_total"

/* A row of each action for rule i, in the order of enum rule_action; help for the first one only.
 */
#define OFFENCES(i, rule, help)                                                               \
    [M_OFFENCES + RACING_ACTIONS *                                                            \
                      (i)] = {"slipgate_racing_offences_total",                               \
                              "rule=\"" rule "\",action=\"observed\"", METRIC_COUNTER, help}, \
                      [M_OFFENCES + RACING_ACTIONS * (i) +                                    \
                          1] = {"slipgate_racing_offences_total",                             \
                                "rule=\"" rule "\",action=\"told\"", METRIC_COUNTER, NULL},   \
                      [M_OFFENCES + RACING_ACTIONS * (i) +                                    \
                          2] = {"slipgate_racing_offences_total",                             \
                                "rule=\"" rule "\",action=\"disconnected\"", METRIC_COUNTER, NULL}

const struct metric_row racing_metrics[M_ROWS] = {
    [M_COMMANDS] = {"slipgate_racing_commands_total", "", METRIC_COUNTER,
                    "Lines and BATCH elements handled."},
    [M_COMMANDS_REFUSED] = {"slipgate_racing_commands_refused_total", "", METRIC_COUNTER,
                            "Lines that were no command: bad JSON, unknown, not authenticated."},
    [M_LOGINS_OK] = {LOGINS, "result=\"ok\"", METRIC_COUNTER, "Logins with a password, by result."},
    [M_LOGINS_CREATED] = {LOGINS, "result=\"registered\"", METRIC_COUNTER, NULL},
    [M_LOGINS_WRONG] = {LOGINS, "result=\"wrong\"", METRIC_COUNTER, NULL},
    [M_LOGINS_REFUSED] = {LOGINS, "result=\"refused\"", METRIC_COUNTER, NULL},
    [M_LOGINS_BUSY] = {LOGINS, "result=\"busy\"", METRIC_COUNTER, NULL},
    [M_ENDED_PEER] = {ENDED, "reason=\"peer\"", METRIC_COUNTER, "Sessions that ended, by reason."},
    [M_ENDED_BYE] = {ENDED, "reason=\"bye\"", METRIC_COUNTER, NULL},
    [M_ENDED_IDLE] = {ENDED, "reason=\"idle\"", METRIC_COUNTER, NULL},
    [M_ENDED_PROTOCOL] = {ENDED, "reason=\"protocol\"", METRIC_COUNTER, NULL},
    [M_ENDED_SLOW] = {ENDED, "reason=\"slow\"", METRIC_COUNTER, NULL},
    [M_ENDED_KICK] = {ENDED, "reason=\"kick\"", METRIC_COUNTER, NULL},
    [M_ENDED_DRAIN] = {ENDED, "reason=\"drain\"", METRIC_COUNTER, NULL},
    [M_ENDED_ERROR] = {ENDED, "reason=\"error\"", METRIC_COUNTER, NULL},
    [M_ROOMS_CREATED] = {"slipgate_racing_rooms_created_total", "", METRIC_COUNTER,
                         "Rooms created."},
    [M_RACES_STARTED] = {"slipgate_racing_races_started_total", "", METRIC_COUNTER,
                         "START_GAME accepted."},
    [M_RELAYED_MESSAGES] = {"slipgate_racing_relayed_messages_total", "", METRIC_COUNTER,
                            "RELAY_MESSAGE delivered to its target."},
    [M_DGRAM_ACCEPTED] = {DGRAMS, "result=\"accepted\"", METRIC_COUNTER,
                          "Datagrams received, by what became of them."},
    [M_DGRAM_MALFORMED] = {DGRAMS, "result=\"malformed\"", METRIC_COUNTER, NULL},
    [M_DGRAM_UNKNOWN] = {DGRAMS, "result=\"unknown_sender\"", METRIC_COUNTER, NULL},
    [M_DGRAM_FORGED] = {DGRAMS, "result=\"forged\"", METRIC_COUNTER, NULL},
    [M_DGRAM_REPLAYED] = {DGRAMS, "result=\"replayed\"", METRIC_COUNTER, NULL},
    [M_DGRAM_MOVED] = {DGRAMS, "result=\"wrong_address\"", METRIC_COUNTER, NULL},
    [M_DGRAM_PLAIN] = {DGRAMS, "result=\"plaintext_refused\"", METRIC_COUNTER, NULL},
    [M_DGRAM_RATE] = {DGRAMS, "result=\"rate_limited\"", METRIC_COUNTER, NULL},
    [M_DGRAM_ROOM] = {DGRAMS, "result=\"wrong_room\"", METRIC_COUNTER, NULL},
    [M_DELIVERIES] = {"slipgate_racing_deliveries_total", "", METRIC_COUNTER,
                      "Copies of datagrams queued for other members of a room."},
    [M_TRIALS] =
        {"slipgate_racing_trial_decryptions_total", "", METRIC_COUNTER,
         "First blocks decrypted to find the sender of a datagram from an unknown endpoint."},
    OFFENCES(0, "speed", "Offences against the rules of fair play, by rule and what was done."),
    OFFENCES(1, "teleport", NULL),
    OFFENCES(2, "packet_spam", NULL),
    OFFENCES(3, "invalid_datagrams", NULL),
    [M_UPDATES_DROPPED] = {"slipgate_racing_updates_dropped_total", "", METRIC_COUNTER,
                           "Accepted updates that were not passed on, for where they said to be."},
};

const struct config_row racing_config[RACING_CONFIG_ROWS] = {
    {"racing.port", CONFIG_INT, "443", 0, 65535, NULL, CONFIG_RESTART,
     "Port of TLS over TCP and of UDP; 0 turns the service off."},
    {"racing.bind", CONFIG_ADDR, "0.0.0.0", 1, 0, NULL, CONFIG_RESTART,
     "Address to listen on; :: serves IPv6 and IPv4."},
    {"racing.extra_port", CONFIG_INT, "0", 0, 65535, NULL, CONFIG_RESTART,
     "A second pair of ports, TCP and UDP; 0 for none."},
    {"racing.idle_timeout_s", CONFIG_INT, "60", 1, 86400, NULL, CONFIG_LIVE,
     "Seconds without a line or an accepted datagram after which a session ends."},
    {"racing.room_size", CONFIG_INT, "20", 1, RACING_ROOM_MAX, NULL, CONFIG_LIVE,
     "Players a room holds; spawn positions beyond the twentieth repeat."},
    {"racing.max_rooms", CONFIG_INT, "1000", 1, 1000, NULL, CONFIG_LIVE, "Rooms at once."},
    {"racing.rooms_per_address", CONFIG_INT, "64", 0, 1000, NULL, CONFIG_LIVE,
     "Rooms at once that were made from one address (limits.exempt aside); 0 for no limit."},
    {"racing.registrations_per_hour", CONFIG_INT, "0", 0, 100000, NULL, CONFIG_LIVE,
     "Accounts registered from one address in an hour (limits.exempt aside); 0 for no limit."},
    {"racing.room_events", CONFIG_BOOL, "false", 0, 0, NULL, CONFIG_LIVE,
     "Send PLAYER_JOINED and PLAYER_LEFT to the other members of a room."},
    {"racing.start_reply", CONFIG_BOOL, "true", 0, 0, NULL, CONFIG_LIVE,
     "Send the host a second GAME_STARTED without hostId, as the protocol's reply."},
    {"racing.single_login", CONFIG_ENUM, "replace", 0, 0, "replace|refuse|allow", CONFIG_LIVE,
     "What a second login of one player does: end the first, be refused, or both go on."},
    {"racing.name_case", CONFIG_ENUM, "exact", 0, 0, "exact|fold", CONFIG_LIVE,
     "Whether player names that differ only in ASCII letter case are the same."},
    {"racing.name_max_bytes", CONFIG_INT, "64", 1, RACING_NAME_MAX, NULL, CONFIG_LIVE,
     "Longest name of a player or room in bytes of UTF-8."},
    {"racing.password_min_length", CONFIG_INT, "1", 1, 72, NULL, CONFIG_LIVE,
     "Shortest password in bytes that may be registered."},
    {"racing.line_max_bytes", CONFIG_INT, "65536", 1024, 1048576, NULL, CONFIG_LIVE,
     "Longest line in bytes; a longer one ends the session."},
    {"racing.relay_max_bytes", CONFIG_INT, "4096", 1, 32768, NULL, CONFIG_LIVE,
     "Longest RELAY_MESSAGE text in bytes."},
    {"racing.relay_scope", CONFIG_ENUM, "server", 0, 0, "server|room", CONFIG_LIVE,
     "Whom RELAY_MESSAGE reaches: everybody, or members of the sender's room."},
    {"racing.commands_per_s", CONFIG_INT, "50", 0, 100000, NULL, CONFIG_LIVE,
     "Lines of one session handled per second; more are read later. 0 for no limit."},
    {"racing.commands_burst", CONFIG_INT, "100", 1, 100000, NULL, CONFIG_LIVE,
     "Lines of one session handled at once before the rate holds."},
    {"racing.links_per_address", CONFIG_INT, "64", 0, 100000, NULL, CONFIG_LIVE,
     "Connections of one address (limits.exempt aside); 0 for no limit."},
    {"racing.datagrams_per_s", CONFIG_INT, "300", 0, 1000000, NULL, CONFIG_LIVE,
     "Datagrams of one session accepted per second; 0 for no limit."},
    {"racing.datagrams_burst", CONFIG_INT, "300", 1, 1000000, NULL, CONFIG_LIVE,
     "Datagrams of one session accepted at once before the rate holds."},
    {"racing.strangers_per_s", CONFIG_INT, "100", 1, 1000000, NULL, CONFIG_LIVE,
     "Datagrams per second of one address that belong to no known endpoint and are still looked "
     "at."},
    {"racing.udp_shared_secret", CONFIG_SECRET, "RacingServerUDP2024!", 1, 256, NULL,
     CONFIG_NEW_CONNECTIONS,
     "Secret from which, with the session id, the keys of sealed datagrams are made; clients must "
     "know it."},
    {"racing.udp_plaintext", CONFIG_ENUM, "until_encrypted", 0, 0, "off|until_encrypted|on",
     CONFIG_LIVE, "Whether datagrams in the clear are accepted."},
    {"racing.udp_require_aead", CONFIG_BOOL, "false", 0, 0, NULL, CONFIG_LIVE,
     "Accept only datagrams under a negotiated authenticated cipher."},
    {"racing.udp_any_address", CONFIG_BOOL, "false", 0, 0, NULL, CONFIG_LIVE,
     "Accept sealed datagrams of a session from another address than its TCP connection's."},
    {"racing.anticheat", CONFIG_ENUM, "observe", 0, 0, "off|observe|warn|enforce", CONFIG_LIVE,
     "What an implausible movement leads to: nothing, a record in the audit, a warning too, or the "
     "update dropped and in the end the session."},
    {"racing.max_speed", CONFIG_INT, "0", 0, 1000000, NULL, CONFIG_LIVE,
     "Fastest car in units per second; 0 if not known: then only teleports are judged."},
    {"racing.anticheat_tolerance_percent", CONFIG_INT, "20", 0, 1000, NULL, CONFIG_LIVE,
     "How much faster than racing.max_speed passes."},
    {"racing.anticheat_teleport", CONFIG_INT, "200", 1, 1000000, NULL, CONFIG_LIVE,
     "Units of a step beyond what speed explains that make it a teleport; more than a car is put "
     "back by the game itself."},
    {"racing.anticheat_burst", CONFIG_INT, "3", 1, MOTION_BURST_MAX, NULL, CONFIG_LIVE,
     "Updates too fast in racing.anticheat_burst_ms that make an offence."},
    {"racing.anticheat_burst_ms", CONFIG_INT, "2000", 1, 60000, NULL, CONFIG_LIVE,
     "Milliseconds in which racing.anticheat_burst is counted."},
    {"racing.anticheat_pause_ms", CONFIG_INT, "750", 0, 60000, NULL, CONFIG_LIVE,
     "Milliseconds after an offence before the next one counts, for the player to hear of it."},
    {"racing.anticheat_ladder", CONFIG_INT, "3", 0, 100, NULL, CONFIG_LIVE,
     "Offences a player is told of before the next one ends the session, where a rule is "
     "enforced."},
    {"racing.anticheat_decay_s", CONFIG_INT, "60", 0, 86400, NULL, CONFIG_LIVE,
     "Seconds after which one offence is forgiven; 0 for never."},
    {"racing.packet_spam", CONFIG_ENUM, "observe", 0, 0, "off|observe|warn|enforce", CONFIG_LIVE,
     "What more than racing.datagrams_per_s leads to, beside being dropped."},
    {"racing.invalid_datagrams", CONFIG_ENUM, "observe", 0, 0, "off|observe|warn|enforce",
     CONFIG_LIVE, "What more than racing.invalid_datagrams_per_min leads to."},
    {"racing.invalid_datagrams_per_min", CONFIG_INT, "50", 1, 1000000, NULL, CONFIG_LIVE,
     "Datagrams of one session in a minute that may be no messages."},
};

const struct log_row
    log_session_open = {LOG_INFO, "racing.session_open", "session opened"},
    log_session_end = {LOG_INFO, "racing.session_end", "session ended"},
    log_command = {LOG_INFO, "racing.command", "command"},
    log_login = {LOG_INFO, "racing.login", "player logged in"},
    log_login_failed = {LOG_WARN, "racing.login_failed", "login refused"},
    log_room_created = {LOG_INFO, "racing.room_created", "room created"},
    log_room_removed = {LOG_INFO, "racing.room_removed", "room removed"},
    log_race = {LOG_INFO, "racing.race_started", "race started"},
    log_moved = {LOG_DEBUG, "racing.endpoint", "datagram endpoint set"},
    log_datagram = {LOG_DEBUG, "racing.datagram", "datagram accepted"},
    log_default_secret = {
        LOG_WARN, "racing.default_secret",
        "racing.udp_shared_secret is the documented default: set your own if your "
        "clients can be configured, or let them negotiate an authenticated cipher"};
