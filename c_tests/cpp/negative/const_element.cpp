// error: backbuf: give the plain element type, without const, volatile or &
#include <backbuf.hpp>
void wrong() { backbuf::Manager<const float> m({2, 2}); }
