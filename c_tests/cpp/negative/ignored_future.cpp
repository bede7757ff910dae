// error: ignoring return(ed)? value
#include <backbuf.hpp>
void wrong(backbuf::Buffer &b) { b.mapAsync(); }
