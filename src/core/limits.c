#include "core/limits.h"

#include "base/err.h"

static const struct config_row config_rows[] = {
    {"limits.exempt", CONFIG_TEXT, "loopback private", 0, 0, NULL, CONFIG_LIVE,
     "Sources that per-address limits spare: loopback, private, addresses and networks such as "
     "203.0.113.0/24, separated by blanks. Nothing, or none: spare nobody."},
    {"limits.proxies", CONFIG_TEXT, "", 0, 0, NULL, CONFIG_NEW_CONNECTIONS,
     "Load balancers whose connections begin with a PROXY header of version 2, as addresses and "
     "networks; limits and bans then count the client it names. Nothing: none."},
    {"limits.handshakes_per_address", CONFIG_INT, "32", 0, 100000, NULL, CONFIG_LIVE,
     "TLS handshakes of one address in progress at once (limits.exempt aside); 0 for no limit."},
};

const struct config_table limits_config = {config_rows, ARRAY_LEN(config_rows)};

static const struct limit_row server_rows[] = {
    {"server.max_connections", "connections at once, all games together",
     "when a connection is accepted: it is closed"},
    {"server.max_handshakes", "TLS handshakes in progress at once",
     "before a connection is accepted: it waits in the kernel's queue, and handshakes older than 2 "
     "s make room"},
    {"server.handshake_timeout_s", "seconds of a TLS handshake, PROXY header included",
     "while it goes on: the connection is closed"},
    {"limits.handshakes_per_address", "TLS handshakes of one address in progress at once",
     "when a connection is accepted: it is closed"},
};

const struct limit_table limits_server = {server_rows, ARRAY_LEN(server_rows)};

static int load_list(struct exempt *ret, const struct config *c, const char *key, struct buf *why)
{
    size_t before = why->n;
    (void)buf_printf(why, "%s: ", key);
    if (exempt_parse(ret, config_text(c, key), why))
        return E_CONFIG;
    why->n = before;
    return 0;
}

int limits_load(struct limits *ret, const struct config *c, struct buf *why)
{
    struct limits l = {.handshakes_per_addr =
                           (uint32_t)config_int(c, "limits.handshakes_per_address")};
    int rc = load_list(&l.exempt, c, "limits.exempt", why);
    if (rc == 0)
        rc = load_list(&l.proxies, c, "limits.proxies", why);
    if (rc == 0)
        *ret = l;
    return rc;
}
