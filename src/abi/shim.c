// Functions with a variable number of arguments, which Rust can call but not define. `variadic.rs` exports them.
#include "ggml.h"

#include <execinfo.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

void ikrs_abort(const char *file, int line, const char *fmt, ...);
struct ggml_tensor *ikrs_format_name(struct ggml_tensor *tensor, const char *fmt, ...);

void ikrs_abort(const char *file, int line, const char *fmt, ...) {
    fflush(stdout);
    fprintf(stderr, "%s:%d: ", file, line);
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    // Written to the descriptor: the heap may be what is broken.
    fflush(stderr);
    void *frames[100];
    backtrace_symbols_fd(frames, backtrace(frames, 100), STDERR_FILENO);
    abort();
}

struct ggml_tensor *ikrs_format_name(struct ggml_tensor *tensor, const char *fmt, ...) {
    if (tensor != NULL) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(tensor->name, sizeof(tensor->name), fmt, args);
        va_end(args);
    }
    return tensor;
}
