/* Sessions: their life, the maps that find them, their activity. */
#ifndef SLIPGATE_GAMES_RACING_SESSIONS_H
#define SLIPGATE_GAMES_RACING_SESSIONS_H

#include "games/racing/state.h"

/* For a fresh link; NULL when memory is short or the table is full. */
struct session *session_open(struct racing *, struct now, struct link_ref,
                             const struct link_info *);
/* The session of a link, or NULL. */
struct session *session_of_link(const struct racing *, struct link_ref);
struct session *session_by_id(const struct racing *, struct span id);
struct session *session_by_endpoint(const struct racing *, const struct path *);
struct session *session_by_conn(const struct racing *, const uint8_t conn_id[SEAL_CONN_ID]);
/* The sessions whose TCP peer has this address, or NULL. */
struct host_group *session_group(const struct racing *, const struct addr *);

/* Ends a session: it leaves its room and every map now, its link closes when what is queued for it
 * was sent. Calling it again does nothing. */
void session_end(struct racing *, struct session *, enum close_why);
/* The same from within a walk over sessions: done by the next sessions_reap, which every entry
 * point of the service calls last. Until then nothing more is sent to it. */
void session_doom(struct racing *, struct session *, enum close_why);
void sessions_reap(struct racing *);
/* The link has gone: ends the session if it was not, and frees it. */
void session_closed(struct racing *, struct session *, enum close_why);
/* Something valid came: puts off the idle timeout. */
void session_touch(struct racing *, struct session *, struct now);
/* Leaves its room, telling the others where the configuration wants it. */
void session_leave_room(struct racing *, struct session *);
/* Makes path the session's endpoint. E_NOMEM, E_FULL. */
MUST_USE int session_set_path(struct racing *, struct session *, const struct path *);
/* True when path is the session's endpoint. */
bool session_has_path(const struct session *, const struct path *);

#define AEAD_TEXT_MAX 384u

/* Makes the session the account's player and gives it its datagram keys: an authenticated cipher if
 * the offer allows one (text, of AEAD_TEXT_MAX bytes, then holds the object for the client), else
 * the document's. A negative code: nothing has changed. */
MUST_USE int session_sign_in(struct racing *, struct session *, int64_t account,
                             const struct offer *, struct buf *text);
/* It is nobody's player any more; its keys stay, and are of no use to it. */
void session_sign_out(struct racing *, struct session *);
/* A session signed in as the account, but not `except`; or NULL. */
struct session *session_of_account(const struct racing *, int64_t account,
                                   const struct session *except);

#endif
