// error: use of deleted function|overload resolution selected (implicitly-)?deleted|cannot be assigned because its copy assignment operator is implicitly deleted
#include <backbuf.hpp>
void wrong(backbuf::Back<float> &a, const backbuf::Back<float> &b) { a = b; }
