/* Memory under test: with malloc, calloc, realloc and free wrapped at link time
 * (alloc_fault.cmake), the code in the executable's own objects can be made to fail at its Nth
 * request, and what it holds can be counted. Shared libraries (libcrypto, zlib, cmocka) go their
 * own way. One thread. */
#ifndef SLIPGATE_SIM_ALLOC_FAULT_H
#define SLIPGATE_SIM_ALLOC_FAULT_H

#include <stdbool.h>
#include <stddef.h>

/* The nth request from now (1 is the next) fails, later ones succeed; 0: none fails. */
void alloc_fault_at(unsigned long nth);
/* From the nth request on everything fails, until alloc_fault_at(0). */
void alloc_fault_from(unsigned long nth);
/* Whether a request has failed since then. */
bool alloc_fault_fired(void);

/* From now on every block that is freed or moved is searched for these bytes (NULL: no more):
 * memory that held a secret has to be wiped first. */
void alloc_secret(const void *p, size_t n);
/* How many blocks were found to hold it. */
unsigned long alloc_secret_leaks(void);

/* While suspended, memory is neither counted nor failed: for what belongs to the test itself, and
 * is taken and freed under it. Returns what it was before. */
bool alloc_fault_suspend(bool suspended);

/* Zeroed memory of the test's own, neither counted nor failed; never NULL. */
void *alloc_own(size_t n);
void alloc_own_free(void *p);

/* For libraries that can be given an allocator: requests that fail as others do but are not counted
 * as live, because such libraries keep some for good. */
void *alloc_library_malloc(size_t n);
void *alloc_library_realloc(void *p, size_t n);
void alloc_library_free(void *p);

long alloc_live_blocks(void);
long alloc_live_bytes(void); /* as the allocator rounds them up */
/* Requests so far. */
unsigned long alloc_requests(void);

#endif
