/* A growable byte buffer whose ceiling is fixed at init, so that nothing a peer sends can grow it
 * without bound. An append either happens whole or not at all; after a failed append `failed` stays
 * set until buf_clear, so that a sequence of appends needs one check at its end. */
#ifndef SLIPGATE_BASE_BUF_H
#define SLIPGATE_BASE_BUF_H

#include "base/types.h"

struct buf {
    uint8_t *p;
    size_t n, cap, max;
    bool failed;
};

/* No memory is taken before the first append. max is the ceiling in bytes. */
void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);        /* frees; the buffer may be used again */
void buf_fini_secret(struct buf *b); /* wipes, then frees */
void buf_clear(struct buf *b);       /* empties, keeps the memory */
/* E_LIMIT beyond the ceiling or after an earlier failure, E_NOMEM; nothing is appended then. */
int buf_append(struct buf *b, const void *p, size_t n);
int buf_append_span(struct buf *b, struct span s);
int buf_append_str(struct buf *b, const char *s);
int buf_append_byte(struct buf *b, uint8_t c);
int buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Makes room for n more bytes and returns where to write them, or NULL; buf_commit counts them in.
 */
MUST_USE uint8_t *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);
/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);
struct span buf_span(const struct buf *b);

#endif
