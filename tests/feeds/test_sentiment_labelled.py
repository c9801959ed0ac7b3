import gzip

import pytest

from domain.errors import DataError, UsageError
from feeds.sentiment.labelled import half_of, read_labelled

PHRASEBANK = "sentence,label,agree_at_least_pct\nprofit rose,positive,100\nplain fact,neutral,75\nloss,negative,50\n"


def written(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_each_known_layout_is_read_by_its_header(tmp_path):
    phrasebank = read_labelled(written(tmp_path, "a.csv", PHRASEBANK))
    assert phrasebank.classes == ("positive", "neutral", "negative")
    tweets = written(tmp_path, "b.csv.gz", gzip.compress(b"text,label\nup,bullish\nso,neutral\nout,Bearish\n"))
    assert read_labelled(tweets).classes == ("positive", "neutral", "negative")
    fiqa = read_labelled(written(tmp_path, "c.csv", "id,sentence,sentiment_score\n1,up,0.4\n2,down,-0.01\n3,so,0\n"))
    assert (fiqa.classes, fiqa.by_side) == (("positive", "negative", "neutral"), True)
    lines = written(
        tmp_path,
        "Sentences_75Agree.txt",
        "Tikkurila l\xe4ht\xf6 @ Oyj rose .@positive\nfact .@neutral\n".encode("latin-1"),
    )
    assert read_labelled(lines).texts == ("Tikkurila lähtö @ Oyj rose .", "fact .")


def test_agreement_keeps_the_sentences_that_enough_annotators_agreed_on(tmp_path):
    assert read_labelled(written(tmp_path, "a.csv", PHRASEBANK), agreement=75).texts == ("profit rose", "plain fact")


def test_the_halves_share_no_text_and_leave_none_out(tmp_path):
    texts = [f"sentence {number}" for number in range(200)]
    path = written(tmp_path, "a.csv", "text,label\n" + "".join(f"{text},neutral\n" for text in texts))
    halves = [set(read_labelled(path, half=half).texts) for half in ("developed", "held-out")]
    assert halves[0] | halves[1] == set(texts)
    assert halves[0] & halves[1] == set()
    assert min(map(len, halves)) > 70
    assert half_of("sentence 1") == half_of("sentence 1")


def test_numbers_as_labels_need_to_be_named(tmp_path):
    path = written(tmp_path, "a.csv", "text,label\nup,2\nout,0\n")
    with pytest.raises(DataError, match=r"name no class: 0, 2\..*--labels"):
        read_labelled(path)
    assert read_labelled(path, names={"0": "negative", "2": "positive"}).classes == ("positive", "negative")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "when,label\n1,positive\n", "no text column"),
        ("a.csv", "text,when\nup,1\n", "no label column"),
        ("a.csv", "text,score\nup,3\n", "no numbers in"),
        ("a.csv", "text,score\nup,\n", "no numbers in"),
        ("a.csv", "text,score\nup,much\n", "not a number"),
        ("a.csv", "text,label\n", "no rows"),
        ("a.csv", 'text,label\n"  ",positive\n', "holds no labelled text"),
        ("a.parquet", "text", "not a whole Parquet file"),
        ("a.xlsx", "text", "none of"),
        ("a.txt", "no such line\n", "no rows"),
    ],
)
def test_a_file_that_is_no_labelled_set_is_refused_in_one_sentence(tmp_path, name, content, said):
    with pytest.raises(DataError, match=said):
        read_labelled(written(tmp_path, name, content))


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", b""), ("a.csv", b"\x89PNG\r\n\x00\xff"), ("a.txt", b""), ("a.csv", b"text,label\n"), ("a.parquet", b"")],
)
def test_a_file_of_ones_own_is_not_to_be_fetched_again(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match="needs a header and a row for each text") as refusal:
        read_labelled(path)
    assert "Fetch" not in str(refusal.value)


def test_a_missing_file_or_a_missing_agreement_column_is_the_callers_fault(tmp_path):
    with pytest.raises(UsageError, match="no file"):
        read_labelled(tmp_path / "none.csv")
    with pytest.raises(UsageError, match="is a folder"):
        read_labelled(tmp_path)
    with pytest.raises(UsageError, match="agree_at_least_pct"):
        read_labelled(written(tmp_path, "a.csv", "text,label\nup,positive\n"), agreement=75)
    with pytest.raises(UsageError, match="agree_at_least_pct"):
        read_labelled(written(tmp_path, "a.txt", "up@positive\n"), agreement=75)
