// error: passing .* as .this. argument discards qualifiers|'this' argument to member function 'send' has type
#include <backbuf.hpp>
// What is const may be shared, and an end is one thread's.
void wrong(const backbuf::Sender &tx) { static_cast<void>(tx.send(5)); }
