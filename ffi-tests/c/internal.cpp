// What programs of the reference call although no C header declares it; see ffi-tests/tests/internal.rs.
#define LLAMA_API_INTERNAL
#include "llama.h"

#include <cstdio>
#include <cstring>

// Declared in a header inside the reference's source.
void llama_decode_stop();
void llama_decode_reset();
void llama_log_internal(ggml_log_level level, const char * format, ...);

static std::string logged;

static void on_log(ggml_log_level level, const char * text, void * user_data) {
    if (level == GGML_LOG_LEVEL_ERROR || user_data == nullptr) logged += text;
    // A callback may replace itself.
    llama_log_set(on_log, user_data);
}

#define CHECK(x) do { if (!(x)) { std::printf("line %d: %s\n", __LINE__, #x); return 1; } } while (0)

int main(int argc, char ** argv) {
    CHECK(argc > 1);
    llama_log_set(on_log, nullptr);
    llama_log_internal(GGML_LOG_LEVEL_INFO, "%s %d %.1f\n", "text", 7, 0.5);
    CHECK(logged == "text 7 0.5\n");
    const std::string large(1000, 'x');
    logged.clear();
    llama_log_internal(GGML_LOG_LEVEL_INFO, "<%s>\n", large.c_str());
    CHECK(logged == "<" + large + ">\n");
    int only_errors = 0;
    llama_log_set(on_log, &only_errors);

    llama_model * model = llama_model_load_from_file(argv[1], llama_model_default_params());
    llama_context_params params = llama_context_default_params();
    params.n_ctx = 64;
    llama_context * ctx = llama_init_from_model(model, params);
    CHECK(ctx != nullptr);

    const auto & tensors = llama_internal_get_tensor_map(ctx);
    CHECK(tensors.size() == 272);
    size_t found = 0;
    for (const auto & [name, tensor] : tensors) {
        CHECK(name == ggml_get_name(tensor) && llama_get_model_tensor(model, name.c_str()) == tensor);
        found += name == "blk.29.ffn_down.weight";
    }
    CHECK(found == 1);
    const std::vector<std::pair<std::string, ggml_tensor *>> copy = tensors;
    CHECK(copy == tensors);

    llama_token tokens[] = { 1, 2, 3 };
    logged.clear();
    llama_decode_stop();
    CHECK(llama_decode(ctx, llama_batch_get_one(tokens, 3, 0, 0)) == -3);
    CHECK(logged.find("llama_decode_stop") != std::string::npos && llama_get_kv_cache_used_cells(ctx) == 0);
    llama_decode_reset();
    CHECK(llama_decode(ctx, llama_batch_get_one(tokens, 3, 0, 0)) == 0);

    std::mt19937 rng(1);
    llama_token_data data[] = { { 5, 1.0f, 0.0f }, { 6, 90.0f, 0.0f } };
    llama_token_data_array candidates = { data, 2, -1, false };
    CHECK(llama_sample_token_with_rng(ctx, &candidates, rng) == 6);
    llama_free(ctx);
    llama_free_model(model);
    std::printf("done\n");
    return 0;
}
