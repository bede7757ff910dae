// error: backbuf: a flush function returns nothing, or 0 for success and else a code
#include <backbuf.hpp>
void wrong() {
    backbuf::Config().flush([] { return true; });
}
