/* The server's series. */
#ifndef SLIPGATE_OS_SERVER_ROWS_H
#define SLIPGATE_OS_SERVER_ROWS_H

#include "base/metric.h"

enum server_row {
    ROW_ACCEPTED,
    ROW_REFUSED_FULL,
    ROW_REFUSED_ADDRESS,
    ROW_REFUSED_DESCRIPTORS,
    ROW_REFUSED_MEMORY,
    ROW_REFUSED_BANNED,
    ROW_REFUSED_HANDSHAKES,
    ROW_REFUSED_PROXY,
    ROW_PROXY_CHECKS,
    ROW_HANDSHAKE_OK,
    ROW_HANDSHAKE_FAILED,
    ROW_HANDSHAKE_NOT_TLS,
    ROW_HANDSHAKE_TIMEOUT,
    ROW_HANDSHAKE_CROWDED,
    ROW_LINKS_HANDSHAKE,
    ROW_LINKS_OPEN,
    ROW_LINKS_CLOSING,
    ROW_CLOSED, /* one for each enum close_why, in its order */
    ROW_CLOSED_LAST = ROW_CLOSED + 7,
    ROW_BYTES_IN,
    ROW_BYTES_OUT,
    ROW_DGRAMS_IN,
    ROW_DGRAMS_OUT,
    ROW_DGRAM_BYTES_IN,
    ROW_DGRAM_BYTES_OUT,
    ROW_DGRAM_CUT,
    ROW_DGRAM_KERNEL_DROPS,
    ROW_DGRAM_RECV_ERRORS,
    ROW_SEND_DENIED,
    ROW_SEND_UNREACHABLE,
    ROW_SEND_REFUSED,
    ROW_SEND_SIZE,
    ROW_SEND_OTHER,
    ROW_SEND_BLOCKED,
    ROW_SEND_CALLS,
    ROW_SEND_SEGMENTED,
    ROW_EGRESS_MESSAGES,
    ROW_EGRESS_PACKED,
    ROW_EGRESS_DELAYED,
    ROW_EGRESS_REPLACED,
    ROW_EGRESS_DROPPED,
    ROW_EGRESS_SEAL_FAILED,
    SERVER_ROWS,
};

extern const struct metric_row server_rows[SERVER_ROWS];

/* Where the rows of one server stand. */
struct rows {
    struct metrics *metrics;
    size_t base;
};

static inline void rows_add(const struct rows *r, enum server_row row, uint64_t n)
{
    metrics_add(r->metrics, r->base + row, n);
}

static inline void rows_set(const struct rows *r, enum server_row row, int64_t v)
{
    metrics_set(r->metrics, r->base + row, v);
}

#endif
