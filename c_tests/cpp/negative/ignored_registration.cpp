// error: ignoring return(ed)? value
#include <backbuf.hpp>
void wrong(const backbuf::BufferRegistry &r) { r.try_register_buffer(1, backbuf::CUDABuffer::shared("k1", 3)); }
