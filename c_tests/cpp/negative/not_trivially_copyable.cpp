// error: backbuf: elements must be trivially copyable, as their bytes are copied
#include <backbuf.hpp>
#include <string>
void wrong() { backbuf::Manager<std::string> m({2, 2}); }
