// error: .*backbuf: nothing can be received into const elements
#include <backbuf.hpp>
#include <vector>
void wrong(backbuf::Receiver &rx, const std::vector<int> &data) { static_cast<void>(rx.recv(data)); }
