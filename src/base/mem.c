#include "base/mem.h"

#include <stdlib.h>

void *mem_zalloc(size_t n, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(n, size, &total))
        return NULL;
    return calloc(total ? total : 1, 1);
}

void *mem_resize(void *p, size_t n, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(n, size, &total))
        return NULL;
    return realloc(p, total ? total : 1);
}

void mem_free(void *p)
{
    free(p);
}

void mem_wipe(void *p, size_t n)
{
    if (n) {
        memset(p, 0, n);
        __asm__ volatile("" : : "r"(p) : "memory");
    }
}

void mem_free_secret(void *p, size_t n)
{
    if (p) {
        mem_wipe(p, n);
        mem_free(p);
    }
}

bool mem_equal_ct(const void *a, const void *b, size_t n)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t diff = 0;
    for (size_t i = 0; i < n; i++)
        diff |= (uint8_t)(x[i] ^ y[i]);
    return diff == 0;
}
