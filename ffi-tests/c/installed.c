// A program of somebody who installed ikrs; see ffi-tests/tests/install.rs.
#include "llama.h"

int main(void) {
    struct llama_model_params params = llama_model_default_params();
    printf("%s %d\n", ggml_type_name(GGML_TYPE_IQ4_NL), params.use_mmap);
    return 0;
}
