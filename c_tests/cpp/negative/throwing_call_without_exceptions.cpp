// error: has no member named 'synchronize'|no member named 'synchronize' in
// flags: -fno-exceptions
#include <backbuf.hpp>
void wrong(backbuf::Manager<float> &m) { m.synchronize(); }
