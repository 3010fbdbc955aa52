"""Any model of open_clip, by torch: its configuration, tokenizer, towers, and their export to ONNX."""
