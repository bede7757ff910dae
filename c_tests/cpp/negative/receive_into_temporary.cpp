// error: .*backbuf: nothing can be received into a temporary or const object
#include <backbuf.hpp>
void wrong(backbuf::Receiver &rx) { static_cast<void>(rx.recv(5)); }
