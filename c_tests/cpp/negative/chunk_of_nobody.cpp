// error: use of deleted function|call to deleted member function
#include <backbuf.hpp>
void wrong(backbuf::Stream &s) {
    for (float &x : s.next().as<float>())
        x = 1.f;
}
