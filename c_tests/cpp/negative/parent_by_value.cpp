// error: could not convert|cannot convert|no viable conversion|no matching function
#include <backbuf.hpp>
struct Solver {};
// Its address is meant: &solver.
void wrong(const backbuf::BufferRegistry &r, const Solver &solver) { r.clear_parent(solver); }
