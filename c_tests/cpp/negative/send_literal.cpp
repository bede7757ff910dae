// error: .*backbuf: an array of char may end in a zero that is not meant: give a std::string_view
#include <backbuf.hpp>
void wrong(backbuf::Sender &tx) { static_cast<void>(tx.send("text")); }
