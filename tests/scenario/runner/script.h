/* A conversation script as steps: what its file says, read and checked before anything runs. The
 * language is described in tests/scenario/README.md.
 *
 * Texts stay as they were written; what is in them ($names, <holes>, [i]) is looked up when a step
 * is played (tmpl.h). Steps stand in one array in the order of the file; a block's step is followed
 * by the body_n steps of its body.
 *
 * Limits: a file of 1 MiB, a line of 64 KiB (continued lines joined), 20,000 steps, blocks 8 deep.
 */
#ifndef SLIPGATE_SCENARIO_SCRIPT_H
#define SLIPGATE_SCENARIO_SCRIPT_H

#include "base/buf.h"
#include "base/types.h"

#define SCRIPT_BYTES_MAX  (1u << 20)
#define SCRIPT_LINE_MAX   65536u
#define SCRIPT_STEPS_MAX  20000u
#define SCRIPT_DEPTH_MAX  8u
#define SCRIPT_NAME_MAX   32u
#define SCRIPT_REPEAT_MAX 100000u

enum step_kind {
    STEP_SERVER,  /* text: words key=value */
    STEP_CONFIG,  /* text: words key=value */
    STEP_ACCOUNT, /* who: name, text: password, n: 1 for a legacy record */
    STEP_LET,     /* who: name, text */
    STEP_CLIENT,  /* who, text: address or NULL, n: CLIENT_* */
    STEP_SEND,    /* who, text */
    STEP_SPLIT,   /* who, text, n: bytes a piece */
    STEP_RAW,     /* who, bytes, inserts */
    STEP_EXPECT,  /* who, text */
    STEP_HOLDS,   /* who, text */
    STEP_QUIET,   /* who */
    STEP_SILENT,  /* who, n: ns */
    STEP_CLOSED,  /* who, text: reason or NULL */
    STEP_CLOSE,
    STEP_RESET,
    STEP_HALF_CLOSE,
    STEP_STALLS,
    STEP_READS,
    STEP_FORGET,
    STEP_UDP,         /* who, n: enum form */
    STEP_CAST,        /* who, cast */
    STEP_CATCH,       /* who, text, cast->port */
    STEP_CATCH_NONE,  /* who, cast->port */
    STEP_REPEAT,      /* n times, who: variable or NULL */
    STEP_ONLY,        /* n: ONLY_* */
    STEP_ADVANCE,     /* n: ns */
    STEP_DRAIN,       /* n: ns */
    STEP_KICK,        /* who: client, NULL: all */
    STEP_CLOSE_ROOM,  /* text: room id, NULL: all */
    STEP_FAIL,        /* n: set of ask kinds, m: enum ask_fault, times */
    STEP_FAIL_MEMORY, /* n */
    STEP_SLOW,        /* n: ns; NSEC_NEVER: until told */
    STEP_ANSWER,      /* n; 0: all */
    STEP_RESTART,
    STEP_CRASH,
    STEP_METRIC, /* who: name{labels}, text: number, n: enum relation */
    STEP_LOG,    /* who: id, text: words key=value, n: 1 when it must not be there */
    STEP_KINDS,
};

enum { CLIENT_SLOW = 1, CLIENT_NO_WELCOME = 2 };
enum { ONLY_SIM = 1, ONLY_LIVE = 2 };
enum relation { REL_EQ, REL_GE, REL_LE, REL_MORE };
enum form { FORM_CLEAR, FORM_CBC, FORM_GCM, FORM_CBC_HMAC, FORMS };

/* How a datagram is sent: what is put around its text and what is done to it then. */
struct cast {
    int form;        /* enum form, or -1: the client's own */
    char *keys;      /* another client's keys, or NULL */
    char *conn;      /* the connection id of another client's grant, or NULL */
    char *secret;    /* another shared secret, or NULL */
    char *from;      /* another address, or NULL */
    uint32_t port;   /* which of the client's ports, 1 is its usual one */
    int64_t seq;     /* sequence, or -1: the next */
    int64_t corrupt; /* byte to damage, from the end where negative; INT64_MIN: none */
    int64_t cut;     /* bytes left, or lost where negative; INT64_MIN: all are left */
    int64_t add;     /* NUL bytes behind it */
    int64_t length;  /* what its first four bytes say; INT64_MIN: the truth */
    unsigned gzip;   /* how often it is packed before it is sealed */
    int64_t gzip_corrupt, gzip_cut; /* as above, of what is packed */
    bool again;                     /* the client's last datagram once more */
    bool back;                      /* the datagram that the client was sent last */
    bool raw;                       /* the step's bytes as they stand */
    bool bytes;                     /* the step's bytes instead of a text */
};

/* A name among the bytes of a step, put in when it is played. */
struct insert {
    size_t at;
    char *text;
};

struct step {
    enum step_kind kind;
    unsigned line;
    uint32_t body_n;
    uint64_t n, m, times;
    char *who, *text;
    struct buf bytes;
    struct insert *inserts;
    size_t inserts_n;
    struct cast *cast;
};

struct script {
    char *path, *name; /* name: the file's without folder and ending */
    struct step *steps;
    size_t steps_n;
    char **strings; /* everything the steps point to */
    size_t strings_n;
    bool sim_only, live_only; /* the whole script: its first step says so */
};

/* Reads and checks a script. NULL with "file:line: what is wrong" in why. */
struct script *script_parse(const char *path, struct span text, struct buf *why);
struct script *script_read(const char *path, struct buf *why);
void script_destroy(struct script *);

/* As scripts write them. */
const char *form_word(enum form);
const char *relation_word(enum relation);

#endif
