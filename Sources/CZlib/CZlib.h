// zlib, to take off a coding that a proxy has put on.
#include <zlib.h>

// inflateInit2 is a macro. 32 takes the header of gzip or of zlib, whichever is there, 15 the largest window.
static inline int CZlibStart(z_stream *stream) { return inflateInit2(stream, 32 + 15); }
