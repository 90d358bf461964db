/* Conversations with the racing service over host_fake.h, for cmocka tests. In texts ' stands for
 * ", so that JSON can be read; no test needs a real '. */
#ifndef SLIPGATE_TESTS_TALK_H
#define SLIPGATE_TESTS_TALK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "games/racing/tables.h"
#include "sim/host_fake.h"
#include "wire/seal.h"

#define HERE        "203.0.113.10" /* not spared by limits.exempt */
#define TALK_SECRET "RacingServerUDP2024!"

struct player {
    struct fake *f;
    int link;
    char ip[40];
    uint16_t udp_port;
    char id[33];
    struct sealer *sealer; /* as a client: document cipher or AEAD; NULL: in the clear */
    struct opener *opener;
};

/* A service with these settings ("key=value", NULL at the end) and the players in the list zeroed.
 */
struct fake *serve(const char *const *settings);
#define SERVE(...) serve((const char *const[]){__VA_ARGS__, NULL})
/* Ends it. Its players' structs must still be there: their keys go too. */
void stop(struct fake *f);
void crash(struct fake *f); /* the same without a word to anybody, as a process dies */

/* Whether this stands in the log so far. */
bool logged(const struct fake *f, const char *text);
/* Connects and takes the welcome. */
void enter(struct fake *f, struct player *p, const char *ip);
/* Connects, signs in as name with password "pw". */
void enter_as(struct fake *f, struct player *p, const char *name);

/* A line to the server, with its LF. */
void say(struct player *p, const char *format, ...) PRINTF_LIKE(2, 3);
/* The next line must be this. */
void hear(struct player *p, const char *format, ...) PRINTF_LIKE(2, 3);
void hear_nothing(struct player *p);
/* Says, then hears, then nothing more. */
void ask(struct player *p, const char *request, const char *reply);
void hear_error(struct player *p, const char *text);
/* The link was closed for this reason, and nothing else was said. */
void hear_close(struct player *p, enum close_why why);
/* The next line, whatever it is. */
const char *listen_to(struct player *p, char line[65536]);

/* Ways to send, of a client. */
enum form { CLEAR, DOCUMENT, GCM, CBC_HMAC, FORMS };
/* Connects, signs in as name, and is ready to send in the form. */
void enter_with(struct fake *f, struct player *p, const char *name, enum form form);
/* n players p0, p1, ... in one room, each with a registered endpoint. */
void race(struct fake *f, struct player *p, unsigned n, enum form form);

/* Creates a room named "room" / joins it; id is 33 bytes. */
void create_room(struct player *p, char *id);
void join_room(struct player *p, const char *id);

/* ---- datagrams ---- */

/* A text with " for '. */
struct span text_in(char *to, size_t cap, const char *format, ...) PRINTF_LIKE(3, 4);
/* The text as one gzip member. */
struct span gzipped(struct span text, uint8_t to[16384]);
/* What the player would send for it. */
struct span sealed(struct player *p, struct span text, uint8_t *to, size_t cap);
/* Keys as a client has them: the document's, or from the udpAead object of a reply line. */
void use_document_keys(struct player *p);
void use_aead_keys(struct player *p, const char *reply);
/* Sends text as the player does: sealed, or in the clear with LF. ' stands for ". */
void cast(struct player *p, const char *format, ...) PRINTF_LIKE(2, 3);
void cast_raw(struct player *p, struct span bytes);
void cast_from(struct player *p, const char *ip, uint16_t port, const char *format, ...)
    PRINTF_LIKE(4, 5);
/* A well-formed UPDATE of the player's. */
void cast_update(struct player *p);
/* The next sent datagram goes to the player's endpoint, and opens to this text under his keys (in
 * the clear: the text and LF). */
void receive(struct player *p, const char *format, ...) PRINTF_LIKE(2, 3);
void receive_update_of(struct player *p, const struct player *from);
void receive_nothing(struct fake *f);
/* What became of the datagrams since the last call: the metric row counted once, no other did. */
void assert_outcome(struct fake *f, enum racing_metric row);

#endif
