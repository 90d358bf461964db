#include "store/pg_error.h"

#include "base/err.h"

#include <stdio.h>

/* By the first characters of the SQLSTATE, the longer match first. */
static const struct {
    const char *state;
    int rc;
    const char *words; /* NULL: the server's own say enough */
} classes[] = {
    {"0A000", E_IO, NULL}, /* a prepared statement's result changed its type: prepare again */
    {"21", E_REFUSED, NULL},
    {"22", E_REFUSED, NULL},
    {"23", E_REFUSED, NULL},
    {"25006", E_IO, "the server takes no writes: it is a standby, or set read-only"},
    {"25P03", E_IO, "the server ended a transaction that stood still for too long"},
    {"26", E_IO, NULL},
    {"40", E_AGAIN, NULL},
    {"42", E_REFUSED, NULL},
    {"44", E_REFUSED, NULL},
    {"53100", E_FULL, "the server's disk is full"},
    {"53200", E_BUSY, "the server is out of memory"},
    {"53300", E_IO, "the server has too many connections (its max_connections)"},
    {"54", E_REFUSED, NULL},
    {"55P03", E_BUSY, "another transaction keeps a row or table locked for too long"},
    {"57014", E_BUSY, "a statement took too long, or was cancelled by hand"},
    {"57P01", E_IO, "the server was shut down, or an administrator ended the connection"},
    {"57P02", E_IO, "the server restarts after a crash"},
    {"57P03", E_IO, "the server is starting up or shutting down"},
    {"P0", E_REFUSED, NULL}, /* a trigger of the operator's */
    {"XX001", E_FORMAT, NULL},
    {"XX002", E_FORMAT, NULL},
};

static size_t find(const char *state)
{
    size_t i = 0;
    while (i < ARRAY_LEN(classes) &&
           strncmp(state, classes[i].state, strlen(classes[i].state)) != 0)
        i++;
    return i;
}

int pg_error_class(const char *state)
{
    size_t i = state ? find(state) : ARRAY_LEN(classes);
    return i < ARRAY_LEN(classes) ? classes[i].rc : E_IO;
}

/* Several lines become one, what cannot be shown becomes '?'. */
static void one_line(const char *from, char to[SQL_ERROR_MAX])
{
    size_t n = 0;
    while (*from && n + 3 < SQL_ERROR_MAX) {
        char c = *from++;
        bool shown = (unsigned char)c >= ' ' && c != 0x7f;
        if (c != '\n' && c != '\t') {
            to[n++] = '?';
            if (shown)
                to[n - 1] = c;
            continue;
        }
        from += strspn(from, "\n\t ");
        if (*from && n) {
            to[n++] = ';';
            to[n++] = ' ';
        }
    }
    to[n] = '\0';
}

int pg_error_result(const PGresult *r, char to[SQL_ERROR_MAX])
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *said = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    char line[SQL_ERROR_MAX];
    if (!state || !said) {
        one_line(PQresultErrorMessage(r), to);
        if (!to[0])
            snprintf(to, SQL_ERROR_MAX, "the connection was lost");
        return E_IO;
    }
    size_t i = find(state);
    one_line(i < ARRAY_LEN(classes) && classes[i].words ? classes[i].words : said, line);
    snprintf(to, SQL_ERROR_MAX, "%.*s (PostgreSQL %.5s)", SQL_ERROR_MAX - 24, line, state);
    return pg_error_class(state);
}

void pg_error_connection(const PGconn *pq, char to[SQL_ERROR_MAX])
{
    one_line(PQerrorMessage(pq), to);
    if (!to[0])
        snprintf(to, SQL_ERROR_MAX, "the connection was lost");
}
