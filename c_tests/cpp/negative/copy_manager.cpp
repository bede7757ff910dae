// error: use of deleted function|call to (implicitly-)?deleted (copy )?constructor
#include <backbuf.hpp>
void wrong(const backbuf::Manager<float> &m) { backbuf::Manager<float> copy = m; }
