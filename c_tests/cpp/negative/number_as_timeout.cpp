// error: cannot convert 'int' to 'backbuf::Timeout'|no viable conversion from 'int' to '(backbuf::)?Timeout'
#include <backbuf.hpp>
void wrong(backbuf::Manager<float> &m) { m.synchronize(5); }
