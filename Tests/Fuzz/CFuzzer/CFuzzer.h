// The entry of libFuzzer, for programs that have a main of their own (llvm.org/docs/LibFuzzer.html, "Using libFuzzer as a library").
#include <stddef.h>
#include <stdint.h>

extern int LLVMFuzzerRunDriver(
    int *count, char ***arguments, int (*take)(const uint8_t *_Nullable bytes, size_t count));
