// error: use of deleted function|call to deleted member function
#include <backbuf.hpp>
#include <vector>
void wrong(backbuf::Encoder &e, backbuf::DeviceBuffer &b) { e.write(b, std::vector<float>(4)); }
