#include "bin/config_check.h"

#include "base/err.h"
#include "bin/rows.h"
#include "core/limits.h"
#include "store/cache_redis.h"
#include "store/store.h"

#include <stdio.h>

#define LISTENERS_MAX 64u
#define OF_ONE_MAX    16u

struct listeners {
    size_t n;
    struct listener_spec v[LISTENERS_MAX];
};

static bool is_any(const struct addr *a)
{
    static const uint8_t any4[16] = {[10] = 0xff, [11] = 0xff}, any6[16] = {0};
    return memcmp(a->ip, any4, 16) == 0 || memcmp(a->ip, any6, 16) == 0;
}

static bool overlap(const struct listener_spec *a, const struct listener_spec *b)
{
    struct addr x, y;
    if (a->port != b->port || (a->kind == LISTEN_UDP) != (b->kind == LISTEN_UDP))
        return false;
    if (addr_parse(&x, a->bind) || addr_parse(&y, b->bind))
        return false;
    return is_any(&x) || is_any(&y) || addr_same_host(&x, &y);
}

static int add(struct listeners *all, const struct listener_spec *spec, struct buf *why)
{
    for (size_t i = 0; i < all->n; i++)
        if (overlap(&all->v[i], spec)) {
            (void)buf_printf(why, "%s and %s are both %u; give one of them another port",
                             all->v[i].port_key, spec->port_key, spec->port);
            return E_CONFIG;
        }
    if (all->n < LISTENERS_MAX)
        all->v[all->n++] = *spec;
    return 0;
}

static int check_ports(const struct config *c, struct listeners *all, struct buf *why)
{
    struct listener_spec specs[OF_ONE_MAX];
    struct listener_spec admin = {.kind = LISTEN_TCP, .port_key = "admin.port"};
    int rc = 0;
    for (size_t s = 0; s < rows_services_n && rc == 0; s++) {
        size_t n = rows_services[s]->listeners(c, specs, OF_ONE_MAX);
        for (size_t i = 0; i < n && i < OF_ONE_MAX && rc == 0; i++)
            rc = add(all, &specs[i], why);
    }
    admin.port = (uint16_t)config_int(c, "admin.port");
    snprintf(admin.bind, sizeof admin.bind, "%s", config_text(c, "admin.bind"));
    return rc == 0 && admin.port ? add(all, &admin, why) : rc;
}

static int check_store(const struct config *c, struct buf *why)
{
    struct store_cfg cfg = {.url = config_text(c, "store.url"),
                            .data_dir = config_text(c, "data.dir")};
    return store_check(&cfg, why);
}

int config_check(const struct config *c, struct buf *why)
{
    struct listeners all = {.n = 0};
    struct limits limits;
    int rc = limits_load(&limits, c, why);
    if (rc == 0)
        rc = check_ports(c, &all, why);
    if (rc == 0)
        rc = check_store(c, why);
    if (rc == 0)
        rc = cache_redis_check(config_text(c, "cache.url"), why);
    if (rc == 0 && config_text(c, "tls.key")[0] && !config_text(c, "tls.certificate")[0]) {
        (void)buf_append_str(why, "tls.key is set but tls.certificate is not; give both");
        rc = E_CONFIG;
    }
    return rc;
}
