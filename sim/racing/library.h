/* A conversation that libslipgate's session holds (client/session.h): the product's own client in
 * the same storms. It tells the same listener as talk.h. */
#ifndef SLIPGATE_SIM_RACING_LIBRARY_H
#define SLIPGATE_SIM_RACING_LIBRARY_H

#include "client/session.h"
#include "sim/racing/talk.h"

struct library {
    struct bot *bot;
    const struct listener *to;
    struct sgc_session s;
    struct sim_timer timer; /* the session's deadlines */
    bool open, made;
    bool holds; /* what is asked leaves together, when it is set back and library_time called */
};

/* E_NOMEM. */
MUST_USE int library_init(struct library *, struct bot *, const struct listener *);
void library_fini(struct library *);
void library_begin(struct library *, enum udp_wish, bool pack);
void library_end(struct library *);
void library_bytes(struct library *, struct span);
void library_dgram(struct library *, struct span);
/* As talk_ask. False: it would not take the request. */
bool library_ask(struct library *, enum request, const char *a, const char *b);
/* Sends what is due, and what was held. */
void library_time(struct library *);
/* Says this message in a datagram. */
void library_drive(struct library *, const struct drive *);
enum seal_kind library_form(const struct library *);

#endif
