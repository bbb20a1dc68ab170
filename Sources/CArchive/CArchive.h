// libarchive for the gzip and zstd filters, liblzma for xz with a memory limit, zlib to read gzip with its checksums.
// And what Swift does not see of the C library.
#include <archive.h>
#include <archive_entry.h>
#include <linux/magic.h>
#include <lzma.h>
#include <sys/vfs.h>
#include <zlib.h>

// Macros with casts, which Swift does not import.
static const unsigned int CArchiveRegularFile = AE_IFREG;
static const unsigned int CArchiveXZConcatenated = LZMA_CONCATENATED;
static const unsigned int CArchiveXZTellUnsupportedCheck = LZMA_TELL_UNSUPPORTED_CHECK;

// inflateInit2 is a macro too. 16 asks for gzip's own header and trailer, 15 for the largest window.
static inline int CArchiveGzipStart(z_stream *stream) { return inflateInit2(stream, 16 + 15); }

// Linux only, and hidden by fcntl.h where _GNU_SOURCE is not defined (fallocate(2)).
extern int fallocate(int descriptor, int mode, long offset, long length);
