// libarchive for the gzip and zstd filters, liblzma for xz with a memory limit.
#include <archive.h>
#include <archive_entry.h>
#include <lzma.h>
