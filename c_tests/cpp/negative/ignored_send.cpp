// error: ignoring return(ed)? value
#include <backbuf.hpp>
void wrong(backbuf::Sender &tx) { tx.send(5); }
