#include "sim/alloc_fault.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

static struct {
    unsigned long requests, fail_at;
    bool for_good, fired, suspended;
    long blocks, bytes;
    const void *secret;
    size_t secret_n;
    unsigned long leaks;
} state;

void alloc_secret(const void *p, size_t n)
{
    state.secret = p;
    state.secret_n = n;
    state.leaks = 0;
}

unsigned long alloc_secret_leaks(void)
{
    return state.leaks;
}

static void search(const void *p)
{
    if (p && state.secret && !state.suspended &&
        memmem(p, malloc_usable_size((void *)(uintptr_t)p), state.secret, state.secret_n))
        state.leaks++;
}

void alloc_fault_at(unsigned long nth)
{
    state.fail_at = nth ? state.requests + nth : 0;
    state.for_good = state.fired = false;
}

void alloc_fault_from(unsigned long nth)
{
    alloc_fault_at(nth);
    state.for_good = true;
}

bool alloc_fault_fired(void)
{
    return state.fired;
}

long alloc_live_blocks(void)
{
    return state.blocks;
}

long alloc_live_bytes(void)
{
    return state.bytes;
}

unsigned long alloc_requests(void)
{
    return state.requests;
}

bool alloc_fault_suspend(bool suspended)
{
    bool before = state.suspended;
    state.suspended = suspended;
    return before;
}

static bool must_fail(void)
{
    if (state.suspended)
        return false;
    state.requests++;
    if (!state.fail_at || state.requests < state.fail_at ||
        (state.requests > state.fail_at && !state.for_good))
        return false;
    state.fired = true;
    errno = ENOMEM;
    return true;
}

static void *count_in(void *p)
{
    if (p && !state.suspended) {
        state.blocks++;
        state.bytes += (long)malloc_usable_size(p);
    }
    return p;
}

static void count_out(void *p)
{
    if (p && !state.suspended) {
        state.blocks--;
        state.bytes -= (long)malloc_usable_size(p);
    }
}

void *__wrap_malloc(size_t n)
{
    return must_fail() ? NULL : count_in(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return must_fail() ? NULL : count_in(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t n)
{
    if (must_fail())
        return NULL;
    long before = p ? (long)malloc_usable_size(p) : 0;
    search(p); /* it may move, and leaves its bytes behind then */
    void *q = __real_realloc(p, n);
    if (q && !state.suspended) {
        state.bytes += (long)malloc_usable_size(q) - before;
        state.blocks += p == NULL;
    }
    return q;
}

void __wrap_free(void *p)
{
    search(p);
    count_out(p);
    __real_free(p);
}

void *alloc_own(size_t n)
{
    void *p = __real_calloc(1, n ? n : 1);
    if (!p)
        abort();
    return p;
}

void alloc_own_free(void *p)
{
    __real_free(p);
}

void *alloc_library_malloc(size_t n)
{
    return must_fail() ? NULL : __real_malloc(n);
}

void *alloc_library_realloc(void *p, size_t n)
{
    return must_fail() ? NULL : __real_realloc(p, n);
}

void alloc_library_free(void *p)
{
    __real_free(p);
}
