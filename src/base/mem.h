/* Allocation. Plain malloc underneath, so that tests can fail the Nth call at link time; sizes are
 * checked for overflow, memory comes zeroed, and secrets are wiped before they are freed. */
#ifndef SLIPGATE_BASE_MEM_H
#define SLIPGATE_BASE_MEM_H

#include "base/types.h"

/* n objects of size bytes, zeroed; NULL when memory is short or n * size overflows. */
MUST_USE void *mem_zalloc(size_t n, size_t size);
/* Grows or shrinks an array; NULL leaves the old block untouched. */
MUST_USE void *mem_resize(void *p, size_t n, size_t size);
void mem_free(void *p);
/* Overwrites in a way the compiler may not remove. */
void mem_wipe(void *p, size_t n);
/* mem_wipe, then mem_free; NULL is fine. */
void mem_free_secret(void *p, size_t n);
/* Compares in time that depends on n alone. */
bool mem_equal_ct(const void *a, const void *b, size_t n);

#endif
