// error: use of deleted function|call to deleted member function|no (known|viable) conversion|cannot convert|invalid initialization|no matching
#include <backbuf.hpp>
void wrong(backbuf::ImmediateStagingBuffer &s, backbuf::Encoder &e, backbuf::ReadbackBuffer &b) { s.uploadTo(e, b); }
