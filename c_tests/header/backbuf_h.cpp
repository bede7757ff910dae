/* The header needs nothing before it and may be included twice. */
#include <backbuf.h>
