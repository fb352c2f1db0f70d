"""What SummaryWriter writes, read back by the package `tensorboard`."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest

import ondol


def test_without_the_package_the_import_says_what_to_install():
    program = (
        "import sys; sys.modules['tensorboard'] = None\n"
        "import ondol.utils.tensorboard\n"
        "try:\n    from ondol.utils.tensorboard import SummaryWriter\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'ondol[tensorboard]'" in done.stdout


tensorboard = pytest.importorskip("tensorboard", reason="the optional package tensorboard is not installed")


@pytest.fixture
def writer(tmp_path):
    from ondol.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path / "log") as writer:
        yield writer


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder), size_guidance={"histograms": 0, "images": 0, "tensors": 0}).Reload()


def written(writer):
    writer.close()
    return read(writer.get_logdir())


def test_scalars_of_tensors_arrays_and_numbers(writer):
    values = [ondol.tensor([0.5], requires_grad=True), np.float64(0.25), 2, ondol.tensor(1.5, dtype=ondol.bfloat16)]
    for step, value in enumerate(values):
        writer.add_scalar("loss", value, step, walltime=10.0 + step)
    events = written(writer).Scalars("loss")
    assert [(e.step, e.value, e.wall_time) for e in events] == [(0, 0.5, 10), (1, 0.25, 11), (2, 2, 12), (3, 1.5, 13)]
    with pytest.raises(AssertionError, match="one element"):
        writer.add_scalar("loss", ondol.ones(2))
    with pytest.raises(NotImplementedError, match="str"):
        writer.add_scalar("loss", "1")


def test_scalar_as_a_tensor(writer):
    writer.add_scalar("loss", 0.1, new_style=True, double_precision=True)
    (event,) = written(writer).Tensors("loss")
    assert tensorboard.util.tensor_util.make_ndarray(event.tensor_proto) == 0.1


def test_several_scalars_have_folders_of_their_own(writer, tmp_path):
    writer.add_scalars("run/loss", {"train": 1.0, "test": 2.0}, 3)
    writer.close()
    for tag, value in (("train", 1.0), ("test", 2.0)):
        (event,) = read(tmp_path / "log" / f"run_loss_{tag}").Scalars("run/loss")
        assert (event.step, event.value) == (3, value)


def test_histogram_counts_and_names_buckets_by_their_upper_edge(writer):
    writer.add_histogram("weights", ondol.tensor([0.0, 1.0, 1.5, 4.0]), 7, bins=[-1, 0, 1, 2, 3, 4, 5])
    (event,) = written(writer).Histograms("weights")
    histogram = event.histogram_value
    assert (event.step, histogram.min, histogram.max, histogram.num) == (7, 0, 4, 4)
    assert (histogram.sum, histogram.sum_squares) == (6.5, 19.25)
    assert histogram.bucket_limit == [0, 1, 2, 3, 4, 5] and histogram.bucket == [0, 1, 2, 0, 0, 1]


@pytest.mark.parametrize("bins", ["tensorflow", "auto", 8])
def test_histogram_holds_every_value(writer, bins):
    values = ondol.cat([ondol.randn(100), ondol.tensor([1e-3, -1e4])])
    writer.add_histogram("weights", values, bins=bins, max_bins=4)
    histogram = written(writer).Histograms("weights")[0].histogram_value
    assert sum(histogram.bucket) == 102 and len(histogram.bucket) <= 1 + 2 * 4
    assert histogram.bucket_limit[0] <= -1e4 and histogram.bucket_limit[-1] >= values.max()


def test_histogram_of_nothing_or_nan_is_refused(writer):
    with pytest.raises(ValueError, match="no element"):
        writer.add_histogram("weights", ondol.empty(0))
    with pytest.raises(ValueError, match="not finite"):
        writer.add_histogram("weights", ondol.tensor([1.0, float("nan")]))


def test_histogram_already_counted(writer):
    writer.add_histogram_raw("weights", 0, 2, 3, 4.0, 6.0, [1, 2], ondol.tensor([1, 2]).tolist())
    assert written(writer).Histograms("weights")[0].histogram_value.bucket == [1, 2]
    with pytest.raises(ValueError, match="as many"):
        writer.add_histogram_raw("weights", 0, 2, 3, 4.0, 6.0, [1, 2], [1])


def shown(writer, tag):
    from PIL import Image

    (event,) = written(writer).Images(tag)
    return np.array(Image.open(io.BytesIO(event.encoded_image_string)))


@pytest.mark.parametrize("axes", ["CHW", "HWC", "WHC"])
def test_picture_by_its_axes(writer, axes):
    picture = ondol.arange(2 * 3 * 3, dtype=ondol.uint8).view(2, 3, 3)  # [height, width, channels]
    writer.add_image("digit", picture.permute(["HWC".index(axis) for axis in axes]), dataformats=axes)
    assert shown(writer, "digit").tolist() == picture.tolist()


def test_picture_of_numbers_between_0_and_1_without_channels(writer):
    writer.add_image("digit", ondol.tensor([[0.0, 1.0], [0.5, 2.0]]), dataformats="HW")
    assert shown(writer, "digit")[..., 0].tolist() == [[0, 255], [127, 255]]


def test_batch_is_laid_out_eight_in_a_row(writer):
    batch = ondol.arange(9, dtype=ondol.uint8).view(9, 1, 1, 1).expand(9, 3, 2, 2)
    writer.add_images("digits", batch)
    picture = shown(writer, "digits")
    assert picture.shape == (4, 16, 3)
    assert picture[0, ::2, 0].tolist() == list(range(8)) and picture[2, ::2, 0].tolist() == [8, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("shape, axes", [((2, 3, 4), "HW"), ((2, 3, 4), "HHW"), ((2, 3, 4), "CHX"), ((2, 3, 4), "CHW")])
def test_axes_that_do_not_fit_are_refused(writer, shape, axes):
    with pytest.raises(ValueError, match="dataformats"):
        writer.add_image("digit", ondol.zeros(shape), dataformats=axes)


def test_figure(writer):
    matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    from matplotlib.figure import Figure

    writer.add_figure("curve", [Figure((1, 2), dpi=10), Figure((1, 2), dpi=10)], close=False)
    assert matplotlib and shown(writer, "curve").shape == (20, 20, 4)


def test_text(writer):
    writer.add_text("note", "온돌 is *warm*", 2)
    (event,) = written(writer).Tensors("note/text_summary")
    assert event.step == 2 and event.tensor_proto.string_val[0].decode() == "온돌 is *warm*"


def test_whole_tensor(writer):
    writer.add_tensor("weights", ondol.arange(6).view(2, 3))
    (event,) = written(writer).Tensors("weights")
    assert tensorboard.util.tensor_util.make_ndarray(event.tensor_proto).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_settings_of_a_run(writer, tmp_path):
    from tensorboard.plugins.hparams import metadata

    settings = {"lr": 0.1, "layers": 3, "name": "net", "bias": True, "decay": ondol.tensor(0.5), "unused": None}
    writer.add_hparams(settings, {"accuracy": ondol.tensor(0.75)}, {"layers": [1, 3]}, run_name="first")
    accumulator = read(tmp_path / "log" / "first")
    assert accumulator.Scalars("accuracy")[0].value == 0.75
    contents = accumulator.PluginTagToContent(metadata.PLUGIN_NAME)
    start = metadata.parse_session_start_info_plugin_data(contents[metadata.SESSION_START_INFO_TAG])
    assert start.hparams["lr"].number_value == 0.1 and start.hparams["bias"].bool_value
    assert start.hparams["name"].string_value == "net" and start.hparams["decay"].number_value == 0.5
    experiment = metadata.parse_experiment_plugin_data(contents[metadata.EXPERIMENT_TAG])
    assert [info.name for info in experiment.hparam_infos] == ["lr", "layers", "name", "bias", "decay"]
    assert [value.number_value for value in experiment.hparam_infos[1].domain_discrete.values] == [1, 3]
    assert [info.name.tag for info in experiment.metric_infos] == ["accuracy"]


def test_wrong_settings_write_nothing(writer, tmp_path):
    with pytest.raises(TypeError, match="dict"):
        writer.add_hparams([("lr", 0.1)], {})
    with pytest.raises(ValueError, match="'lr'"):
        writer.add_hparams({"lr": [0.1]}, {})
    with pytest.raises(TypeError, match="hparam_domain_discrete"):
        writer.add_hparams({"lr": 0.1}, {}, {"lr": ["a"]})
    assert [path.is_dir() for path in (tmp_path / "log").iterdir()] == [False]


def test_closed_writer_opens_another_file(writer):
    writer.add_scalar("loss", 1.0, 0)
    writer.close()
    writer.add_scalar("loss", 2.0, 1)
    writer.flush()
    assert writer.get_logdir() in writer.all_writers


def test_purged_steps_are_forgotten(tmp_path):
    from ondol.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path, filename_suffix=".first") as writer:
        for step in range(4):
            writer.add_scalar("loss", 1.0, step)
    with SummaryWriter(tmp_path, purge_step=2, filename_suffix=".second") as writer:
        writer.add_scalar("loss", 2.0, 2)
    assert [(event.step, event.value) for event in read(tmp_path).Scalars("loss")] == [(0, 1), (1, 1), (2, 2)]


def test_folder_is_named_for_the_time(tmp_path, monkeypatch):
    from ondol.utils.tensorboard import SummaryWriter

    monkeypatch.chdir(tmp_path)
    with SummaryWriter(comment="_deep") as writer:
        assert writer.get_logdir().startswith("runs") and writer.get_logdir().endswith("_deep")


@pytest.mark.parametrize("call", [
    lambda writer: writer.add_graph(ondol.nn.Linear(1, 1)), lambda writer: writer.add_embedding(ondol.ones(2, 2)),
    lambda writer: writer.add_video("film", ondol.ones(1, 1, 3, 2, 2)),
])  # fmt: skip
def test_what_is_missing_names_what_to_use(writer, call):
    with pytest.raises(NotImplementedError, match="use "):
        call(writer)
