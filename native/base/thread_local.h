#pragma once

/// A plain variable of each thread at a fixed offset from the thread pointer: without the attribute every access from a
/// shared library is a call. The room for such variables is small, so it is for flags and pointers only.
#if defined(__linux__)
#define ONDOL_THREAD_LOCAL [[gnu::tls_model("initial-exec")]] static inline thread_local
#else
#define ONDOL_THREAD_LOCAL static inline thread_local
#endif
