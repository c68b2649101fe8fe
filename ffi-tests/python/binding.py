"""binding.py MODEL: the PyPI binding's own IkLlama class, unchanged, over the library that IK_LLAMA_CPP_LIB_PATH names: loads,
generates, chats, embeds. Prints one JSON object."""
import json
import sys

from ik_llama_cpp import IkLlama

out = {}
llm = IkLlama(sys.argv[1], n_ctx=512, n_threads=2)
prompt = llm.tokenize("The history of the city begins", add_bos=False)
out["prompt"] = prompt
out["prompt_text"] = llm.detokenize(prompt)
out["tokens"] = llm.generate(prompt, max_tokens=24)
out["text"] = llm.detokenize(out["tokens"])
out["chat"] = llm.create_chat_completion([{"role": "user", "content": "What is the capital of France?"}], temperature=0.0, max_tokens=24)
out["sampled"] = llm.chat("Name a colour.", temperature=0.8, max_tokens=8)
llm.close()

llm = IkLlama(sys.argv[1], n_ctx=512, n_threads=2, embedding=True)
out["embeddings"] = llm.embed(["A cat sleeps on the sofa.", "A kitten naps on the couch.", "The stock market fell sharply today."])
llm.close()
print(json.dumps(out))
