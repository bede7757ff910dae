// error: assignment of read-only location|cannot assign to (return value because function|variable)
#include <backbuf.hpp>
void wrong(backbuf::Peek &seen) { seen.as<float>()[0] = 1.f; }
