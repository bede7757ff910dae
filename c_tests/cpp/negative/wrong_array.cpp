// error: backbuf: this data is not of the manager's element type: convert it first
#include <backbuf.hpp>
void wrong(backbuf::Batch<float> &b) {
    const double tile[2][2] = {};
    b.region({0, 0}, {2, 2}, tile);
}
