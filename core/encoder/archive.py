"""A trained encoder as one ZIP file: what is downloaded is exactly what can be uploaded again.

Two members, each with a cap on its real size; nothing is unpickled, no name of the archive becomes a path.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

from core.base.errors import ArtifactError
from core.base.files import write_atomic

MANIFEST, WEIGHTS = "encoder.json", "encoder.safetensors"
MOST = {WEIGHTS: 64 << 20, MANIFEST: 4 << 20}  # bytes of each member, unpacked; weights first, as they are saved
MOST_BYTES = sum(MOST.values())  # of the archive
MOST_DIRECTORY = 4096  # bytes of the list of members: two names, not a million
END, END_64 = b"PK\x05\x06", b"PK\x06\x07"  # signatures of the end record, and of the locator of a large archive's
END_RECORD = struct.Struct("<4s4H2LH")


def pack_encoder(folder: str | Path) -> bytes:
    """The ZIP file of an encoder saved by `save_encoder`; `ArtifactError` where a file of it is missing."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in MOST:
            path = Path(folder) / name
            if not path.is_file():
                raise ArtifactError(f"there is no whole encoder in {folder}: {name} is missing; train one first.")
            archive.write(path, name)
    return buffer.getvalue()


def unpack_encoder(content: bytes, folder: str | Path) -> None:
    """Write both members into the folder, to be checked by `load_encoder`.

    `ArtifactError` where the content is no ZIP file, is damaged, holds other members than `pack_encoder` writes, or
    unpacks to more than their caps; nothing is written then.
    """
    _refuse_long_directory(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            names = sorted(member.filename for member in members)
            if names != sorted(MOST):
                raise ArtifactError(f"the ZIP file of an encoder holds {_said(sorted(MOST))}, not {_said(names)}.")
            found = {member.filename: _read(archive, member) for member in members}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise ArtifactError(f"this ZIP file cannot be read ({error}); download the encoder again.") from None
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name in MOST:
        write_atomic(Path(folder) / name, lambda file, name=name: file.write(found[name]))  # type: ignore[misc]


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """A member, of which no more than its cap is ever unpacked, whatever size it claims to have."""
    most = MOST[member.filename]
    with archive.open(member) as file:
        content = file.read(most + 1)
    if len(content) > most or member.file_size > most:
        raise ArtifactError(f"{member.filename} unpacks to more than the {most >> 20} MiB that an encoder's may have.")
    return content


def _refuse_long_directory(content: bytes) -> None:
    """The list of members is read as a whole, so its length is looked at first."""
    if len(content) > MOST_BYTES:
        raise ArtifactError(f"an encoder's ZIP file has at most {MOST_BYTES >> 20} MiB.")
    at = content.rfind(END)
    record = content[at : at + END_RECORD.size]
    if at < 0 or len(record) < END_RECORD.size:
        raise ArtifactError("this is no ZIP file; load the one that 'Download the encoder' gives.")
    directory = END_RECORD.unpack(record)[5]
    if directory > MOST_DIRECTORY or content[max(0, at - 20) : at].startswith(END_64):
        raise ArtifactError(f"the ZIP file of an encoder holds {_said(sorted(MOST))} alone, not a long list of files.")


def _said(names: list[str]) -> str:
    listed = " and ".join(repr(name[:60]) for name in names[:3]) or "nothing"
    return f"{listed} and {len(names) - 3} more" if len(names) > 3 else listed
