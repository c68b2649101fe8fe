// A metadata value that replaces or adds to the model file's; an array of them ends with an empty key.
struct llama_model_kv_override {
    enum llama_model_kv_override_type tag;

    char key[128];

    union {
        int64_t val_i64;
        double val_f64;
        bool val_bool;
        char val_str[128];
    };
};

typedef struct llama_batch llama_batch;
typedef struct llama_chat_message llama_chat_message;
typedef struct llama_model_quantize_params llama_model_quantize_params;
typedef struct llama_token_data llama_token_data;
typedef struct llama_token_data_array llama_token_data_array;


// C++ functions for programs that look inside.
#if defined(__cplusplus) && defined(LLAMA_API_INTERNAL)

#include <random>
#include <string>
#include <utility>
#include <vector>

// The model's tensors with their names. It lives as long as the context.
const std::vector<std::pair<std::string, struct ggml_tensor *>> & llama_internal_get_tensor_map(struct llama_context *ctx);

// Picks a token by the probabilities of the candidates with the caller's own random numbers.
llama_token llama_sample_token_with_rng(struct llama_context *ctx, llama_token_data_array *candidates, std::mt19937 &rng);

#endif
