/* What racing's oracle believes: sessions, rooms, logins, keys. Internal to the oracle.
 *
 * How it follows the service: lines of one link are handled strictly in order, so a reply said to a
 * link answers the next command in what was heard from it; the model takes the step then and there,
 * and compares. What is said without a request goes into a ledger that has to balance at the end of
 * the service's call. What may be excused by a want of memory, which is told only at the end of the
 * call, is kept as a suspicion until then. */
#ifndef SLIPGATE_SIM_RACING_ORACLE_MODEL_H
#define SLIPGATE_SIM_RACING_ORACLE_MODEL_H

#include "base/hmap.h"
#include "core/host.h"
#include "core/limit.h"
#include "sim/racing/oracle.h"
#include "sim/store.h"
#include "wire/gzip.h"
#include "wire/json.h"

#define ID_N       32u
#define NAME_N     64u
#define SECRET_N   256u
#define MEMBERS_N  64u
#define CONN_N     8u
#define DGRAM_N    1472u
#define INFLATED_N 8192u
#define PACK_N     1200u /* the largest datagram that holds several */
#define NOBODY     UINT32_MAX

enum o_plain { O_PLAIN_OFF, O_PLAIN_UNTIL, O_PLAIN_ON };
enum o_single { O_REPLACE, O_REFUSE, O_ALLOW };

struct o_rate { /* so many a second, and so many at once */
    nsec each, ahead;
};

struct o_settings {
    nsec since; /* it is in force */
    nsec idle;
    uint32_t room_size, max_rooms, name_max, password_min, line_max, relay_max;
    bool room_events, start_reply, fold, relay_room_only, require_aead, any_address;
    enum o_single single;
    enum o_plain plain;
    struct o_rate commands, datagrams, strangers;
    size_t secret_n;
    uint8_t secret[SECRET_N];
    struct exempt exempt;
};

/* ---- commands ---- */

enum o_kind {
    O_NAME,
    O_AUTHENTICATE,
    O_CREATE_ROOM,
    O_JOIN_ROOM,
    O_LEAVE_ROOM,
    O_PING,
    O_PONG,
    O_LIST_ROOMS,
    O_ROOM_PLAYERS,
    O_RELAY,
    O_PLAYER_INFO,
    O_START_GAME,
    O_BYE,
    O_BATCH, /* refused, or within another */
    O_COMMANDS_N,
    O_UNKNOWN,
    O_INVALID, /* no JSON object, or a command that is no string */
    O_NOTHING, /* an object without a command */
    O_TOO_LONG,
};

enum o_member {
    OM_COMMAND,
    OM_NAME,
    OM_PASSWORD,
    OM_ROOM_ID,
    OM_TARGET,
    OM_MESSAGE,
    OM_AEAD,
    OM_PACK,
    OM_MESSAGES,
    OM_N
};

struct o_cursor { /* how far a link's bytes were handled */
    size_t at;    /* first byte of the line in hand, or of the next */
    bool in_batch;
    size_t line_used;                     /* of the batch's line */
    size_t batch_at, batch_from, batch_n; /* batch_from: from `at` */
    uint32_t charged;                     /* lines and elements passed since */
};

struct o_command {
    enum o_kind kind;
    bool nested;
    const char *refusal; /* O_BATCH: its text */
    struct span text;    /* the line or element; within the link's bytes */
    struct json_val v[OM_N];
    struct o_cursor after;
};

struct o_offer {
    bool gcm, hmac, pack;
};

struct o_pending { /* a login that was begun and not answered */
    bool on, authenticate, before_drain;
    uint64_t req; /* its chain; 0: none yet */
    nsec since;
    uint8_t name_n;
    char name[NAME_N];
    size_t password_n;
    uint8_t password[PASSWORD_LEGACY_MAX];
    struct o_offer offer;
};

/* ---- sessions ---- */

struct o_keys; /* oracle_keys.c */

enum o_ending { ENDING_NO, ENDING_DUE, ENDING_LOST /* it got no reply */ };

struct o_link {
    uint64_t no;
    bool used, mute, welcomed, bye_said, no_session, gone;
    enum o_ending ending; /* by the end of the call */
    enum close_why closed_why;
    uint64_t closed_step; /* the step in which it went mute */
    nsec opened_at, closed_at;
    uint32_t next_free;
    char id[ID_N + 1];
    struct addr peer;
    struct buf in;
    struct o_cursor cur;
    nsec bucket, charged_at; /* of commands */
    nsec touched;            /* surely */
    nsec active;             /* perhaps */
    size_t answered;         /* bytes of replies since the service last took what was heard */
    nsec progress;           /* a line was handled, or nothing waits */

    struct o_pending login;
    bool named, auth;
    uint8_t name_n;
    char name[NAME_N];
    int64_t account;
    uint32_t room;

    /* datagrams */
    struct o_keys *in_keys, *out_keys;
    bool aead, pack, sealed_seen;
    uint32_t keys_made; /* how often its keys were replaced */
    bool unsure;        /* memory failed where its endpoint or window may have moved */
    bool has_path, had_path;
    struct path path, old_path;
    bool pinned;
    struct addr pin;
    nsec dgram_bucket;
    uint32_t due; /* first of its deliveries in this call */
    uint32_t due_last;
    uint64_t due_call;
};

struct o_room {
    bool used, active;
    uint32_t next_free;
    uint32_t seen; /* mark of the walk that met it last */
    char id[ID_N + 1];
    uint8_t name_n;
    char name[NAME_N];
    uint32_t host;
    uint32_t members[MEMBERS_N + 1], n; /* in order of joining */
};

/* ---- ledger of what is said without a request ---- */

enum o_event {
    EV_RELAYED,
    EV_JOINED,
    EV_LEFT,
    EV_STARTED,
    EV_STARTED_HOST, /* the reply form */
    EV_ROOM_CLOSED,
    EV_BYE_ADMIN,
    EV_CLOSING,
    EV_WELCOME,
    EV_END,  /* not said: its connection ends */
    EV_LOST, /* the same, of one that got no reply */
};

struct o_entry {
    enum o_event event;
    uint32_t link, about;
    int balance; /* heard minus expected */
};

/* ---- logins ---- */

enum o_result { RES_NONE, RES_OK, RES_CREATED, RES_WRONG, RES_SHORT, RES_UNUSABLE, RES_BUSY };

struct o_chain { /* the asks of one login */
    uint64_t req;
    uint32_t owner; /* NOBODY: not known (any more) */
    bool sure;      /* the owner is beyond doubt */
    bool waiting;   /* an answer is outstanding */
    bool before_drain, retried, replied, asked_on, verified, finished, cancelled, unknown_name,
        looked_at, twin;
    nsec begun_at;
    uint64_t begun; /* the call in which its first ask was put; 0: when a time had come */
    enum ask_kind stage;
    uint32_t min_then;  /* shortest password when its length was looked at */
    bool rehash;        /* MAKE for a record that is to be replaced */
    bool may_ask;       /* something may follow the last answer */
    enum ask_kind next; /* and this is it */
    enum o_result result;
    struct addr peer;
    uint8_t name_n;
    char name[NAME_N];
    struct account account;
    struct password_record made;
    bool password_known;
    size_t password_n;
    uint8_t password[PASSWORD_LEGACY_MAX];
};

#define CHAINS_N 1024u

/* ---- datagrams ---- */

enum o_drop {
    DROP_NONE, /* it was accepted */
    DROP_MALFORMED,
    DROP_UNKNOWN,
    DROP_FORGED,
    DROP_REPLAYED,
    DROP_MOVED,
    DROP_PLAIN,
    DROP_RATE,
    DROP_ROOM,
};

enum o_rewrite { REWRITE_NO, REWRITE_YES, REWRITE_EITHER };

struct o_message { /* an UPDATE or INPUT, read by the oracle */
    bool input;
    bool has_client;
    enum o_rewrite rewrite;
    struct span text, session_id;
    struct json_val room_id;
    uint8_t scratch[NAME_N];
};

struct o_text { /* a message under way, kept until nobody waits for it */
    uint32_t refs, next_free;
    enum o_rewrite rewrite;
    bool input;
    uint32_t sender;
    char sender_id[ID_N + 1];
    size_t n;
    uint8_t bytes[INFLATED_N];
};

enum o_form { FORM_PLAIN, FORM_CBC, FORM_AEAD };

struct o_due { /* one copy that should reach one recipient */
    bool used, optional;
    bool sure;     /* optional only as long as the socket is full */
    uint32_t keys; /* of the recipient: which of his */
    enum o_form form;
    uint32_t link;
    uint64_t link_no;
    struct path path;
    uint32_t text;
    uint32_t next; /* of the same recipient, in this call */
};

enum o_call {
    CALL_OTHER,
    CALL_OPENED,
    CALL_HEARD,
    CALL_ANSWERED,
    CALL_NOTICE,
    CALL_TIMED,
    CALL_DGRAMS
};

struct racing_oracle {
    struct sim *sim;
    struct o_settings set;
    nsec set_at;
    bool up, short_now, ever_short;
    bool draining;
    nsec drain_at, drain_deadline;

    struct o_link *links;
    uint32_t links_n, links_free, links_live, gone_n;
    struct hmap by_no, by_id, by_endpoint, by_conn;
    struct o_room *rooms;
    uint32_t rooms_n, rooms_free, rooms_live, walk;
    struct hmap room_by_id;

    struct o_chain *chains; /* CHAINS_N */
    uint32_t chains_n;
    uint32_t chain; /* whose answer this call brings; NOBODY */

    struct hmap acked; /* name -> number of the text of its password */
    struct buf acked_passwords;
    bool acked_new; /* since they were last looked for on the disk */

    /* the call at hand */
    uint64_t call;
    enum o_call kind;
    struct o_entry *ledger;
    uint32_t ledger_n, ledger_cap;
    bool suspected, ledger_void;
    char suspect_oracle[24], suspect_text[400];
    bool refused;          /* an ask was, in this call */
    uint32_t late_refused; /* of logins that had waited for their time: not told so yet */
    bool dgrams_sent;      /* datagrams went out in this call */
    enum o_drop last_drop; /* of the last of this call's datagrams that did not count */

    struct o_due *dues;
    uint32_t dues_n, dues_cap;
    struct o_due *late; /* what the full socket kept */
    uint32_t late_n, late_cap;
    uint64_t late_lost; /* messages the service had given up when the first of them was kept */
    uint64_t accepted;  /* datagrams of this process */
    struct o_text *texts;
    uint32_t texts_n, texts_free;
    uint32_t *call_senders; /* sessions heard by datagram in this call */
    uint32_t call_senders_n, call_senders_cap;
    struct hmap strangers;
    struct hmap guesses; /* address prefix -> wrong passwords << 48 | time of the last in ms */
    nsec scans, trials, inflations;
    nsec unsure_until; /* what is counted by address may differ from ours */
    struct gzip *gzip;

    struct o_command cmd;
    struct json_val said[24];
    uint8_t scratch[3][70000];
    struct oracle_stats stats;
};

/* ---- oracle.c: findings and calls ---- */

static inline struct racing_oracle *oracle_of(const struct sim *s)
{
    return racing_sim(s)->oracle;
}

static inline nsec o_now(const struct racing_oracle *o)
{
    return o->sim->now.mono;
}

/* A finding unless this call turns out to have been short of memory. */
void o_suspect(struct racing_oracle *, const char *oracle, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Takes one from a rate that is kept as the time at which it is whole again. */
bool o_rate_take(nsec *full_at, const struct o_rate *, nsec now);
struct o_rate o_rate_of(int64_t per_s, int64_t burst);
/* Who is counted together: an IPv4 address, or the first 64 bits of an IPv6 one. */
void o_neighbourhood(const struct addr *, uint8_t key[16]);
/* Grows an array of n elements of size to hold one more. */
void *o_grow(void *p, uint32_t n, uint32_t *cap, size_t size);
struct o_link *o_link(struct racing_oracle *, uint32_t i);
uint32_t o_link_by_no(const struct racing_oracle *, uint64_t no);
uint32_t o_link_by_id(const struct racing_oracle *, struct span id);
uint32_t o_index(const struct racing_oracle *, const struct o_link *);
/* Its connection has to end with this call. */
void o_must_end(struct racing_oracle *, struct o_link *, enum o_ending);
/* Ended in this step by a failing send or a lost connection: what it should have heard is excused.
 */
bool o_ended_hard(const struct racing_oracle *, uint32_t link);
/* The session is over: it leaves its room and every map. */
void o_session_end(struct racing_oracle *, struct o_link *, enum close_why);

/* ---- oracle_ledger.c ---- */
void o_expect(struct racing_oracle *, uint32_t link, enum o_event, uint32_t about);
void o_observe(struct racing_oracle *, uint32_t link, enum o_event, uint32_t about);
void o_ledger_settle(struct racing_oracle *);

/* ---- oracle_lines.c: what was heard, as commands ---- */
/* The next command from a cursor on, which passes over the ends of batches; NULL: no whole one
 * among the first `limit` bytes. In o->cmd until the next call. */
const struct o_command *o_next(struct racing_oracle *, struct o_link *, struct o_cursor *,
                               size_t limit);
/* The same, passing over what gets no reply. */
const struct o_command *o_next_replied(struct racing_oracle *, struct o_link *);
/* It was handled. */
void o_handled(struct racing_oracle *, struct o_link *, const struct o_command *);
bool o_text_is(const struct json_val *, const char *text);
bool o_span_is(struct racing_oracle *, const struct json_val *, struct span);
/* Unescaped into scratch number i; E_FORMAT when it is no string. */
int o_string(struct racing_oracle *, unsigned i, const struct json_val *, struct span *ret);
/* Why a NAME or AUTHENTICATE is refused at once; NULL: it is not, and *password is what it holds.
 */
const char *o_login_refusal(struct racing_oracle *, const struct o_link *, const struct o_command *,
                            struct span *name, struct span *password, bool *auth_failed);
/* Its name and password, whether or not they would be accepted now: in a batch it may have been
 * begun under another configuration. */
bool o_login_fields(struct racing_oracle *, const struct o_link *, const struct o_command *,
                    struct span *name, struct span *password);
/* Whether the command is a login that has to ask somebody. */
bool o_is_login(struct racing_oracle *, const struct o_link *, const struct o_command *);
void o_login_begin(struct racing_oracle *, struct o_link *, const struct o_command *);

/* ---- oracle_replies.c, oracle_events.c ---- */
enum o_said { /* members of what is said */
              S_COMMAND,
              S_MESSAGE,
              S_NAME,
              S_AUTHENTICATED,
              S_ENCRYPTION,
              S_ROOM_ID,
              S_TARGET_ID,
              S_ORIGINAL,
              S_ROOMS,
              S_PLAYERS,
              S_INFO,
              S_SPAWNS,
              S_HOST_ID,
              S_SENDER_ID,
              S_SENDER_NAME,
              S_SESSION_ID,
              S_SECONDS,
              S_AEAD,
              S_N
};
void o_reply(struct racing_oracle *, struct o_link *, struct span line);
/* True when the line is one of those that come without a request; it was judged then. */
bool o_unasked(struct racing_oracle *, struct o_link *, struct span line);
void o_wrong_reply(struct racing_oracle *, const struct o_link *, const struct o_command *,
                   struct span line, const char *want);

/* ---- oracle_rooms.c, oracle_spawn.c ---- */
struct o_room *o_room_of(struct racing_oracle *, const struct o_link *);
struct o_room *o_room_by_id(struct racing_oracle *, struct span id);
void o_room_leave(struct racing_oracle *, struct o_link *, bool tell);
void o_room_close(struct racing_oracle *, struct o_room *);
void o_reply_create(struct racing_oracle *, struct o_link *, const struct o_command *, struct span);
void o_reply_join(struct racing_oracle *, struct o_link *, const struct o_command *, struct span);
void o_reply_leave(struct racing_oracle *, struct o_link *, const struct o_command *, struct span);
void o_reply_list(struct racing_oracle *, struct o_link *, const struct o_command *, struct span);
void o_reply_players(struct racing_oracle *, struct o_link *, const struct o_command *,
                     struct span);
void o_spawns_judge(struct racing_oracle *, const struct o_room *, struct span line);

/* ---- oracle_login.c, oracle_accounts.c ---- */
void o_reply_login(struct racing_oracle *, struct o_link *, struct span line);
void o_chain_settle(struct racing_oracle *);  /* the call ends */
void o_chains_settle(struct racing_oracle *); /* the step ends */
void o_chains_forget(struct racing_oracle *, uint32_t owner);
/* The answer at hand is that of this session's login, whoever it was thought to belong to. */
void o_chain_swap(struct racing_oracle *, struct o_chain *, struct o_link *);
/* The link's login ended while the asks it is thought to have go on: they are those of another of
 * its name that waits. False: there is none. */
bool o_chain_pass_on(struct racing_oracle *, struct o_link *);
struct racing_oracle *o_call_answer(struct sim *); /* oracle.c: an answer comes */
/* The session's login has just begun: of the asks nobody owns, it has the latest with its name. */
void o_chain_adopt(struct racing_oracle *, struct o_link *);
/* As many logins of the address are worked on as may be, or somebody's are. */
bool o_may_wait_its_turn(const struct racing_oracle *, const struct addr *);
bool o_chain_active(const struct racing_oracle *, uint64_t req);
/* A wrong password from there. */
void o_guessed(struct racing_oracle *, const struct addr *);
void o_account_acked(struct racing_oracle *, struct span name, struct span password);
void o_accounts_judge(struct racing_oracle *);

/* ---- oracle_keys.c ---- */
enum o_cipher { CIPHER_CBC, CIPHER_GCM, CIPHER_CBC_HMAC };
/* The document's keys of a session id and secret. */
struct o_keys *o_keys_document(struct span id, struct span secret);
struct o_keys *o_keys_aead(enum o_cipher, const uint8_t conn[CONN_N], struct span material);
void o_keys_free(struct o_keys *);
const uint8_t *o_keys_conn(const struct o_keys *);
/* The plaintext's size; E_FORMAT, E_AUTH. seq: of the authenticated ciphers. Nothing is marked. */
int o_keys_open(struct o_keys *, struct span dgram, uint8_t *to, uint64_t *seq);
/* Higher than all that were marked. */
bool o_seq_is_new(const struct o_keys *, uint64_t seq);
bool o_seq_fresh(const struct o_keys *, uint64_t seq);
void o_seq_mark(struct o_keys *, uint64_t seq);
bool o_is_cbc(struct span);
bool o_is_aead(struct span, const uint8_t **conn);

/* ---- oracle_update.c ---- */
int o_message_read(struct span text, struct o_message *);
/* Whether what came out is what went in as the protocol has it written anew. */
bool o_rewritten_well(const struct o_text *, struct span in, struct span out);

/* ---- oracle_dgram.c, oracle_relay.c ---- */
/* Whose finding it is when a datagram that was to be dropped so had an effect. */
const char *o_oracle_for(enum o_drop);
void o_keys_drop(struct racing_oracle *, struct o_link *);
void o_path_drop(struct racing_oracle *, struct o_link *);
void o_relay(struct racing_oracle *, struct o_link *, const struct o_message *);
void o_relay_settle(struct racing_oracle *);
void o_accepted_judge(struct racing_oracle *); /* the call ends */
void o_relay_excuse(struct racing_oracle *);
void o_relay_forget(struct racing_oracle *);
/* What the datagram at hand changes concerns this session. */
void o_heard_from(struct racing_oracle *, uint32_t link);
void o_call_dgrams(struct racing_oracle *); /* oracle.c: a batch begins */
uint32_t o_link_by_path(const struct racing_oracle *, const struct path *);

/* ---- oracle_time.c: idle, stuck, drained ---- */
void o_closing_judge(struct racing_oracle *, struct o_link *, enum close_why, bool by_service);
void o_drain_begin(struct racing_oracle *, nsec deadline);
void o_time_judge(struct racing_oracle *);

#endif
