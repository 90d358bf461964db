#include "bin/gauges.h"

#include <stdio.h>

static const struct metric_row view_rows[GAUGES_VIEW_N] = {
    {"slipgate_service_sessions", "", METRIC_GAUGE, "Sessions, logged in or not."},
    {"slipgate_service_authenticated_sessions", "", METRIC_GAUGE, "Sessions that are logged in."},
    {"slipgate_service_rooms", "", METRIC_GAUGE, "Rooms."},
    {"slipgate_service_active_rooms", "", METRIC_GAUGE, "Rooms whose game has started."},
    {"slipgate_service_players_in_rooms", "", METRIC_GAUGE, "Players who are in a room."},
};

enum { G_CERT_END, G_LOG_DROPPED, G_DRAINING, OWN_N };

static const struct metric_row own_rows[OWN_N] = {
    [G_CERT_END] = {"slipgate_certificate_expiry_time_seconds", "", METRIC_GAUGE,
                    "When the certificate in use ends, in Unix time."},
    [G_LOG_DROPPED] = {"slipgate_log_dropped_total", "", METRIC_COUNTER,
                       "Log records lost because their reader did not keep up."},
    [G_DRAINING] = {"slipgate_draining", "", METRIC_GAUGE,
                    "1 while no new players are let in because the server goes down."},
};

int gauges_init(struct gauges *g, struct metrics *m, const struct server *server)
{
    size_t n = server_services(server);
    g->metrics = m;
    g->services_n = n;
    for (size_t s = 0; s < n; s++)
        snprintf(g->labels[s], sizeof g->labels[s], "service=\"%s\"",
                 server_service_name(server, (uint16_t)s));
    for (size_t v = 0; v < GAUGES_VIEW_N; v++)
        for (size_t s = 0; s < n; s++) {
            struct metric_row *row = &g->rows[v * n + s];
            *row = view_rows[v];
            row->labels = g->labels[s];
        }
    int base = metrics_register(m, g->rows, GAUGES_VIEW_N * n);
    int own = base < 0 ? base : metrics_register(m, own_rows, OWN_N);
    if (own < 0)
        return own;
    g->base = (size_t)base;
    g->own = (size_t)own;
    return 0;
}

static void refresh_service(struct gauges *g, const struct server *server, size_t s)
{
    struct service_view view = {0};
    server_view(server, (uint16_t)s, &view);
    const uint32_t values[GAUGES_VIEW_N] = {view.sessions, view.authenticated, view.rooms,
                                            view.rooms_active, view.players_in_rooms};
    for (size_t v = 0; v < GAUGES_VIEW_N; v++)
        metrics_set(g->metrics, g->base + v * g->services_n + s, values[v]);
}

void gauges_refresh(struct gauges *g, const struct server *server, int64_t certificate_end_s,
                    uint64_t log_dropped, bool draining)
{
    for (size_t s = 0; s < g->services_n; s++)
        refresh_service(g, server, s);
    metrics_set(g->metrics, g->own + G_CERT_END, certificate_end_s);
    metrics_set(g->metrics, g->own + G_LOG_DROPPED, (int64_t)log_dropped);
    metrics_set(g->metrics, g->own + G_DRAINING, draining);
}
