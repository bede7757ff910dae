// error: use of deleted function|call to (implicitly-)?deleted (copy )?constructor
#include <backbuf.hpp>
void wrong(const backbuf::BufferRegistry &r) { backbuf::BufferRegistry copy = r; }
