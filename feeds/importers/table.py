"""A file as it came: its header in plain words and its cells, before anybody interprets them."""

import gzip
import io
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from domain.errors import DataError
from domain.sessions import LAST_DAY
from domain.units import Days, Floats, Instants

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".parquet", ".csv", ".csv.gz", ".txt", ".txt.gz")
_EMPTY_CELLS = ["", "NaN", "nan", "NULL", "null", "#N/A"]  # "NA" is a listed symbol, so it stays text
_QUOTE_TABLE_HEADER = "Expiration Date,Calls,"
_DAY_ZERO, _DAY_LAST = np.datetime64("1980-01-01"), np.datetime64(LAST_DAY)


@dataclass(frozen=True, eq=False)
class RawTable:
    """Cells of one file. `columns` are lower case without brackets; `preamble` holds lines above the header.

    Dates are read by `date_format` and never guessed: 03/04 is two different days.
    """

    name: str
    frame: "pd.DataFrame"
    preamble: tuple[str, ...] = ()
    date_format: str = "ISO8601"

    @property
    def columns(self) -> tuple[str, ...]:
        """Normalised header."""
        return tuple(str(column) for column in self.frame.columns)

    @property
    def first_word(self) -> str:
        """File name up to the first `_`, `-` or `.`, upper case: names the subject of files without a ticker column."""
        return re.split(r"[_.\-]", self.name, maxsplit=1)[0].upper()

    def numbers(self, column: str) -> Floats:
        """Column as float64 `(n,)`, NaN where the cell is empty or the column absent. Raises `DataError` on text."""
        if column not in self.frame:
            return np.full(len(self.frame), np.nan)
        import pandas as pd

        try:
            return np.asarray(pd.to_numeric(self.frame[column]).to_numpy(dtype=np.float64, na_value=np.nan))
        except (ValueError, TypeError) as error:
            raise self.bad(f"column {column!r} holds something that is not a number ({error})") from error

    def words(self, column: str) -> "pd.Series":
        """Column as text, empty cells as ""."""
        return self.frame[column].astype("object").where(self.frame[column].notna(), "").astype(str)

    def days(self, column: str) -> Days:
        """Column as `datetime64[D]` `(n,)`. Raises `DataError` where a date is missing or impossible."""
        stamps = self._stamps(column, utc=False).astype("datetime64[D]")
        if np.isnat(stamps).any() or ((stamps < _DAY_ZERO) | (stamps > _DAY_LAST)).any():
            raise self.bad(f"column {column!r} has a missing or absurd date")
        return stamps

    def instants(self, column: str) -> Instants:
        """Column as UTC `datetime64[s]` `(n,)`, rounded up; NaT where empty; text without an offset is read as UTC."""
        stamps = self._stamps(column, utc=True)
        whole = stamps.astype("datetime64[s]")
        return np.asarray(np.where(stamps > whole, whole + np.timedelta64(1, "s"), whole))

    def bad(self, what: str) -> DataError:
        """The error to raise about this file."""
        return DataError(f"{self.name}: {what}.", remedy="Fetch the file again or correct it, then import it again.")

    def wall_times(self, column: str, zone: str) -> Instants:
        """As `instants`, but times without an offset are wall times in `zone`."""
        import pandas as pd

        try:
            parsed = pd.to_datetime(self.frame[column], format=self.date_format)
            local = parsed.dt.tz_localize(zone) if parsed.dt.tz is None else parsed
        except (ValueError, TypeError, AttributeError) as error:
            raise self.bad(f"column {column!r} holds something that is not a time in {zone} ({error})") from error
        return np.asarray(local.dt.tz_convert("UTC").dt.tz_localize(None).dt.ceil("s").to_numpy("datetime64[s]"))

    def _stamps(self, column: str, *, utc: bool) -> Instants:
        import pandas as pd

        try:
            parsed = pd.to_datetime(self.frame[column], utc=utc, format=self.date_format)
        except (ValueError, TypeError) as error:
            raise self.bad(f"column {column!r} holds something that is not a date ({error})") from error
        if not utc and parsed.dt.tz is not None:
            parsed = parsed.dt.tz_localize(None)
        if utc:
            parsed = parsed.dt.tz_convert("UTC").dt.tz_localize(None)
        return np.asarray(parsed.to_numpy())


def read_table(name: str, content: bytes) -> RawTable:
    """Read the bytes of a Parquet, CSV, gzipped CSV or OptionsDX text file called `name`.

    Raises `DataError` naming the file when it is truncated, empty or not such a file.
    """
    preamble: tuple[str, ...] = ()
    if name.lower().endswith(".parquet"):
        frame = _parquet(name, content)
    else:
        frame, preamble = _csv(name, content)
    frame.columns = [_plain(str(column)) for column in frame.columns]
    if frame.empty:
        raise DataError(f"{name}: the file has a header but no rows.", remedy="Fetch it again.")
    return RawTable(name, frame, preamble)


def _plain(column: str) -> str:
    return re.sub(r"\s+", "_", column.strip().strip("[]").strip().lower())


def _parquet(name: str, content: bytes) -> "pd.DataFrame":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{name}: not a whole Parquet file ({reason}).", remedy="Fetch it again.") from error
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _csv(name: str, content: bytes) -> "tuple[pd.DataFrame, tuple[str, ...]]":
    import pandas as pd

    try:
        text = (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{name}: cannot be unpacked as text ({error}).", remedy="Fetch it again.") from error
    lines = text.split("\n", 6)
    header = next((at for at, line in enumerate(lines[:6]) if line.startswith(_QUOTE_TABLE_HEADER)), 0)
    try:
        frame = pd.read_csv(
            io.StringIO(text),
            skiprows=header,
            skipinitialspace=True,
            keep_default_na=False,
            na_values=_EMPTY_CELLS,
            low_memory=False,
            index_col=False,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise DataError(f"{name}: not a readable CSV file ({error}).", remedy="Fetch it again.") from error
    return frame, tuple(line.strip() for line in lines[:header] if line.strip())
