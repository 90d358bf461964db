#include "bin/cmd_bots.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static uint64_t lost(const struct bots_totals *t)
{
    return t->expected > t->delivered ? t->expected - t->delivered : 0;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static double per_s(uint64_t n, double s)
{
    return s > 0 ? (double)n / s : 0;
}

static double ms(uint64_t us)
{
    return (double)us / 1000;
}

void bots_report_progress(const char *phase, const struct bots_options *o,
                          const struct bots_totals *now, const struct bots_totals *before,
                          const struct bots_hist *second)
{
    (void)fprintf(stderr,
                  "%-10s %" PRIu32 "/%" PRIu32 " in | sent %" PRIu64 "/s delivered %" PRIu64
                  "/s | latency p50 %.2f p99 %.2f max %.2f ms | failed %" PRIu32
                  " disconnected %" PRIu32 "\n",
                  phase, now->in, o->players, now->sent - before->sent,
                  now->delivered - before->delivered, ms(bots_hist_quantile(second, 0.5)),
                  ms(bots_hist_quantile(second, 0.99)), ms(second->max), now->failed,
                  now->disconnects);
}

/* ---- the closing table ---- */

static void table_link(const struct bots_results *r)
{
    const struct bots_totals *t = r->t;
    if (!r->o->link_name)
        return;
    printf("link              %s, seed %" PRIu64 "\n", r->o->link_name, r->o->seed);
    printf("  up              %" PRIu64 " datagrams, %" PRIu64 " lost (%.2f %%), %" PRIu64
           " doubled\n",
           t->link_up, t->link_up_lost, percent(t->link_up_lost, t->link_up), t->link_up_doubled);
    printf("  down            %" PRIu64 " datagrams, %" PRIu64 " lost (%.2f %%), %" PRIu64
           " doubled\n",
           t->link_down, t->link_down_lost, percent(t->link_down_lost, t->link_down),
           t->link_down_doubled);
    printf("  took            %" PRIu64 " deliveries (%.2f %%)\n", t->link_lost,
           percent(t->link_lost, t->link_lost + t->expected));
}

static void table_feel(const struct bots_results *r)
{
    const double *v = r->figures.v;
    if (r->feel->age.n == 0)
        return;
    printf("gap               p50 %.1f ms, p99 %.1f ms, max %.1f ms from one update of a mate to "
           "the next\n",
           v[BOTS_p50_gap_ms], v[BOTS_p99_gap_ms], v[BOTS_max_gap_ms]);
    printf("age               p50 %.1f ms, p99 %.1f ms of the newest position of a mate\n",
           v[BOTS_p50_age_ms], v[BOTS_p99_age_ms]);
    printf("freezes           %.0f gaps over 250 ms, %.2f for each player and minute\n",
           v[BOTS_freezes], v[BOTS_freezes_per_minute]);
}

static void table_cheats(const struct bots_totals *t)
{
    if (t->cheats == 0)
        return;
    printf("cheats            %" PRIu32 ", told %" PRIu32, t->cheats, t->told);
    if (t->told)
        printf(" (the last after %.2f s)", t->told_max_s);
    printf(", thrown out %" PRIu32, t->caught);
    if (t->caught)
        printf(" (the last after %.2f s)", t->caught_max_s);
    printf("\n");
}

static void table_gates(const struct bots_results *r)
{
    for (size_t i = 0; i < r->o->gates_n; i++) {
        const struct bots_gate *g = &r->o->gates[i];
        double v = r->figures.v[g->figure];
        printf("expected          %s: ", g->text);
        if (isnan(v))
            printf("nothing measured, not kept\n");
        else
            printf("%.12g, %s\n", v, bots_gate_holds(g, &r->figures) ? "kept" : "not kept");
    }
}

void bots_report_table(const struct bots_results *r)
{
    const struct bots_options *o = r->o;
    const struct bots_totals *t = r->t;
    const struct bots_hist *latency = r->latency;
    char where[32] = "in no room";
    if (!o->no_room)
        (void)snprintf(where, sizeof where, "rooms of %" PRIu32, o->room_size);
    printf("players           %" PRIu32 " of %" PRIu32 " in, %s, %g updates/s each\n", t->in,
           o->players, where, o->rate_hz);
    printf("datagrams         %s\n", r->udp_mode[0] ? r->udp_mode : "none");
    table_link(r);
    printf("logins            %.1f /s in %.2f s (p50 %.1f ms, max %.1f ms)\n",
           per_s(t->in + t->disconnects, t->login_s), t->login_s, ms(t->login_p50_us),
           ms(t->login_max_us));
    printf("measured          %.2f s%s\n", t->measured_s, t->interrupted ? ", interrupted" : "");
    printf("sent              %" PRIu64 " (%.0f /s), %" PRIu64 " refused by the socket\n", t->sent,
           per_s(t->sent, t->measured_s), t->unsent);
    printf("expected          %" PRIu64 "\n", t->expected);
    printf("delivered         %" PRIu64 " (%.0f /s)\n", t->delivered,
           per_s(t->delivered, t->measured_s));
    printf("lost              %" PRIu64 " (%.4f %%), duplicated %" PRIu64 "\n", lost(t),
           percent(lost(t), t->expected), t->duplicates);
    printf("compared          %" PRIu64 " byte by byte, %" PRIu64 " damaged, %" PRIu64
           " for others\n",
           t->compared, t->corrupt, t->foreign);
    printf("relay latency     p50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms, max %.2f ms\n",
           ms(bots_hist_quantile(latency, 0.5)), ms(bots_hist_quantile(latency, 0.99)),
           ms(bots_hist_quantile(latency, 0.999)), ms(latency->max));
    table_feel(r);
    printf("UDP bytes         in %" PRIu64 " (%.2f MB/s), out %" PRIu64 " (%.2f MB/s)\n",
           t->bytes_in, per_s(t->bytes_in, t->measured_s) / 1e6, t->bytes_out,
           per_s(t->bytes_out, t->measured_s) / 1e6);
    printf("since the start   %" PRIu64 " datagrams sent\n", t->datagrams_out);
    printf("at the end        %" PRIu32 " still logged in, %" PRIu32 " failed to get in, %" PRIu32
           " disconnected, %" PRIu32 " errors\n",
           t->still_in, t->failed, t->disconnects, t->errors);
    printf("own processor     %.1f %% of a core\n",
           t->measured_s > 0 ? 100 * t->cpu_s / t->measured_s : 0);
    table_cheats(t);
    table_gates(r);
}

/* ---- one line of JSON ---- */

static void json_number(const char *key, double v)
{
    if (isnan(v))
        printf("\"%s\":null", key);
    else
        printf("\"%s\":%.12g", key, v);
}

static void json_text(const char *s)
{
    (void)putchar('"');
    for (; *s; s++)
        if (*s == '"' || *s == '\\')
            printf("\\%c", *s);
        else if ((unsigned char)*s < ' ')
            printf("\\u%04x", (unsigned)*s);
        else
            (void)putchar(*s);
    (void)putchar('"');
}

static void json_link(const struct bots_results *r)
{
    const struct bots_totals *t = r->t;
    if (!r->o->link_name)
        return;
    printf(",\"link\":{\"name\":");
    json_text(r->o->link_known ? r->o->link_name : "file");
    printf(",\"seed\":%" PRIu64 ",\"took\":%" PRIu64, r->o->seed, t->link_lost);
    printf(",\"up\":{\"datagrams\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"doubled\":%" PRIu64 "}",
           t->link_up, t->link_up_lost, t->link_up_doubled);
    printf(",\"down\":{\"datagrams\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"doubled\":%" PRIu64 "}}",
           t->link_down, t->link_down_lost, t->link_down_doubled);
}

static void json_figures(const struct bots_results *r)
{
    printf(",\"figures\":{");
    for (int i = 0; i < BOTS_FIGURES_N; i++) {
        printf("%s", i ? "," : "");
        json_number(bots_figure_name((enum bots_figure)i), r->figures.v[i]);
    }
    printf("},\"gates\":[");
    for (size_t i = 0; i < r->o->gates_n; i++) {
        const struct bots_gate *g = &r->o->gates[i];
        printf("%s{\"gate\":", i ? "," : "");
        json_text(g->text);
        printf(",");
        json_number("value", r->figures.v[g->figure]);
        printf(",\"kept\":%s}", bots_gate_holds(g, &r->figures) ? "true" : "false");
    }
    printf("]");
}

void bots_report_json(const struct bots_results *r)
{
    const struct bots_options *o = r->o;
    const struct bots_totals *t = r->t;
    const struct bots_hist *latency = r->latency;
    printf("{\"players\":%" PRIu32 ",\"playersIn\":%" PRIu32 ",\"roomSize\":%" PRIu32
           ",\"rateHz\":%g,\"udp\":\"%s\"",
           o->players, t->in, o->no_room ? 0 : o->room_size, o->rate_hz, r->udp_mode);
    printf(",\"loginS\":%.3f,\"loginsPerS\":%.2f,\"loginP50Ms\":%.3f,\"loginMaxMs\":%.3f",
           t->login_s, per_s(t->in + t->disconnects, t->login_s), ms(t->login_p50_us),
           ms(t->login_max_us));
    printf(",\"measuredS\":%.3f,\"interrupted\":%s", t->measured_s,
           t->interrupted ? "true" : "false");
    printf(",\"sent\":%" PRIu64 ",\"unsent\":%" PRIu64 ",\"expected\":%" PRIu64
           ",\"delivered\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"lostPercent\":%.5f"
           ",\"duplicates\":%" PRIu64,
           t->sent, t->unsent, t->expected, t->delivered, lost(t), percent(lost(t), t->expected),
           t->duplicates);
    printf(",\"compared\":%" PRIu64 ",\"damaged\":%" PRIu64 ",\"foreign\":%" PRIu64, t->compared,
           t->corrupt, t->foreign);
    printf(",\"latencyMs\":{\"p50\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"max\":%.3f}",
           ms(bots_hist_quantile(latency, 0.5)), ms(bots_hist_quantile(latency, 0.99)),
           ms(bots_hist_quantile(latency, 0.999)), ms(latency->max));
    printf(",\"bytesIn\":%" PRIu64 ",\"bytesOut\":%" PRIu64 ",\"datagramsSentTotal\":%" PRIu64,
           t->bytes_in, t->bytes_out, t->datagrams_out);
    printf(",\"stillLoggedIn\":%" PRIu32 ",\"failed\":%" PRIu32 ",\"disconnects\":%" PRIu32
           ",\"errors\":%" PRIu32 ",\"cpuS\":%.3f",
           t->still_in, t->failed, t->disconnects, t->errors, t->cpu_s);
    json_link(r);
    json_figures(r);
    printf("}\n");
}
