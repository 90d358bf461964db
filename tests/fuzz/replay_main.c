/* Runs a fuzz target over kept inputs: f_NAME FILE-OR-DIRECTORY... Each input lies in a block of
 * exactly its size. Fails when there is none, so that a lost corpus shows. */
#include "fuzz.h"

#include <ftw.h>
#include <sys/stat.h>

static size_t inputs;

static int run_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)ftw;
    if (type != FTW_F)
        return type == FTW_D ? 0 : -1;
    size_t size = (size_t)st->st_size;
    uint8_t *data = malloc(size ? size : 1);
    FILE *f = fopen(path, "rb");
    bool ok = data && f && fread(data, 1, size, f) == size;
    if (ok) {
        (void)LLVMFuzzerTestOneInput(data, size);
        inputs++;
    }
    if (f)
        (void)fclose(f);
    free(data);
    return ok ? 0 : -1;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (nftw(argv[i], run_file, 16, FTW_PHYS) != 0) {
            fprintf(stderr, "cannot read %s\n", argv[i]);
            return 1;
        }
    }
    printf("%zu inputs\n", inputs);
    return inputs ? 0 : 1;
}
