"""Mutations of whole files that know their format: text, .npy, archives, HDF5."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from support.fuzz.values import (
    DTYPES,
    JSON,
    NUMBERS,
    mutate_array,
    mutate_bytes,
    mutate_json_text,
)

TOKENS = (
    b"nan", b"inf", b"-inf", b"-1", b"1e400", b"1e-400", b"0", b"9999999999", b"2147483648",
    b"-9223372036854775809", b"18446744073709551616", b"1" * 400, b"1.D+01", b"1,5", b'"1,234"',
    b'"', b"", b"\0", "é".encode(), "٣".encode(), b"\xff\xfe", b"0x10", b"1_000", b"True", b"NA",
    b"#", b"%", b"\xef\xbb\xbf", b"\r", b"\t", b"1e", b".", b"+", b"-", b"e5", b"1.2.3",
    b"real", b"integer", b"pattern", b"complex", b"array", b"coordinate", b"symmetric",
    b"skew-symmetric", b"hermitian", b"general", b"unsigned-integer",
)  # fmt: skip
SEPARATORS = (b",", b";", b"\t", b" ", b"  ", b"|", b"\0", b"\n", b"\r\n")


def mutate_text(random: Random, text: bytes) -> bytes:
    """Change numbers, words, separators and lines of a text file."""
    if random.random() < 0.15:
        return mutate_bytes(random, text)
    for _ in range(random.randint(1, 3)):
        kind = random.randrange(6)
        if kind < 3:
            places = [m.span() for m in re.finditer(rb"[^\s,;|]+", text)]
            if places:
                begin, end = random.choice(places)
                text = text[:begin] + random.choice(TOKENS) + text[end:]
            continue
        lines = text.split(b"\n")
        place = random.randrange(len(lines))
        if kind == 3:
            del lines[place]
        elif kind == 4:
            lines.insert(
                place, random.choice((lines[place], b"", random.choice(TOKENS)))
            )
        else:
            old, new = random.choice((b",", b" ", b"\t")), random.choice(SEPARATORS)
            if random.random() < 0.3:
                lines = [line.replace(old, new) for line in lines]
            else:
                lines[place] = lines[place].replace(old, new, random.choice((1, -1)))
        text = b"\n".join(lines)
    return text


def npy(array: Any) -> bytes:
    """Return the bytes of an .npy file."""
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asanyarray(array), allow_pickle=True)
    return out.getvalue()


def mutate_npy(random: Random, text: bytes) -> bytes:
    """Change the header of an .npy file, its values, or its bytes."""
    kind = random.randrange(6)
    if kind == 0:
        return mutate_bytes(random, text)
    try:
        array = np.lib.format.read_array(io.BytesIO(text), allow_pickle=False)
    except Exception:  # noqa: BLE001  (one that was mutated before)
        return mutate_bytes(random, text)
    if kind < 3:
        return npy(mutate_array(random, array))
    shape = list(array.shape)
    if kind == 3 and shape:
        shape[random.randrange(len(shape))] = random.choice(
            (*NUMBERS, 10**30, 0.5, True)
        )
    elif kind == 4:
        shape.append(random.choice(NUMBERS))
    descr: Any = array.dtype.str
    if random.random() < 0.3:
        descr = random.choice((*DTYPES, "x", 8, None, [("a", "<f8")], [("a", "|O")]))
    header: Any = {
        "descr": descr,
        "fortran_order": random.choice((False, True, 0, "no")),
        "shape": random.choice((tuple(shape), shape, 3)) if kind == 5 else tuple(shape),
    }
    if random.random() < 0.1:
        header.pop(random.choice(sorted(header)))
    line = repr(header).encode() + b"\n"
    version = random.choice(((1, 0), (1, 0), (2, 0), (3, 0), (9, 9)))
    size = len(line).to_bytes(2 if version == (1, 0) else 4, "little")
    values = array.tobytes()
    values = values[: random.randrange(len(values) + 1)] if kind == 5 else values
    return b"\x93NUMPY" + bytes(version) + size + line + values


def unpack(text: bytes) -> dict[str, bytes]:
    """Return the members of a zip archive."""
    with zipfile.ZipFile(io.BytesIO(text)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip archive of members; their checksums are right."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, member in members.items():
            archive.writestr(zipfile.ZipInfo(name), member, method)
    return out.getvalue()


def mutate_archive(random: Random, text: bytes) -> bytes:
    """Change a member of an .npz file, as an array or as JSON, or the archive itself."""
    if random.random() < 0.1:
        return mutate_bytes(random, text)
    members = unpack(text)
    for _ in range(random.choice((1, 1, 2))):
        name = random.choice(sorted(members))
        kind = random.randrange(10)
        if kind == 0 and len(members) > 1:
            del members[name]
        elif kind == 1:
            members[random.choice(("x.npy", "x", name + "_", f"state/{name}"))] = (
                members[name]
            )
        elif kind == 2:
            other = random.choice(sorted(members))
            members[name] = members[other]
        else:
            members[name] = _mutate_member(random, members[name])
    method = zipfile.ZIP_DEFLATED if random.random() < 0.05 else zipfile.ZIP_STORED
    return pack(members, method)


def _mutate_member(random: Random, member: bytes) -> bytes:
    """Mutate an array; one that holds JSON, as bytes or as text, mostly as JSON."""
    try:
        array = np.lib.format.read_array(io.BytesIO(member), allow_pickle=False)
    except Exception:  # noqa: BLE001  (one that was mutated before)
        return mutate_bytes(random, member)
    if random.random() < 0.8:
        if array.dtype == np.uint8 and array.tobytes()[:1] in (b"{", b"["):
            text = mutate_json_text(random, array.tobytes().decode("utf-8", "replace"))
            return npy(np.frombuffer(text.encode("utf-8", "replace"), np.uint8))
        if array.dtype.kind == "U" and array.shape == () and str(array)[:1] == "{":
            return npy(np.array(mutate_json_text(random, str(array))))
        if array.dtype.kind == "U":
            words = [
                str(array.reshape(-1)[0]) if array.size else "",
                "x",
                "2.5",
                "-1",
                "int64",
            ]
            return npy(np.array(random.choice(words)))
    return mutate_npy(random, member)


def mutate_hdf5(random: Random, path: Path) -> None:
    """Change attributes, data sets and links of an HDF5 file in its place."""
    import h5py

    # a second change may meet a link that the first one broke
    with suppress(KeyError, OSError, RuntimeError), h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        for _ in range(random.randint(1, 2)):
            name = random.choice(["/", *names])
            if name not in file:
                continue
            kind = random.randrange(7)
            item = file[name]
            if kind < 2:
                _mutate_attributes(random, item)
            elif kind == 2 and name != "/":
                del file[name]
            elif kind == 3 and name != "/":
                del file[name]
                file[name] = random.choice(
                    (
                        h5py.SoftLink("/nowhere"),
                        h5py.SoftLink("/" + name),
                        h5py.ExternalLink("nowhere.h5", "/X"),
                    )
                )
            elif kind == 4 and isinstance(item, h5py.Group):
                link = random.choice(("X", "matrix", "data", "loop", "shape"))
                if link not in item:
                    item[link] = item
            elif isinstance(item, h5py.Dataset):
                _mutate_data(random, file, name)


def _mutate_attributes(random: Random, item: Any) -> None:
    names = sorted({*item.attrs, "shape", "encoding-type", "h5sparse_format"})
    name = random.choice(names)
    if name in item.attrs and random.random() < 0.3:
        del item.attrs[name]
        return
    pool: list[Any] = ["csr_matrix", "csc_matrix", "csr", b"csr_matrix", 0, "", -1, 2.5]
    pool += [
        np.array([random.choice(NUMBERS[:-1]), 4]),
        np.array([4, 4, 4]),
        np.array([0.5, 2]),
    ]
    item.attrs[name] = random.choice(pool)


def _mutate_data(random: Random, file: Any, name: str) -> None:
    array = file[name][()]
    del file[name]
    changed = mutate_array(random, array)
    try:
        file[name] = changed
    except (TypeError, ValueError, OSError):  # a dtype that HDF5 doesn't have
        file[name] = np.zeros(changed.shape, "|S1")


def mutate_folder(random: Random, members: dict[str, bytes]) -> dict[str, bytes]:
    """Change one .npy file of a folder, or leave it out."""
    name = random.choice(sorted(members))
    if random.random() < 0.1:
        return {key: value for key, value in members.items() if key != name}
    return {**members, name: mutate_npy(random, members[name])}


def checksum(text: str) -> int:
    """Return a number for a text that is the same in every process."""
    return zlib.crc32(text.encode())


__all__ = [
    "JSON", "checksum", "mutate_archive", "mutate_folder", "mutate_hdf5", "mutate_npy",
    "mutate_text", "npy", "pack", "unpack",
]  # fmt: skip
