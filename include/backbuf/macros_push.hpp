// Hides macros of other headers that would change the names of this library's: those of X11 (None, Status), Qt (forever), Windows
// (min), Unreal (check) and of the C library (I, index, major, minor). Each header ends with macros_pop.hpp, which brings them back.
// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma push_macro("I")
#pragma push_macro("None")
#pragma push_macro("Status")
#pragma push_macro("check")
#pragma push_macro("forever")
#pragma push_macro("index")
#pragma push_macro("major")
#pragma push_macro("max")
#pragma push_macro("min")
#pragma push_macro("minor")
#undef I
#undef None
#undef Status
#undef check
#undef forever
#undef index
#undef major
#undef max
#undef min
#undef minor
