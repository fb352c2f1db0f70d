"""Files that are damaged or mean harm give one clear exception, run nothing and allocate little."""

import io
import pickle
import random
import struct
from pathlib import Path

import forge
import pytest

import ondol

REFUSED = (pickle.UnpicklingError, RuntimeError, EOFError, NotImplementedError)
GOLDEN = Path(__file__).parent / "golden"


def expect_refusal(pickled, match, storages=None):
    with pytest.raises(REFUSED, match=match):
        ondol.load(forge.archive(forge.PROTO + pickled + b".", storages))


def test_an_empty_file(tmp_path):
    path = tmp_path / "empty.pt"
    path.touch()
    with pytest.raises(EOFError, match=r"empty\.pt is empty"):
        ondol.load(path)


def test_what_is_not_a_checkpoint_is_named_by_its_first_bytes(tmp_path):
    path = tmp_path / "config.pt"
    path.write_text('{"json": 1}')
    with pytest.raises(pickle.UnpicklingError, match=r"config\.pt: not a checkpoint \(11 bytes\): starts with b'{.js"):
        ondol.load(path)


def test_a_bare_pickle_is_not_a_checkpoint():
    with pytest.raises(pickle.UnpicklingError, match="magic number"):
        ondol.load(io.BytesIO(pickle.dumps({"a": 1}, 2)))


@pytest.mark.parametrize("name", ["state_dict.pt", "state_dict.legacy.pt", "model.pt", "values.legacy.pt"])
def test_a_file_cut_anywhere_is_refused(name):
    content = (GOLDEN / name).read_bytes()
    for length in range(0, len(content), max(1, len(content) // 150)):
        with pytest.raises(REFUSED):
            ondol.load(io.BytesIO(content[:length]))


@pytest.mark.parametrize("name", ["state_dict.pt", "model.pt", "values.legacy.pt", "dtypes.legacy.pt"])
@pytest.mark.parametrize("checksums", [True, False])
def test_flipped_bits_load_or_are_refused(name, checksums):
    content = (GOLDEN / name).read_bytes()
    ondol.serialization.set_crc32_options(checksums)
    try:
        for seed in range(150):
            generator, damaged = random.Random(seed), bytearray(content)
            for bit in generator.sample(range(8 * len(content)), generator.randint(1, 16)):
                damaged[bit // 8] ^= 1 << bit % 8
            try:
                ondol.load(io.BytesIO(bytes(damaged)))
            except REFUSED:
                continue
    finally:
        ondol.serialization.set_crc32_options(True)


def test_a_changed_weight_is_noticed():
    content = bytearray((GOLDEN / "state_dict.pt").read_bytes())
    place = content.index(struct.pack("<f", 5 / 8))
    content[place] ^= 1
    with pytest.raises(RuntimeError, match="checksum"):
        ondol.load(io.BytesIO(bytes(content)))


@pytest.mark.parametrize(
    "call",
    [
        b"cos\nsystem\n" + forge.text("true") + b"\x85R",
        b"c__builtin__\neval\n" + forge.text("1") + b"\x85R",
        b"c__builtin__\ngetattr\n" + forge.text("x") + forge.text("y") + b"\x86R",
        b"ctorch.hub\nload\n)R",
        b"ctorch.nn.functional\nrelu\n)R",
        b"ctorch.nn.functional\nondol\n",
        b"csubprocess\nrun\n",
        b"c__main__\nnothing\n",
    ],
)
def test_functions_are_neither_found_nor_called(call):
    expect_refusal(call, "allowed|no ondol|names|needs")


def test_a_deep_tuple_as_a_key_does_not_overflow_the_stack():
    expect_refusal(b"}N" + b"\x85" * 1_000_000 + b"Ns", "too many parts")


def test_a_tuple_that_doubles_as_a_key_does_not_hang():
    expect_refusal(b"}N" + b"2\x86" * 60 + b"Ns", "too many parts")


def test_a_long_list_copied_again_and_again_is_refused():
    numbers = b"".join(b"M" + n.to_bytes(2, "little") for n in range(50_000))
    argument = b"c__builtin__\nset\nq\x00](" + numbers + b"e\x85q\x01"
    expect_refusal(argument + b"0h\x00h\x01R" * 20_000, "again and again")


def test_a_bytearray_is_not_allocated_by_its_size():
    expect_refusal(b"c__builtin__\nbytearray\n\x8a\x05\xff\xff\xff\xff\x7f\x85R", "expected bytes")


@pytest.mark.parametrize(
    "opcode", [b"X" + b"\xff" * 4, b"\x8b\xff\xff\xff\x7f", b"\x8d" + b"\xff" * 8, b"B" + b"\xff" * 4]
)
def test_a_declared_length_beyond_the_file_allocates_nothing(opcode):
    expect_refusal(opcode, "cut short or damaged")


def test_a_storage_larger_than_its_entry_is_refused():
    expect_refusal(forge.tensor(forge.storage(count=1 << 40)), "said to have", {"0": b"\0" * 8})


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (1, (2,), (1,)),
        (0, (3,), (1,)),
        (0, (2,), (2,)),
        (-1, (1,), (1,)),
        (0, (-1,), (1,)),
        (0, (2,), (-1,)),
        (0, (1,), ()),
        (0, (1 << 62, 4), (0, 0)),
        (1 << 63, (1,), (1,)),
        (0, (2,), (1 << 62,)),
    ],
)
def test_a_view_beyond_its_storage_is_refused(offset, size, stride):
    expect_refusal(forge.tensor(forge.storage(), offset, size, stride), "damaged", {"0": b"\0" * 8})


def test_a_module_cannot_be_built_from_anything_but_names():
    expect_refusal(b"ctorch.nn.modules.linear\nLinear\n)\x81}K\x01Nsb", "not a dictionary of names")


def test_compressed_entries_are_refused_with_advice():
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + b"N" * 1000 + b".")
    out.seek(0)
    with pytest.raises(RuntimeError, match="compressed"):
        ondol.load(out)


def test_the_never_allowed_stay_so_even_when_listed():
    import os

    with pytest.raises(pickle.UnpicklingError, match="never allowed"):
        ondol.serialization.add_safe_globals([os.system])
