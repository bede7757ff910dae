// error: get_proc must return a pointer
#include <backbuf.hpp>
int is_there(const char *);
void wrong() { backbuf::GLConfig().host_driven(is_there); }
