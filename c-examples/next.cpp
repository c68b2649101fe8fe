// next MODEL.gguf TEXT: which words are likely to come next, and how likely each word of the text was to the model.
//
// C++ around the C interface: std::unique_ptr frees what the library made, std::vector holds tokens, std::string text.
#include "llama.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

struct Free {
    void operator()(llama_model * model) const { llama_free_model(model); }
    void operator()(llama_context * ctx) const { llama_free(ctx); }
};
using Model = std::unique_ptr<llama_model, Free>;
using Context = std::unique_ptr<llama_context, Free>;

static std::vector<llama_token> tokenize(const Model & model, const std::string & text) {
    std::vector<llama_token> tokens(text.size() + 2); // there are never more tokens than bytes, but for one at each end
    const int n = llama_tokenize(model.get(), text.data(), int(text.size()), tokens.data(), int(tokens.size()), true, false);
    tokens.resize(n > 0 ? size_t(n) : 0);
    return tokens;
}

static std::string piece(const Model & model, llama_token token) {
    std::string text(64, '\0');
    const int n = llama_token_to_piece(model.get(), token, &text[0], int(text.size()), 0, true);
    text.resize(n > 0 ? size_t(n) : 0);
    return text;
}

// Logits are logarithms of probabilities up to a constant.
static std::vector<float> probabilities(const float * logits, int n_vocab) {
    std::vector<float> p(logits, logits + n_vocab);
    const float max = *std::max_element(p.begin(), p.end());
    for (float & value : p) value = std::exp(value - max);
    const float sum = std::accumulate(p.begin(), p.end(), 0.0f);
    for (float & value : p) value /= sum;
    return p;
}

int main(int argc, char ** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: next MODEL.gguf TEXT\n");
        return 1;
    }
    llama_log_set([](ggml_log_level, const char *, void *) {}, nullptr); // silence

    Model model(llama_model_load_from_file(argv[1], llama_model_default_params()));
    if (!model) return 1;
    llama_context_params params = llama_context_default_params();
    params.n_ctx = 512;
    Context ctx(llama_init_from_model(model.get(), params));
    if (!ctx) return 1;

    // A batch says for every token where it stands, which sequence it belongs to, and whether its logits are wanted: here, all.
    const std::vector<llama_token> tokens = tokenize(model, argv[2]);
    llama_batch batch = llama_batch_init(int(tokens.size()), 0, 1);
    for (size_t i = 0; i < tokens.size(); i++) {
        batch.token[i] = tokens[i];
        batch.pos[i] = llama_pos(i);
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i] = true;
    }
    batch.n_tokens = int(tokens.size());
    const int result = llama_decode(ctx.get(), batch);
    llama_batch_free(batch);
    if (result != 0) return 1;

    const int n_vocab = llama_n_vocab(model.get());
    std::vector<float> p;
    for (size_t i = 0; i < tokens.size(); i++) {
        p = probabilities(llama_get_logits_ith(ctx.get(), int(i)), n_vocab);
        if (i + 1 < tokens.size()) std::printf("%6.2f %%  %s\n", 100 * p[size_t(tokens[i + 1])], piece(model, tokens[i + 1]).c_str());
    }

    std::vector<llama_token> order(p.size());
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(order.begin(), order.begin() + 5, order.end(), [&](llama_token a, llama_token b) { return p[size_t(a)] > p[size_t(b)]; });
    std::printf("next:\n");
    for (int k = 0; k < 5; k++) std::printf("%6.2f %%  %s\n", 100 * p[size_t(order[size_t(k)])], piece(model, order[size_t(k)]).c_str());
    return 0;
}
