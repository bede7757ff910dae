// error: use of deleted function|call to (implicitly-)?deleted (copy )?constructor
#include <backbuf.hpp>
void wrong(const backbuf::Chunk &chunk) { backbuf::Chunk copy = chunk; }
