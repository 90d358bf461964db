#include "os/audit_key.h"

#include "os/key_file.h"

_Static_assert(KEY_FILE_BYTES == CHAIN_KEY, "a seed is a key file's");

int audit_key_open(uint8_t key[CHAIN_KEY], const char *data_dir, struct entropy *entropy,
                   struct buf *why)
{
    return key_file_open(key, data_dir, "audit", entropy, why);
}
