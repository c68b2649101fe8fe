// chat MODEL.gguf [QUESTION [TOKENS]]: answers the question, or, without one, every line you type, remembering what was said.
//
// A language model continues text. Text is cut into tokens (numbers); `llama_decode` takes tokens and gives, for the last one,
// a score ("logit") for each possible next token. We pick one, show it, and feed it back: that is all.
#include "llama.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONTEXT = 2048 };

static struct llama_model * model;
static struct llama_context * ctx;
static llama_token_data * candidates;
static int n_past = 0; // tokens that the context holds already

static void fail(const char * why) {
    fprintf(stderr, "error: %s\n", why);
    exit(1);
}

// The library tells a lot; show only what went wrong.
static void on_log(enum ggml_log_level level, const char * text, void * user_data) {
    (void) user_data;
    if (level == GGML_LOG_LEVEL_ERROR) fputs(text, stderr);
}

// Feeds tokens to the model. They stay in the context, so that nothing is computed twice.
static void feed(llama_token * tokens, int n) {
    if (n_past + n > CONTEXT) fail("the conversation no longer fits into the context");
    if (llama_decode(ctx, llama_batch_get_one(tokens, n, n_past, 0)) != 0) fail("llama_decode failed");
    n_past += n;
}

// Picks the next token: at random among the likely ones. A low temperature prefers the likeliest.
static llama_token pick(void) {
    const float * logits = llama_get_logits_ith(ctx, -1);
    const int n_vocab = llama_n_vocab(model);
    for (int id = 0; id < n_vocab; id++) candidates[id] = (llama_token_data) { id, logits[id], 0.0f };
    llama_token_data_array array = { candidates, (size_t) n_vocab, -1, false };
    llama_sample_top_k(ctx, &array, 40, 1);
    llama_sample_top_p(ctx, &array, 0.9f, 1);
    llama_sample_temp(ctx, &array, 0.2f);
    return llama_sample_token(ctx, &array);
}

// Asks one question and streams the answer, at most max_tokens long.
static void ask(const char * question, int max_tokens) {
    // The model was trained on conversations with these markers, which tokenize to single special tokens.
    const size_t size = strlen(question) + 128;
    char * prompt = malloc(size);
    snprintf(prompt, size, "%s<|im_start|>user\n%s<|im_end|>\n<|im_start|>assistant\n", n_past ? "<|im_end|>\n" : "", question);
    const int length = (int) strlen(prompt);
    const int n = -llama_tokenize(model, prompt, length, NULL, 0, false, true); // without room: how many there would be
    llama_token * tokens = malloc((size_t) n * sizeof(llama_token));
    llama_tokenize(model, prompt, length, tokens, n, false, true);
    feed(tokens, n);
    free(tokens);
    free(prompt);
    const int64_t start = llama_time_us();
    int made = 0;
    for (llama_token token = pick(); made < max_tokens && !llama_token_is_eog(model, token); token = pick()) {
        char piece[256]; // not terminated by a zero; a character may come in several pieces
        const int bytes = llama_token_to_piece(model, token, piece, sizeof(piece), 0, false);
        fwrite(piece, 1, bytes > 0 ? (size_t) bytes : 0, stdout);
        fflush(stdout);
        feed(&token, 1);
        made++;
    }
    const double seconds = (double) (llama_time_us() - start) / 1e6;
    printf("\n[prompt: %d tokens; answer: %d tokens, %.1f tokens/s]\n", n, made, made / seconds);
}

int main(int argc, char ** argv) {
    if (argc < 2) fail("usage: chat MODEL.gguf [QUESTION [TOKENS]]");
    llama_log_set(on_log, NULL);
    llama_backend_init();
    model = llama_model_load_from_file(argv[1], llama_model_default_params());
    if (model == NULL) fail("cannot load the model");
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = CONTEXT;
    params.n_threads = params.n_threads_batch = (uint32_t) sysconf(_SC_NPROCESSORS_ONLN);
    params.flash_attn = true;
    params.seed = 1; // the same answer every time
    ctx = llama_init_from_model(model, params);
    if (ctx == NULL) fail("cannot create a context");
    candidates = malloc((size_t) llama_n_vocab(model) * sizeof(llama_token_data));

    char line[4096];
    if (argc > 2) ask(argv[2], argc > 3 ? atoi(argv[3]) : 200);
    else while (printf("> "), fflush(stdout), fgets(line, sizeof(line), stdin)) ask(line, 500);
    free(candidates);
    llama_free(ctx);
    llama_free_model(model);
    llama_backend_free();
    return 0;
}
