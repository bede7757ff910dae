// error: use of deleted function|call to (implicitly-)?deleted (copy )?constructor
#include <backbuf.hpp>
void wrong(const backbuf::Front<float> &f) { backbuf::Front<float> copy = f; }
