"""From the bytes of a Parquet file to a table, in batches, with a cap on what its values really take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.tables.seal import broken
from core.tables.sniff import Budget, refuse

BATCH = 65_536  # rows decoded at once
TEXT_BATCH = 1_024
POINTER = 8  # bytes of a cell beside what it holds
OBJECT = 48  # bytes of a small Python object
NULLABLE = {
    **{pa.int8(): pd.Int8Dtype(), pa.int16(): pd.Int16Dtype(), pa.int32(): pd.Int32Dtype()},
    **{pa.int64(): pd.Int64Dtype(), pa.uint8(): pd.UInt8Dtype(), pa.uint16(): pd.UInt16Dtype()},
    **{pa.uint32(): pd.UInt32Dtype(), pa.uint64(): pd.UInt64Dtype(), pa.bool_(): pd.BooleanDtype()},
}


def read_parquet(data: bytes, budget: Budget) -> tuple[pd.DataFrame, Mapping[bytes, bytes] | None]:
    """The table and the schema's metadata.

    Page checksums and the seal are verified where the file has them. Whole numbers with gaps stay whole numbers,
    decimals become text, and columns of lists or structures one word for all rows. Raises `CohortError`.
    """
    try:
        if broken(data):
            refuse("broken-file", "the Parquet file is damaged: it differs from what was saved.", "Copy it again.")
        file = pq.ParquetFile(
            pa.BufferReader(data), read_dictionary=_texts(data), page_checksum_verification=True, pre_buffer=False
        )
        _check_claims(file, budget)
        return _read_columns(file, budget), file.schema_arrow.metadata
    except (pa.ArrowException, OSError, ValueError, NotImplementedError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        refuse("broken-file", f"the Parquet file cannot be read ({reason}).", "Copy it again, or write it again.")


def _texts(data: bytes) -> list[str]:
    """Columns of text or bytes, to be kept as dictionaries: a text that repeats takes its room once."""
    schema = pq.read_schema(pa.BufferReader(data))
    return [field.name for field in schema if _is_text(field.type)]


def _is_text(kind: pa.DataType) -> bool:
    return any(
        test(kind)
        for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    )


def _check_claims(file: pq.ParquetFile, budget: Budget) -> None:
    """What the footer says of rows, columns and bytes, before anything is decoded."""
    footer = file.metadata
    groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
    kinds = [kind for kind in file.schema_arrow.types if not pa.types.is_nested(kind)]
    rows = max(footer.num_rows, sum(group.num_rows for group in groups))
    decoded = rows * sum(_width(kind) for kind in kinds)
    budget.check(rows, len(file.schema_arrow.names), max(decoded, sum(group.total_byte_size for group in groups)))


def _width(kind: pa.DataType) -> int:
    """Bytes of a cell in memory, without the text that it may hold."""
    if pa.types.is_null(kind) or _is_text(kind) or pa.types.is_dictionary(kind):
        return POINTER
    if pa.types.is_decimal(kind) or pa.types.is_time(kind) or pa.types.is_fixed_size_binary(kind):
        return OBJECT
    return int(max(kind.bit_width // 8, 1))


def _read_columns(file: pq.ParquetFile, budget: Budget) -> pd.DataFrame:
    """All columns, one after another, so that no more than one is held twice; found by place, as names may repeat."""
    rows, leaf, taken = file.metadata.num_rows, 0, 0
    columns: dict[int, pd.Series] = {}
    for i, field in enumerate(file.schema_arrow):
        if pa.types.is_nested(field.type):
            columns[i] = pd.Series(
                pd.Categorical.from_codes(np.zeros(rows, dtype=np.int8), pd.Index([f"<{field.type}>"[:60]]))
            )
        else:
            parts = []
            for part in _batches(file, leaf, field.type):
                taken += _size(part)
                budget.check_bytes(taken)
                parts.append(part)
            columns[i] = _to_series(pa.chunked_array(parts, type=None if parts else field.type))
        leaf += _leaves(field.type)
    frame = pd.DataFrame(columns, index=pd.RangeIndex(rows), copy=False)
    frame.columns = pd.Index(file.schema_arrow.names, dtype=object)
    return frame


def _batches(file: pq.ParquetFile, leaf: int, kind: pa.DataType) -> Iterator[pa.Array]:
    """Values of one column of the file, batch by batch; few rows at once where each may be a long text."""
    size = TEXT_BATCH if _is_text(kind) else BATCH
    groups = list(range(file.num_row_groups))
    for batch in file.reader.iter_batches(size, row_groups=groups, column_indices=[leaf], use_threads=False):
        yield batch.column(0)


def _leaves(kind: pa.DataType) -> int:
    """Columns of the file that stand for one column of this type."""
    return sum(_leaves(kind.field(i).type) for i in range(kind.num_fields)) if pa.types.is_nested(kind) else 1


def _size(part: pa.Array) -> int:
    """Bytes of a batch in memory, with every text of a dictionary as often as it stands in the column."""
    if not pa.types.is_dictionary(part.type) or not _is_text(part.type.value_type):
        return int(part.nbytes)
    lengths = pc.binary_length(part.dictionary)
    each = OBJECT if pa.types.is_binary(part.type.value_type) else POINTER
    return int(pc.sum(pc.take(lengths, part.indices)).as_py() or 0) + each * len(part)


def _to_series(column: pa.ChunkedArray) -> pd.Series:
    """A pandas column that loses nothing: no whole number becomes a float, no text is typed."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_decimal(kind):
        column, kind = column.cast(pa.string()), pa.string()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pd.Series(pd.array(column, dtype="str"))
    nullable = column.null_count and kind in NULLABLE
    series: pd.Series = column.to_pandas(types_mapper=NULLABLE.get if nullable else None, date_as_object=False)
    return series
