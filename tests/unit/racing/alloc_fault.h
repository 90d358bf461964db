/* Memory under test: with malloc, calloc, realloc and free wrapped at link time
 * (alloc_fault.cmake), the code in the executable's own objects can be made to fail at its Nth
 * request, and what it holds can be counted. Shared libraries (libcrypto, zlib, cmocka) go their
 * own way. One thread. */
#ifndef SLIPGATE_TESTS_ALLOC_FAULT_H
#define SLIPGATE_TESTS_ALLOC_FAULT_H

#include <stdbool.h>
#include <stddef.h>

/* The nth request from now (1 is the next) fails, later ones succeed; 0: none fails. */
void alloc_fault_at(unsigned long nth);
/* From the nth request on everything fails, until alloc_fault_at(0). */
void alloc_fault_from(unsigned long nth);
/* Whether a request has failed since then. */
bool alloc_fault_fired(void);

long alloc_live_blocks(void);
long alloc_live_bytes(void); /* as the allocator rounds them up */
/* Requests so far. */
unsigned long alloc_requests(void);

#endif
