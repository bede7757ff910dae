// error: ignoring return(ed)? value
#include <backbuf.hpp>
void wrong(backbuf::Receiver &rx, int &value) { rx.recv_all(value); }
