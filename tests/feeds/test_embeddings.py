"""Embedders: one contract over all of them, then what each vendor's answer can do wrong."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from pydantic import ValidationError

from domain.errors import DataError, FeedDown, MachineError
from domain.experience import Situation
from feeds.embeddings.endpoint import EndpointEmbedder
from feeds.embeddings.local import LocalEmbedder
from feeds.embeddings.settings import EmbedderSettings
from memory.recall_vectors import FeatureEmbedder
from tests.support.experience import part, situation

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "regime", "neutral", "crisis", "bullish", "bearish", "trend", "price", "."]


class EmbeddingServer:
    """Speaks POST /embeddings; `script` gives the status or the body of the next answers, or "drip" for one that never
    pauses for long and never ends; then it is honest.
    """

    def __init__(self, *script, dimensions=4):
        self.asked, self.script, server = [], list(script), self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.asked.append({**asked, "path": self.path, "key": self.headers["Authorization"]})
                said = server.script.pop(0) if server.script else 200
                if said == "drip":
                    self.drip()
                    return
                status, body = said if isinstance(said, tuple) else (said, None)
                if body is None:
                    data = [
                        {
                            "object": "embedding",
                            "index": n,
                            "embedding": [float(len(t)), t.count("e"), 1.0, -2.0][:dimensions],
                        }
                        for n, t in enumerate(asked["input"])
                    ]
                    body = json.dumps(
                        {"object": "list", "model": asked["model"], "data": data[::-1],
                         "usage": {"prompt_tokens": 1, "total_tokens": 1}}
                    )  # fmt: skip
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Retry-After-Ms", "1")
                self.end_headers()
                self.wfile.write(body.encode())

            def drip(self):
                self.send_response(200)
                self.end_headers()
                with contextlib.suppress(OSError):  # the client has gone
                    while not server.closed.wait(0.02):
                        self.wfile.write(b" ")

            def log_message(self, *_):
                pass

        self.closed = threading.Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.closed.set()
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def serve():
    made = []

    def start(*script, **changes):
        made.append(EmbeddingServer(*script, **changes))
        return made[-1]

    yield start
    for server in made:
        server.close()


def settings(**changes):
    return EmbedderSettings(**{"kind": "endpoint", "model": "tiny", "dimensions": 4, **changes})


@pytest.fixture
def endpoint(serve):
    made = []

    def start(*script, dimensions=4, **changes):
        server = serve(*script, dimensions=dimensions)
        made.append(EndpointEmbedder(settings(**changes), api_key="key", base_url=server.url))
        return made[-1], server

    return start


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    """A sentence encoder of 8 numbers with random weights: embedding table, nothing else."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: local embedders are not tested")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: local embedders are not tested")
    from onnx import TensorProto, helper, numpy_helper
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    folder = tmp_path_factory.mktemp("encoder")
    table = np.random.default_rng(5).normal(size=(len(WORDS), 8)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])],
        "encoder",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "t"])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["n", "t", 8])],
        [numpy_helper.from_array(table, "table")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 9
    onnx.save(made, folder / "model.onnx")
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def some():
    return [
        Situation(composite=situation(price, contributions=(part("trend", price / 2),)), regime=regime)
        for price, regime in ((0.5, "neutral"), (-0.5, "crisis"), (0.5, "crisis"))
    ]


@pytest.fixture(params=["features", "endpoint", "local"])
def embedder(request, endpoint):
    if request.param == "local":
        return LocalEmbedder(EmbedderSettings(kind="local", folder=request.getfixturevalue("encoder"), batch=2))
    return FeatureEmbedder() if request.param == "features" else endpoint(batch=2)[0]


async def test_every_embedder_gives_unit_vectors_that_do_not_depend_on_their_neighbours(embedder):
    whole = await embedder.embed(some())
    assert whole.shape == (3, embedder.dimensions)
    assert np.allclose(np.linalg.norm(whole, axis=1), 1.0)
    for one, vector in zip(some(), whole, strict=True):
        assert np.allclose((await embedder.embed([one]))[0], vector)
    assert (await embedder.embed([])).shape == (0, embedder.dimensions)
    assert np.array_equal(await embedder.embed(some()), whole)
    if hasattr(embedder, "aclose"):
        await embedder.aclose()


async def test_the_endpoint_is_asked_in_the_form_that_every_server_knows(endpoint):
    embedder, server = endpoint(batch=2)
    await embedder.embed(some())
    assert [len(asked["input"]) for asked in server.asked] == [2, 1]
    first = server.asked[0]
    assert (first["path"], first["key"], first["encoding_format"]) == ("/v1/embeddings", "Bearer key", "float")
    assert "dimensions" not in first
    assert first["input"][0].startswith("Regime neutral.")
    await embedder.aclose()
    shorter, server = endpoint(asks_dimensions=True)
    await shorter.embed(some())
    assert server.asked[0]["dimensions"] == 4
    await shorter.aclose()
    assert shorter.name == "endpoint/tiny/4/words/1"


async def test_a_passing_fault_is_tried_again_and_a_lasting_one_is_the_feeds(endpoint):
    embedder, server = endpoint(503, 429)
    assert len(await embedder.embed(some())) == 3
    assert len(server.asked) == 3
    await embedder.aclose()
    for script, said in (((500,) * 3, "answered 500"), ((401,), "answered 401. Check the key")):
        embedder, server = endpoint(*script)
        with pytest.raises(FeedDown, match=said):
            await embedder.embed(some())
        assert len(server.asked) == len(script)
        await embedder.aclose()
    nobody = EndpointEmbedder(settings(attempts=1), api_key="key", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(FeedDown, match="does not answer"):
        await nobody.embed(some())
    await nobody.aclose()


def vectors(*rows):
    return json.dumps({"data": [{"index": n, "embedding": row} for n, row in enumerate(rows)]})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"object": "list", "data": [', "no answer"),
        ('{"object": "list", "model": "tiny", "data": []}', "No embedding data|did not answer|no answer"),
        (vectors([1, 2], [1, 2], [1, 2]), "2 numbers, not 4"),
        (vectors([1, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]), "no direction"),
        (vectors([1, 0, 0, 0]), "did not answer every text"),
        ("[" * 400_000, "no answer"),
        ('{"error": "what"}', "did not answer|no answer|No embedding data"),
    ],
)  # fmt: skip
async def test_an_answer_that_is_no_set_of_vectors_is_refused(endpoint, body, said):
    embedder, _ = endpoint((200, body))
    with pytest.raises(DataError, match=said):
        await embedder.embed(some())
    await embedder.aclose()


async def test_an_answer_that_drips_without_end_is_not_waited_for(endpoint, monkeypatch):
    monkeypatch.setattr("feeds.embeddings.endpoint.PAUSE_SECONDS", 0.0)
    embedder, _ = endpoint("drip", timeout_seconds=0.3, attempts=1)
    with pytest.raises(FeedDown, match="does not answer"):
        await embedder.embed(some())


async def test_an_answer_far_longer_than_the_vectors_asked_for_is_not_read_to_its_end(endpoint):
    embedder, server = endpoint((200, "[" + "1," * (4 << 20) + "1]"))
    with pytest.raises(FeedDown, match="longer than"):
        await embedder.embed(some())
    assert len(server.asked) == 1, "nor asked for again"
    await embedder.aclose()


async def test_a_full_batch_of_the_longest_vectors_written_out_to_the_last_digit_is_read(serve):
    rows = [{"index": n, "embedding": [-1.2345678901234567e-05] * 2000} for n in range(64)]
    server = serve((200, json.dumps({"data": rows}, indent=1)))
    embedder = EndpointEmbedder(settings(dimensions=2000), api_key="key", base_url=server.url)
    assert (await embedder._ask(["a"] * 64)).shape == (64, 2000)
    await embedder.aclose()


def test_settings_that_lack_what_their_kind_needs_are_refused():
    with pytest.raises(ValidationError, match="needs model and dimensions"):
        EmbedderSettings(kind="endpoint")
    with pytest.raises(ValidationError, match="needs folder"):
        EmbedderSettings(kind="local")
    with pytest.raises(ValidationError, match="2000"):
        settings(dimensions=3072)
    with pytest.raises(ValueError, match="needs a model"):
        EndpointEmbedder(EmbedderSettings(), api_key="", base_url=None)


def test_a_folder_without_a_model_or_with_a_broken_one_is_refused(encoder, tmp_path):
    def local(folder):
        return LocalEmbedder(EmbedderSettings(kind="local", folder=folder))

    with pytest.raises(DataError, match=r"holds no model\.onnx"):
        local(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match="no tokenizer file"):
        local(tmp_path)
    words = json.loads((encoder / "tokenizer.json").read_text())
    words["model"]["vocab"] = {"[UNK]": 1}
    (tmp_path / "tokenizer.json").write_text(json.dumps(words))
    with pytest.raises(DataError, match="reads no word"):
        local(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes((encoder / "tokenizer.json").read_bytes())
    with pytest.raises(DataError, match="no ONNX model"):
        local(tmp_path)


def test_the_name_of_a_local_model_is_that_of_its_weights(encoder, tmp_path, monkeypatch):
    one = LocalEmbedder(EmbedderSettings(kind="local", folder=encoder))
    assert one.name == LocalEmbedder(EmbedderSettings(kind="local", folder=encoder, batch=1)).name
    assert one.name.startswith("local/")
    short = LocalEmbedder(EmbedderSettings(kind="local", folder=encoder, max_tokens=16))
    for name in ("model.onnx", "tokenizer.json"):
        (tmp_path / name).write_bytes((encoder / name).read_bytes())
    words = json.loads((tmp_path / "tokenizer.json").read_text())
    words["model"]["vocab"] |= {"neutral": 6, "crisis": 5}
    (tmp_path / "tokenizer.json").write_text(json.dumps(words))
    reworded = LocalEmbedder(EmbedderSettings(kind="local", folder=tmp_path))
    assert len({one.name, short.name, reworded.name}) == 3
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MachineError, match="onnxruntime"):
        LocalEmbedder(EmbedderSettings(kind="local", folder=encoder))
