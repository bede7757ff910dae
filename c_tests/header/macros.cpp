/* The header named by -DHEADER=<...> after headers whose macros have common names, such as X11's, Windows', Unreal's and Qt's. They
 * are as before when it ends. */
#include <algorithm>
#include <atomic>
#include <cassert>
#include <chrono>
#include <cstring>
#include <deque>
#include <exception>
#include <functional>
#include <future>
#include <iterator>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>
#if __cplusplus >= 202002L
#include <span>
#endif

/* What stands for each of them is no C++, wherever it would be used. */
#define FOREIGN ]foreign[

/* X11 */
#define Above FOREIGN
#define Always FOREIGN
#define Below FOREIGN
#define Bool FOREIGN
#define Complex FOREIGN
#define CurrentTime FOREIGN
#define CursorShape FOREIGN
#define DestroyAll FOREIGN
#define Expose FOREIGN
#define False FOREIGN
#define KeyPress FOREIGN
#define None FOREIGN
#define Opposite FOREIGN
#define Status FOREIGN
#define Success FOREIGN
#define True FOREIGN
#define Unsorted FOREIGN
/* Windows */
#define ABSOLUTE FOREIGN
#define CONST FOREIGN
#define CreateEvent FOREIGN
#define DELETE FOREIGN
#define DIFFERENCE FOREIGN
#define ERROR FOREIGN
#define FALSE FOREIGN
#define GetMessage FOREIGN
#define GetObject FOREIGN
#define IN FOREIGN
#define OPAQUE FOREIGN
#define OPTIONAL FOREIGN
#define OUT FOREIGN
#define RELATIVE FOREIGN
#define SendMessage FOREIGN
#define TRUE FOREIGN
#define VOID FOREIGN
#define Yield FOREIGN
#define far FOREIGN
#define interface FOREIGN
#define max(a, b) FOREIGN
#define min(a, b) FOREIGN
#define near FOREIGN
#define small FOREIGN
/* Unreal and macOS */
#define PI FOREIGN
#define TEXT(x) FOREIGN
#define UI FOREIGN
#define check(x) FOREIGN
#define ensure(x) FOREIGN
#define require(x, label) FOREIGN
#define verify(x) FOREIGN
/* Qt */
#define emit FOREIGN
#define foreach(a, b) FOREIGN
#define forever FOREIGN
#define signals FOREIGN
#define slots FOREIGN
/* the C library and compilers */
#define I FOREIGN
#define index(s, c) FOREIGN
#define linux FOREIGN
#define major(device) FOREIGN
#define minor(device) FOREIGN
#define unix FOREIGN

#include HEADER

#if !defined(I) || !defined(None) || !defined(Status) || !defined(forever) || !defined(index) || !defined(major) ||    \
    !defined(minor) || !defined(max) || !defined(min) || !defined(check)
#error "a macro of another header is gone"
#endif
