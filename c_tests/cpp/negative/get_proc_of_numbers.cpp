// error: get_proc tells where a function is
#include <backbuf.hpp>
int is_there(const char *);
void wrong() { backbuf::GLConfig().host_driven(is_there); }
