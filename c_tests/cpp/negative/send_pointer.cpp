// error: .*backbuf: a pointer needs a size: give \{data, bytes\}
#include <backbuf.hpp>
void wrong(backbuf::Sender &tx, const float *data) { static_cast<void>(tx.send(data)); }
