/* Where a Redis is, from the text of cache.url:
 *
 *   redis://[[user]:password@]host[:port][/db]       port 6379, database 0
 *   unix://[[user]:password@]/path/of/the/socket[?db=N]
 *
 * User and password may hold %XX for what a URL cannot (RFC 3986 section 2.1); an IPv6 address
 * stands in brackets. TLS is not to be had: the client library of Debian 12 has none, so rediss://
 * is refused; a tunnel or a network that is trusted does instead. */
#ifndef SLIPGATE_STORE_REDIS_URL_H
#define SLIPGATE_STORE_REDIS_URL_H

#include "base/buf.h"
#include "base/types.h"

#define REDIS_HOST_MAX   255u
#define REDIS_PATH_MAX   107u /* of a Unix socket, without its NUL */
#define REDIS_SECRET_MAX 255u
#define REDIS_DB_MAX     65535u
#define REDIS_SHOWN_MAX  320u

struct redis_url {
    char host[REDIS_HOST_MAX + 1]; /* empty: the path */
    char path[REDIS_PATH_MAX + 1];
    uint16_t port;
    uint16_t db;
    char user[REDIS_SECRET_MAX + 1];
    char password[REDIS_SECRET_MAX + 1]; /* empty: none */
};

/* E_CONFIG; why then says what is wrong in one line without repeating the text, which may hold a
 * password. */
MUST_USE int redis_url_parse(struct redis_url *ret, struct span text, struct buf *why);
void redis_url_wipe(struct redis_url *);
/* The host is a name that must be looked up, not an address or a path. */
bool redis_url_has_name(const struct redis_url *);
/* Host, port and database, for people; never user and password. Returns text. */
const char *redis_url_shown(const struct redis_url *, char text[REDIS_SHOWN_MAX]);

#endif
