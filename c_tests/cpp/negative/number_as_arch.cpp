// error: cannot convert 'int' to 'backbuf::Arch'|could not convert .* to 'backbuf::Arch'|no viable conversion from 'int' to '(backbuf::)?Arch'
#include <backbuf.hpp>
// What is 128, and what is 90?
bool wrong(const backbuf::BufferRegistry &r) { return r.fits(1, 128, 90); }
