// Calls the variadic functions; see ffi-tests/tests/variadic.rs.
#include "ggml.h"

#include <string.h>

int main(int argc, char ** argv) {
    struct ggml_tensor t;
    memset(&t, 0, sizeof(t));
    if (argc > 1 && strcmp(argv[1], "name") == 0) {
        // More numbers than there are registers for them.
        ggml_format_name(&t, "%s.%d.%s", "blk", 7, "attn_q");
        printf("%s ", t.name);
        if (ggml_format_name(&t, "%f %lld %.1f %.1f %.1f %.1f %.1f %.1f %.1f %.1f %.1f", -1.5, 9000000000LL,
                1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0) != &t) {
            return 1;
        }
        printf("%s\n", t.name);
        // Cut to the size of the field.
        ggml_format_name(&t, "%0100d", 1);
        printf("%zu\n", strlen(t.name));
        return 0;
    }
    GGML_ASSERT(2 + 2 == 5);
    return 0;
}
