/* The header named by -DHEADER=<...> needs nothing before it and may be included twice. */
#include HEADER
#include HEADER
