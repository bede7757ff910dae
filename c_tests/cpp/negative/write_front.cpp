// error: assignment of read-only location|cannot assign to return value because function 'operator\(\)' returns a const value|cannot assign to return value because function 'operator\(\)
#include <backbuf.hpp>
void wrong(backbuf::Front<float> &f) { f(0, 64, 64) = 1.f; }
