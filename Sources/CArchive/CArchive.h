// libarchive for the gzip and zstd filters, liblzma for xz with a memory limit.
#include <archive.h>
#include <archive_entry.h>
#include <lzma.h>

// Macros with casts, which Swift does not import.
static const unsigned int CArchiveRegularFile = AE_IFREG;
static const unsigned int CArchiveXZConcatenated = LZMA_CONCATENATED;
static const unsigned int CArchiveXZTellUnsupportedCheck = LZMA_TELL_UNSUPPORTED_CHECK;
