// error: no member named|has no member named
#include <backbuf.hpp>
void wrong(backbuf::DeviceBuffer &b) { b.mapAsync(); }
