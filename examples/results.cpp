// The C++ API without exceptions (built with -fno-exceptions): each call returns a status, and its text names the error.
#include <backbuf.hpp>

#include <chrono>
#include <cstdio>

using namespace std::chrono_literals;

int main() {
    auto made = backbuf::Manager<int>::try_create({4, 4}, backbuf::Config().label("board"));
    if (!made)
        return std::puts(made.status().text()), 1;
    const backbuf::Manager<int> m = *std::move(made);

    if (const auto refused = m.try_enqueue(16, 1); refused == BB_E_RANGE)
        std::printf("refused: %s\n", refused.text());
    else
        return 1;

    if (const auto accepted = m.try_enqueue(m.shape().flat(3, 3), 1); !accepted)
        return std::puts(accepted.text()), 1;
    if (const auto published = m.try_synchronize(5s); !published)
        return std::puts(published.text()), 1;

    const auto f = m.try_front();
    if (!f)
        return std::puts(f.status().text()), 1;
    std::printf("accepted: the corner is %d\n", (*f)(3, 3));
    return (*f)(3, 3) == 1 ? 0 : 1;
}
