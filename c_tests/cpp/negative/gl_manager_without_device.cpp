// error: no matching function|no matching constructor
#include <backbuf.hpp>
void wrong() { backbuf::GLBufferManager<float> m({8}); }
