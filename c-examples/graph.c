// A small neural layer computed with ggml: y = gelu(W x + b), once with f32 weights and once with 4-bit weights.
//
// Tensors live in a context: an arena of a size you choose. Operators such as `ggml_mul_mat` compute nothing; they make a tensor
// that remembers its operator and sources. `ggml_graph_compute_with_ctx` then computes all that a result needs.
#include "ggml.h"

#include <math.h>
#include <stdlib.h>

enum { INPUTS = 256, OUTPUTS = 4 };

// Some numbers between -1 and 1.
static float number(int i) { return sinf((float) i * 0.7f + (float) (i % 13)); }

int main(void) {
    struct ggml_init_params params = { .mem_size = 16u << 20, .mem_buffer = NULL, .no_alloc = false };
    struct ggml_context * ctx = ggml_init(params);
    if (ctx == NULL) return 1;

    // A matrix is a tensor whose first dimension is the length of a row: INPUTS columns, OUTPUTS rows.
    struct ggml_tensor * w = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, INPUTS, OUTPUTS);
    struct ggml_tensor * w4 = ggml_new_tensor_2d(ctx, GGML_TYPE_Q4_K, INPUTS, OUTPUTS);
    struct ggml_tensor * b = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, OUTPUTS);
    struct ggml_tensor * x = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, INPUTS);
    ggml_set_name(w, "weights");
    for (int i = 0; i < INPUTS * OUTPUTS; i++) ((float *) w->data)[i] = number(i);
    for (int i = 0; i < INPUTS; i++) ((float *) x->data)[i] = number(3 * i) / 4;
    for (int i = 0; i < OUTPUTS; i++) ((float *) b->data)[i] = 0.1f * (float) i;

    // The same weights in 4.5 bits each instead of 32.
    ggml_quantize_chunk(GGML_TYPE_Q4_K, w->data, w4->data, 0, OUTPUTS, INPUTS, NULL);
    printf("%s: %zu bytes in %s, %zu bytes in %s\n", ggml_get_name(w), ggml_nbytes(w), ggml_type_name(w->type),
           ggml_nbytes(w4), ggml_type_name(w4->type));

    struct ggml_tensor * y = ggml_gelu(ctx, ggml_add(ctx, ggml_mul_mat(ctx, w, x), b));
    struct ggml_tensor * y4 = ggml_gelu(ctx, ggml_add(ctx, ggml_mul_mat(ctx, w4, x), b));

    struct ggml_cgraph * graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, y);
    ggml_build_forward_expand(graph, y4);
    if (ggml_graph_compute_with_ctx(ctx, graph, 2) != GGML_STATUS_SUCCESS) return 1;

    int wrong = 0;
    for (int row = 0; row < OUTPUTS; row++) {
        double sum = ggml_get_f32_1d(b, row);
        for (int i = 0; i < INPUTS; i++) sum += (double) number(row * INPUTS + i) * ((double) number(3 * i) / 4);
        const double exact = 0.5 * sum * (1 + tanh(0.79788456 * (sum + 0.044715 * sum * sum * sum)));
        const float found = ggml_get_f32_1d(y, row), found4 = ggml_get_f32_1d(y4, row);
        printf("row %d: exact %9.5f   f32 %9.5f   q4_K %9.5f\n", row, exact, found, found4);
        wrong += fabs(found - exact) > 0.01 * (1 + fabs(exact)) || fabs(found4 - exact) > 0.6;
    }
    ggml_free(ctx);
    return wrong ? 1 : 0;
}
