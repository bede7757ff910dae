// error: use of deleted function|call to (implicitly-)?deleted (copy )?constructor
#include <backbuf.hpp>
void wrong(const backbuf::Sender &tx) { backbuf::Sender copy = tx; }
