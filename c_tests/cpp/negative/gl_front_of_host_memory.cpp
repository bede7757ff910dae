// error: no member named '?front_gl|has no member named 'front_gl'
#include <backbuf.hpp>
void wrong(backbuf::Manager<float> &on_host) { on_host.front_gl(); }
