// error: use of deleted function|call to (implicitly-)?deleted (copy )?constructor
#include <backbuf.hpp>
void wrong(const backbuf::Batch<float> &b) { backbuf::Batch<float> copy = b; }
