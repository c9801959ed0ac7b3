"""FinBERT-shaped folders small enough for tests: an ONNX graph made by hand, and a random model made with torch."""

import json

import numpy as np

LABELS = ("positive", "negative", "neutral")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["the", "stock", "is", "up", "down", "profit", "loss", "guidance", "cut", "shares", "fell", ".", ","]
VOCABULARY = [*SPECIAL, *WORDS]
WEIGHTS = np.random.default_rng(3).normal(size=(len(VOCABULARY), len(LABELS))).astype(np.float32)
"""Logits of the handmade graph: the sum over a text's tokens of these rows."""


def write_config(folder, labels=LABELS):
    named = {str(place): label for place, label in enumerate(labels)}
    (folder / "config.json").write_text(json.dumps({"id2label": named}))


def handmade(folder, weights=WEIGHTS, inputs=("input_ids", "attention_mask"), words=VOCABULARY):
    """A folder as `desk sentiment export` makes it, whose scores can be computed by hand."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    folder.mkdir()
    write_config(folder)
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    ids, mask = inputs
    nodes = [
        helper.make_node("Gather", ["table", ids], ["rows"]),
        helper.make_node("Cast", [mask], ["kept"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["kept", "last"], ["column"]),
        helper.make_node("Mul", ["rows", "column"], ["counted"]),
        helper.make_node("ReduceSum", ["counted", "tokens"], ["logits"], keepdims=0),
    ]
    whole = [helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"]) for name in inputs]
    answer = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["texts", len(LABELS)])]
    constants = [
        numpy_helper.from_array(weights, "table"),
        numpy_helper.from_array(np.array([2], dtype=np.int64), "last"),
        numpy_helper.from_array(np.array([1], dtype=np.int64), "tokens"),
    ]
    graph = helper.make_graph(nodes, "bag_of_words", whole, answer, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(folder / "model_int8.onnx"))
    return folder


def by_hand(text):
    """P(positive) − P(negative) of the handmade graph."""
    rows = [WEIGHTS[VOCABULARY.index(word) if word in VOCABULARY else 1] for word in text.lower().split()]
    logits = np.sum(rows, axis=0, dtype=np.float64)
    odds = np.exp(logits) / np.exp(logits).sum()
    return float(odds[0] - odds[1])


def random_bert(folder, *, own_layout=False):
    """A BERT classifier of 2 layers with random weights, saved as transformers saves one; `own_layout`: with vocab.txt
    instead of tokenizer.json, as FinBERT was published.
    """
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyz0123456789%"
    words = [*VOCABULARY, *letters, *("##" + letter for letter in letters)]
    words = list(dict.fromkeys(words))
    named = dict(enumerate(LABELS))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        initializer_range=0.3, id2label=named, label2id={label: place for place, label in named.items()},
    )  # fmt: skip
    BertForSequenceClassification(config).eval().save_pretrained(folder)
    BertTokenizerFast(vocab={word: place for place, word in enumerate(words)}).save_pretrained(folder)
    if own_layout:
        (folder / "tokenizer.json").unlink()
        (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    return folder
