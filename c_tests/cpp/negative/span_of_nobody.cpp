// error: use of deleted function|call to deleted member function
#include <backbuf.hpp>
float wrong(backbuf::Receiver &rx) { return rx.peek(4).as<float>()[0]; }
