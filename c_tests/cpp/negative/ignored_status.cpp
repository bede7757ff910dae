// error: ignoring return(ed)? value
#include <backbuf.hpp>
void wrong(backbuf::Manager<float> &m) { m.try_enqueue(0, 1.f); }
