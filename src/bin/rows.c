#include "bin/rows.h"

#include "admin/admin.h"
#include "admin/control.h"
#include "admin/staff.h"
#include "bin/app_audit.h"
#include "core/limits.h"
#include "core/login.h"
#include "games/racing/racing.h"
#include "os/hash.h"
#include "store/cache_redis.h"
#include "store/store.h"

static const struct config_row rows_program[] = {
    {"data.dir", CONFIG_TEXT, "/var/lib/slipgate", 1, 0, NULL, CONFIG_RESTART,
     "Folder of what the server keeps: made certificate, SQLite file. Made with mode 0700 when it "
     "is missing."},
    {"server.node", CONFIG_TEXT, "main", 1, NODE_MAX, NULL, CONFIG_RESTART,
     "Name of this process among those that share its database; each needs another."},
    {"server.max_connections", CONFIG_INT, "16384", 16, 1000000, NULL, CONFIG_RESTART,
     "Most stream connections at once, all services together. The limit of open files is raised to "
     "fit."},
    {"server.max_handshakes", CONFIG_INT, "1024", 1, 1000000, NULL, CONFIG_RESTART,
     "Most TLS handshakes in progress at once. Further connections wait in the kernel's queue."},
    {"server.handshake_timeout_s", CONFIG_INT, "10", 1, 300, NULL, CONFIG_RESTART,
     "Seconds a connection may take for its TLS handshake."},
    {"server.drain_timeout_s", CONFIG_INT, "30", 0, 86400, NULL, CONFIG_LIVE,
     "Seconds a drain waits for players to leave before it closes what is left."},
    {"server.udp_buffer_bytes", CONFIG_INT, "4194304", 65536, 1073741824, NULL, CONFIG_RESTART,
     "Bytes of buffer asked of the kernel for each direction of each UDP socket."},
};

static const struct config_row rows_log[] = {
    {"log.level", CONFIG_ENUM, "info", 0, 0, "error|warn|info|debug", CONFIG_LIVE,
     "Least important level that is logged; debug shows datagrams."},
    {"log.format", CONFIG_ENUM, "text", 0, 0, "text|json", CONFIG_LIVE,
     "One line a record, as text for people or as JSON for machines."},
    {"log.file", CONFIG_TEXT, "", 0, 0, NULL, CONFIG_RESTART,
     "File to append to, opened anew on SIGHUP. Nothing: standard error."},
};

const struct service_ops *const rows_services[] = {
    &racing_ops,
};
const size_t rows_services_n = ARRAY_LEN(rows_services);

#define TABLE(rows) ((struct config_table){rows, ARRAY_LEN(rows)})
#define TABLES_MAX  16u

int rows_config(struct config **ret)
{
    struct config_table tables[TABLES_MAX];
    size_t n = 0;
    tables[n++] = TABLE(rows_program);
    tables[n++] = rows_tls;
    for (size_t i = 0; i < rows_services_n; i++)
        tables[n++] = rows_services[i]->config;
    tables[n++] = TABLE(hash_config);
    tables[n++] = accounts_config;
    tables[n++] = TABLE(store_config);
    tables[n++] = TABLE(cache_config);
    tables[n++] = TABLE(app_audit_config);
    tables[n++] = TABLE(admin_config);
    tables[n++] = TABLE(control_config);
    tables[n++] = TABLE(staff_config);
    tables[n++] = limits_config;
    tables[n++] = TABLE(rows_log);
    return config_create(ret, tables, n);
}
