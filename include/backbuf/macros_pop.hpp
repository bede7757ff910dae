// Brings back what macros_push.hpp has hidden.
// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma pop_macro("I")
#pragma pop_macro("None")
#pragma pop_macro("Status")
#pragma pop_macro("check")
#pragma pop_macro("forever")
#pragma pop_macro("index")
#pragma pop_macro("major")
#pragma pop_macro("max")
#pragma pop_macro("min")
#pragma pop_macro("minor")
