/* What the files of host_fake share. */
#ifndef SLIPGATE_SIM_HOST_FAKE_PRIV_H
#define SLIPGATE_SIM_HOST_FAKE_PRIV_H

#include "base/check.h"
#include "sim/host_fake.h"

/* Present only where alloc_fault.c is linked in. */
extern bool alloc_fault_suspend(bool) __attribute__((weak));

/* From here to the matching loud() memory is the fake's own. */
static inline bool quiet(void)
{
    return alloc_fault_suspend ? alloc_fault_suspend(true) : false;
}

static inline void loud(bool before)
{
    if (alloc_fault_suspend)
        (void)alloc_fault_suspend(before);
}

static inline struct fake_link *link_at(const struct fake *f, int link)
{
    CHECK(link >= 0 && link < (int)FAKE_LINKS_MAX);
    return (struct fake_link *)(uintptr_t)&f->links[link];
}

/* host_fake_parts.c */
void fake_log_emit(struct log *, const struct log_row *, const struct log_field *, size_t n);
void fake_fill(struct entropy *, void *to, size_t n);
int fake_make_config(const struct fake *, const char *const *settings, struct config **ret,
                     struct buf *why);

#endif
