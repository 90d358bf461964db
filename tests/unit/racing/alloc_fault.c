#include "alloc_fault.h"

#include <errno.h>
#include <malloc.h>

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
    bool for_good, fired;
    long blocks, bytes;
} state;

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

static bool must_fail(void)
{
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
    if (p) {
        state.blocks++;
        state.bytes += (long)malloc_usable_size(p);
    }
    return p;
}

static void count_out(void *p)
{
    if (p) {
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
    void *q = __real_realloc(p, n);
    if (q) {
        state.bytes += (long)malloc_usable_size(q) - before;
        state.blocks += p == NULL;
    }
    return q;
}

void __wrap_free(void *p)
{
    count_out(p);
    __real_free(p);
}
