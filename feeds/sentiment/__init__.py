"""FinBERT behind the `SentimentModel` port: through transformers, and as int8 ONNX; and which model the desk uses."""
