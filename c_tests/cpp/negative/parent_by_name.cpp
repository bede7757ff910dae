// error: use of deleted function|conversion function from .* invokes a deleted function|call to deleted constructor
#include <backbuf.hpp>
// Two equal texts would be two parents, or one, as the compiler likes.
void wrong(const backbuf::BufferRegistry &r) { r.register_buffer("solver", backbuf::CUDABuffer::shared("k1", 3)); }
