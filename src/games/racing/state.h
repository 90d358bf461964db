/* The service's state: sessions, rooms and the maps that find them. Internal to the folder.
 *
 * Who is related to whom: a session may be in one room; the room lists its members in join order,
 * the first of whom is its host unless an older one left. Both directions are kept by rooms.c
 * alone. A session that was ended (ending) is in no room and no map; only its link and slot remain
 * until the host's on_close. */
#ifndef SLIPGATE_GAMES_RACING_STATE_H
#define SLIPGATE_GAMES_RACING_STATE_H

#include "base/arena.h"
#include "base/hmap.h"
#include "base/list.h"
#include "base/slots.h"
#include "base/timerq.h"
#include "core/host.h"
#include "core/limit.h"
#include "core/login.h"
#include "core/motion.h"
#include "core/spam.h"
#include "games/racing/tables.h"
#include "wire/gzip.h"

#define ID_LEN 32u /* session and room ids: a random UUID (RFC 9562 version 4) in compact form */

enum plaintext { PLAINTEXT_OFF, PLAINTEXT_UNTIL_ENCRYPTED, PLAINTEXT_ON };
enum single_login { SINGLE_REPLACE, SINGLE_REFUSE, SINGLE_ALLOW };

struct settings { /* a copy of what the configuration says */
    nsec idle;
    uint32_t room_size, max_rooms, rooms_per_addr, registrations_per_hour, name_max, password_min,
        line_max, relay_max;
    bool room_events, start_reply, fold_names, relay_room_only, require_aead, any_address;
    enum single_login single_login;
    enum plaintext plaintext;
    struct rate commands, datagrams, strangers;
    uint32_t datagrams_per_s, strangers_per_s;
    struct motion_policy motion;
    struct spam_policy spam, invalid;
    size_t secret_n;
    uint8_t secret[256];
};

struct room {
    struct ref self;
    char id[ID_LEN + 1];
    uint8_t name_n;
    char name[RACING_NAME_MAX + 1];
    bool active;
    struct ref host; /* a member */
    struct list members;
    uint32_t members_n;
    struct addr maker; /* who made it */
    bool counted;      /* in room_makers */
    nsec started_at;   /* when its players were put on the grid last; 0: never */
};

enum waiting { WAIT_NOTHING, WAIT_NAME, WAIT_AUTHENTICATE, WAIT_COMMAND };

struct offer { /* what a client can do, from its NAME or AUTHENTICATE */
    bool gcm, cbc_hmac, pack;
};

struct host_group;

struct snoop { /* who has copies of what a session says and is told; id empty: nobody */
    char id[ID_LEN + 1];
    int64_t account;
    uint8_t level; /* he had then */
};

struct session {
    struct ref self;
    struct link_ref link;
    struct addr peer;
    char id[ID_LEN + 1];
    bool ending;
    struct list doomed; /* link of racing.doomed */
    enum close_why doom;

    bool named, authenticated;
    uint8_t name_n;
    char name[RACING_NAME_MAX + 1];
    int64_t account; /* while authenticated, as the three below */
    uint8_t level;   /* enum account_level */
    bool muted;
    bool silenced; /* by staff, for this session; muted is the account's */
    struct snoop snoop;
    bool resumable;           /* it was given a resume token */
    struct list same_account; /* ring of the sessions signed in as it, without a head */

    struct ref room;
    struct list in_room; /* link of room.members */

    nsec active_at;
    struct list by_activity; /* link of racing.by_activity, oldest first */

    enum waiting waiting; /* lines wait for this login */
    struct login_ref login;
    struct offer offer;
    bool in_batch;                /* the line at the front is a BATCH that was begun */
    uint32_t batch_from, batch_n; /* where in that line its elements are, an array */
    uint32_t batch_at;            /* how far into the array they were handled */
    struct bucket commands;
    struct bucket logged; /* commands of it that reach the log */
    size_t said;          /* bytes queued for it since its lines were looked at */
    struct timer resume;  /* set while lines wait for the command rate */

    bool sealed_seen; /* a sealed datagram was accepted: plaintext is over */
    bool has_path;
    struct path path;      /* where its datagrams come from and go to */
    struct addr udp_host;  /* the one address besides peer that may send; family 0: none heard */
    struct opener *opener; /* document's cipher or AEAD; NULL before login */
    bool aead, pack;       /* pack: its datagrams are split at LF */
    uint8_t conn_id[SEAL_CONN_ID];
    struct seal_ref seal;
    struct bucket datagrams;
    struct host_group *group; /* sessions of the same address */
    struct list in_group;     /* those without endpoint first */
    float position[3], rotation[4];
    struct motion motion;
    struct spam spam, invalid; /* its datagrams; those that were none */
};

struct host_group { /* sessions by the address of their TCP peer, for finding unknown senders */
    struct ref self;
    uint8_t ip[16];
    struct list sessions;
    uint32_t n;
};

struct racing {
    struct host *host;
    struct now now; /* of the call at hand */
    struct settings set;
    struct slots sessions, rooms, groups;
    struct ref *by_link; /* session of a link, by slot of the link */
    uint32_t by_link_n;
    struct hmap by_id, by_endpoint, by_conn, by_ip; /* of sessions; by_ip: of groups */
    struct hmap by_account;                         /* one of the sessions signed in as it */
    struct hmap room_by_id;                         /* in order of creation */
    struct list by_activity, doomed;
    struct timerq resumes;
    struct logins *logins;
    struct addr_count room_makers;
    struct addr_limit strangers, strangers_told;    /* told: whose flood was audited lately */
    struct exempt exempt;                           /* from strangers and the login delay */
    struct bucket group_trials, scan_trials, scans; /* work spent on finding unknown senders */
    struct bucket inflations;                       /* and on what they packed */
    struct gzip *gzip;
    struct buf out;     /* one reply while it is written */
    struct arena batch; /* plaintexts of a batch of datagrams, until they are flushed */
    bool relayed;       /* the datagram at hand was queued for somebody */
    bool opened;        /* it opened under the keys of the session it names */
    struct seal_ref plain_seal;
    bool draining;
    bool shut; /* by staff: nobody signs in */
    nsec drain_deadline;
    nsec next_sweep;
};

static inline struct session *session_get(const struct racing *g, struct ref r)
{
    return slots_get(&g->sessions, r);
}

static inline struct room *room_get(const struct racing *g, struct ref r)
{
    return slots_get(&g->rooms, r);
}

static inline struct span session_name(const struct session *s)
{
    return span_of(s->name, s->name_n);
}

/* Packs a handle into a map's value and back. */
static inline uint64_t ref_pack(struct ref r)
{
    return (uint64_t)r.gen << 32 | r.slot;
}

static inline struct ref ref_unpack(uint64_t v)
{
    return (struct ref){(uint32_t)v, (uint32_t)(v >> 32)};
}

void settings_load(struct settings *, const struct config *);
/* A fresh id, 32 characters and a NUL. */
void id_make(struct host *, char id[ID_LEN + 1]);

#endif
