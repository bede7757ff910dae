// error: backbuf: this data is not of the manager's element type: convert it first
#include <backbuf.hpp>
#include <vector>
void wrong(backbuf::Manager<float> &m, const std::vector<double> &data) { m.enqueue(0, data); }
