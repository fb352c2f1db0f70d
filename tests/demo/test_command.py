"""`ondol demo` as a newcomer meets it: a process with options, output, files and an exit status."""

import json
import os
import resource
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

pytestmark = pytest.mark.slow
FILES = ["demo.png", "numbers.json", "parity_model.pt", "parity_weights.pt", "weights.pt"]


def start(folder, *options, **popen):
    """Start the demo in `folder`, away from the checkout, whose sources would hide the installed package."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "COLUMNS": "80"} | popen.pop("env", {})
    return subprocess.Popen(
        [sys.executable, "-m", "ondol", "demo", *options],
        cwd=folder,
        env=environment,
        text=True,
        stdout=popen.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        **popen,
    )


def run(folder, *options, **popen):
    process = start(folder, *options, **popen)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def assert_one_clear_line(err, *words):
    assert err.startswith("ondol demo: ") and err.count("\n") == 1 and err.endswith("\n"), err
    for word in words:
        assert word in err


def leftovers(folder):
    return [name for name in os.listdir(folder) if name not in FILES]


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    started = time.monotonic()
    status, out, err = run(folder, "--out", "out")
    return folder / "out", status, out, err, time.monotonic() - started


def test_the_demo_ends_well_within_a_minute(whole_run):
    _, status, _, err, seconds = whole_run
    assert (status, err) == (0, "")
    assert seconds < 60


def test_it_reaches_98_percent_on_digits_it_has_never_seen(whole_run):
    numbers = json.loads((whole_run[0] / "numbers.json").read_text())
    assert len(numbers["digits"]) == 12
    assert numbers["digits"][-1]["test_accuracy"] >= 0.98


def test_it_leaves_its_files_and_nothing_else(whole_run):
    assert sorted(os.listdir(whole_run[0])) == FILES


def test_it_prints_where_every_file_is(whole_run):
    folder, _, out, _, _ = whole_run
    for name in FILES:
        assert f"{folder / name}: " in out


def test_it_prints_the_tree_and_the_parameters(whole_run):
    out = whole_run[2]
    assert "DigitsNet(\n  (body): Sequential(\n    (conv1): Conv2d(1, 32, kernel_size=(3, 3)" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["body.conv2.weight", "64x32x3x3", "18,432", "True"] in rows
    assert ["body.conv2.weight", "64x32x3x3", "18,432", "False"] in rows  # once more, frozen
    assert ["all", "29,258", "29,258", "learn"] in rows
    assert ["all", "21,058", "2,050", "learn"] in rows


def test_it_proves_what_it_claims(whole_run):
    proofs = [line for line in whole_run[2].splitlines() if line.startswith("proved: ")]
    assert len(proofs) == 6
    for claim in ("same outputs, bit for bit", "no bit of the frozen body", "every requires_grad flag", "forgotten"):
        assert any(claim in proof for proof in proofs)


def test_it_shows_statistics_for_every_layer(whole_run):
    table = whole_run[2].partition("gradient std")[2]
    for layer in ("body.conv1", "body.norm1", "body.relu1", "body.pool", "body.dropout", "head"):
        assert f" {layer} " in table


def test_the_picture_is_a_png_of_a_sensible_size(whole_run):
    with Image.open(whole_run[0] / "demo.png") as picture:
        assert picture.format == "PNG" and picture.size == (1200, 860)


def test_the_same_seed_gives_the_same_numbers_whatever_the_threads(tmp_path):
    runs = (("a", "5", "1"), ("b", "5", "2"), ("c", "6", "2"))
    for name, seed, threads in runs:
        status, _, err = run(tmp_path, "--epochs", "1", "--out", name, "--seed", seed, "--threads", threads)
        assert (status, err) == (0, "")
    first, second, other = ((tmp_path / name / "numbers.json").read_bytes() for name, _, _ in runs)
    assert first == second
    assert first != other
    assert (tmp_path / "a" / "weights.pt").read_bytes() == (tmp_path / "b" / "weights.pt").read_bytes()


def test_an_output_folder_that_cannot_be_made_is_one_line_before_any_work(tmp_path):
    (tmp_path / "file").write_text("in the way")
    status, out, err = run(tmp_path, "--out", "file/out")
    assert status == 1 and "Training" not in out
    assert_one_clear_line(err, "cannot write", "file/out", "Not a directory")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_permission_is_one_line_before_any_work(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    status, out, err = run(tmp_path, "--out", "locked")
    assert status == 1 and "Training" not in out
    assert_one_clear_line(err, "cannot write", "locked", "Permission denied")


def test_a_file_that_finds_no_room_is_one_line_and_leaves_no_half_checkpoint(tmp_path):
    def no_room():  # the kernel refuses the write as a full disk does, only with another number
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))

    status, _, err = run(tmp_path, "--epochs", "1", "--out", "out", preexec_fn=no_room)
    assert status == 1
    assert_one_clear_line(err, "cannot write", "weights.pt", "File too large")
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_under_stdout_is_one_line(tmp_path):
    with open("/dev/full", "w") as full:
        status, _, err = run(tmp_path, "--epochs", "1", "--out", "out", stdout=full)
    assert status == 1
    assert_one_clear_line(err, "cannot write", "No space left on device")


def test_a_reader_that_goes_away_causes_no_traceback(tmp_path):
    process = start(tmp_path, "--epochs", "1", "--out", "out")
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) != 0
    assert "Traceback" not in process.stderr.read()


def test_ctrl_c_is_one_line_and_leaves_only_whole_files(tmp_path):
    process = start(tmp_path, "--epochs", "100000", "--out", "out")
    while not process.stdout.readline().startswith("epoch"):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert_one_clear_line(err, "stopped by Ctrl-C", "out")
    assert leftovers(tmp_path / "out") == []


@pytest.mark.parametrize(
    "options", [("--epochs", "0"), ("--epochs", "many"), ("--threads", "-1"), ("--seed", "x"), ("--colour",)]
)
def test_a_senseless_option_is_refused_with_usage(tmp_path, options):
    status, _, err = run(tmp_path, *options)
    assert status == 2 and "usage: " in err and "Traceback" not in err
    assert os.listdir(tmp_path) == []


def test_a_terminal_without_unicode_can_show_it_all(tmp_path):
    status, _, err = run(tmp_path, "--epochs", "1", "--out", "결과", env={"PYTHONIOENCODING": "ascii"})
    assert (status, err) == (0, "")
    assert sorted(os.listdir(tmp_path / "결과")) == FILES


def test_the_command_tells_its_version(tmp_path):
    command = [sys.executable, "-m", "ondol", "--version"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert answer.returncode == 0 and answer.stdout.startswith("ondol ")
