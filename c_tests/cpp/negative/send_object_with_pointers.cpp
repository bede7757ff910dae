// error: .*backbuf: only the bytes of trivially copyable types can be moved
#include <backbuf.hpp>
#include <string>
#include <vector>
void wrong(backbuf::Sender &tx, const std::vector<std::string> &all) { static_cast<void>(tx.send(all)); }
