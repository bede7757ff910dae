// error: ignoring return(ed)? value
#include <backbuf.hpp>
void wrong(backbuf::GLFront &f) { f.try_end(); }
