// error: cannot convert 'int' to 'backbuf::Location'|cannot initialize a parameter of type '(backbuf::)?Location'
#include <backbuf.hpp>
void wrong(backbuf::CUDABufferUpdate &update) { update.location(BB_LOCATION_LOCAL); }
