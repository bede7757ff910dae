// error: .*backbuf: a kernel's buffer is of f16, f32, f64, i32 or i64
#include <backbuf.hpp>
void wrong() { backbuf::CUDABuffer::shared("flags", 3).of<bool>(); }
