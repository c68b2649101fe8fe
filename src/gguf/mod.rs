//! The GGUF file format: read (mapped, bounds-checked), write, split.
