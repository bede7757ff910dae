// error: backbuf: a state has at most BB_MAX_DIMS dimensions
#include <backbuf.hpp>
void wrong() { backbuf::Manager<float> m({1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}); }
