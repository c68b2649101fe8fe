// Functions with a variable number of arguments, which Rust can call but not define. `variadic.rs` exports them.
#include "ggml.h"

#include <execinfo.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

void ikrs_abort(const char *file, int line, const char *fmt, ...);
struct ggml_tensor *ikrs_format_name(struct ggml_tensor *tensor, const char *fmt, ...);
void ikrs_log_set(ggml_log_callback callback, void *user_data);
void ikrs_log_internal(enum ggml_log_level level, const char *fmt, ...);

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

static ggml_log_callback log_callback;
static void *log_user_data;

void ikrs_log_set(ggml_log_callback callback, void *user_data) {
    log_callback = callback;
    log_user_data = user_data;
}

void ikrs_log_internal(enum ggml_log_level level, const char *fmt, ...) {
    char small[256];
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    const int length = vsnprintf(small, sizeof(small), fmt, args);
    va_end(args);
    char *large = NULL;
    if (length >= (int) sizeof(small) && (large = malloc((size_t) length + 1)) != NULL) {
        vsnprintf(large, (size_t) length + 1, fmt, again);
    }
    va_end(again);
    const char *text = large != NULL ? large : small; // cut short if there is no memory
    if (log_callback != NULL) {
        log_callback(level, text, log_user_data);
    } else {
        fputs(text, stderr);
        fflush(stderr);
    }
    free(large);
}
