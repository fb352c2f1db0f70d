"""Files of events that TensorBoard reads."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Any, NoReturn

from ondol.utils.tensorboard import _images, _summary

__all__ = ["FileWriter", "SummaryWriter"]


class FileWriter:
    """One file of events in a folder. A thread of the package `tensorboard` writes it."""

    def __init__(
        self, log_dir: str | os.PathLike[str], max_queue: int = 10, flush_secs: int = 120, filename_suffix: str = ""
    ) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._folder = os.fspath(log_dir)
        self._writer = EventFileWriter(self._folder, max_queue, flush_secs, filename_suffix)

    def get_logdir(self) -> str:
        """The folder."""
        return self._folder

    def add_event(self, event: Any, step: int | None = None, walltime: float | None = None) -> None:
        """Writes an `Event`, at this time unless told."""
        event.wall_time = time.time() if walltime is None else walltime
        if step is not None:
            event.step = int(step)
        self._writer.add_event(event)

    def add_summary(self, summary: Any, global_step: int | None = None, walltime: float | None = None) -> None:
        """Writes a `Summary`."""
        from tensorboard.compat.proto.event_pb2 import Event

        self.add_event(Event(summary=summary), global_step, walltime)

    def flush(self) -> None:
        """Returns when all is in the file."""
        self._writer.flush()

    def close(self) -> None:
        """Writes the rest and closes the file."""
        self._writer.close()


class SummaryWriter:
    """Writes what happens in a training, for TensorBoard to show.

    Args:
        log_dir: the folder; `runs/<time>_<host>` and `comment` unless given.
        comment: see `log_dir`.
        purge_step: TensorBoard forgets what an earlier run wrote at this step and later.
        max_queue: so many events wait in memory at most.
        flush_secs: they wait so long at most.
        filename_suffix: for the file's name.

    A closed writer opens another file when something is added.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:
        self.log_dir = os.fspath(log_dir) if log_dir else _folder_of_now(comment)
        self.purge_step = purge_step
        self.max_queue, self.flush_secs, self.filename_suffix = max_queue, flush_secs, filename_suffix
        self.all_writers: dict[str, FileWriter] = {}
        self._get_file_writer()

    def get_logdir(self) -> str:
        """The folder."""
        return self.log_dir

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """A number, as a point of the curve `tag`.

        Args:
            new_style: as a tensor, which TensorBoard reads faster.
            double_precision: with `new_style`: as float64.

        Raises:
            AssertionError: more or fewer than one number.
        """
        self._add(_summary.scalar(tag, scalar_value, new_style, double_precision), global_step, walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: dict[str, Any],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Several curves in one diagram; each has a folder of its own, `<main_tag>_<tag>`."""
        made = {tag: _summary.scalar(main_tag, value) for tag, value in tag_scalar_dict.items()}
        for tag, summary in made.items():
            folder = os.path.join(self.log_dir, f"{main_tag.replace('/', '_')}_{tag}")
            self._get_file_writer(folder).add_summary(summary, global_step, walltime)

    def add_tensor(self, tag: str, tensor: Any, global_step: int | None = None, walltime: float | None = None) -> None:
        """A whole tensor, for programs that read the file."""
        self._add(_summary.tensor(tag, _summary.array_of(tensor)), global_step, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """How values are distributed.

        Args:
            bins: "tensorflow", which suits all magnitudes, or what `numpy.histogram` takes.
            max_bins: if there are more, join neighbours, as many as leave no fewer than these.

        Raises:
            ValueError: no values, infinite ones, or NaN.
        """
        self._add(_summary.histogram(tag, values, bins, max_bins), global_step, walltime)

    def add_histogram_raw(
        self,
        tag: str,
        min: float,
        max: float,
        num: float,
        sum: float,
        sum_squares: float,
        bucket_limits: Iterable[float],
        bucket_counts: Iterable[float],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """A histogram that is already counted; a limit is the upper edge of its bucket.

        Raises:
            ValueError: not as many limits as counts.
        """
        limits, counts = list(bucket_limits), list(bucket_counts)
        if len(limits) != len(counts):
            raise ValueError(f"{len(limits)} bucket_limits, {len(counts)} bucket_counts: they must be as many")
        summary = _summary.histogram_raw(tag, min, max, num, sum, sum_squares, limits, counts)
        self._add(summary, global_step, walltime)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """A picture: uint8, or other numbers between 0 and 1.

        Args:
            dataformats: what the axes are, such as "CHW", "HWC", "HW".

        Raises:
            ValueError: other axes or numbers of channels.
        """
        picture = _images.picture(_summary.array_of(img_tensor), dataformats)
        self._add(_summary.image(tag, picture), global_step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """A batch of pictures, eight in a row; otherwise as `add_image`."""
        self.add_image(tag, img_tensor, global_step, walltime, dataformats)

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: int | None = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """A Matplotlib figure, or several of one size, as a picture; they are closed unless told."""
        drawn = _images.drawn(figure, close)
        self.add_image(tag, drawn, global_step, walltime, "HWC" if drawn.ndim == 3 else "NHWC")

    def add_text(
        self, tag: str, text_string: str, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """Text, shown as Markdown."""
        self._add(_summary.text(tag, text_string), global_step, walltime)

    def add_hparams(
        self,
        hparam_dict: dict[str, Any],
        metric_dict: dict[str, Any],
        hparam_domain_discrete: dict[str, list[Any]] | None = None,
        run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """The settings of a run and what came of them, in a folder of its own.

        Args:
            hparam_dict: numbers, strings, bools.
            metric_dict: a number of each metric.
            hparam_domain_discrete: all values that a setting may have.
            run_name: of the folder; the time unless given.

        Raises:
            TypeError, ValueError: values of other types.
        """
        made = _summary.hparams(hparam_dict, metric_dict, hparam_domain_discrete)
        made += [_summary.scalar(tag, value) for tag, value in metric_dict.items()]
        writer = FileWriter(os.path.join(self.log_dir, run_name or str(time.time())))
        for summary in made:
            writer.add_summary(summary, global_step)
        writer.close()

    def add_graph(
        self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True
    ) -> NoReturn:
        """Raises NotImplementedError: ondol records no graph of operations."""
        _refuse("add_graph", "add_text(tag, str(model)) to log the modules")

    def add_embedding(self, mat: Any, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises NotImplementedError."""
        _refuse("add_embedding", "numpy.savetxt to write vectors and labels for projector.tensorflow.org")

    def add_pr_curve(self, tag: str, labels: Any, predictions: Any, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises NotImplementedError."""
        _refuse("add_pr_curve", "add_figure with a drawn curve")

    def add_video(self, tag: str, vid_tensor: Any, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises NotImplementedError."""
        _refuse("add_video", "add_images for the frames")

    def add_audio(self, tag: str, snd_tensor: Any, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises NotImplementedError."""
        _refuse("add_audio", "add_tensor for the samples")

    def add_mesh(self, tag: str, vertices: Any, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises NotImplementedError."""
        _refuse("add_mesh", "add_tensor for the vertices")

    def add_custom_scalars(self, layout: Any) -> NoReturn:
        """Raises NotImplementedError."""
        _refuse("add_custom_scalars", "add_scalars for curves in one diagram")

    def flush(self) -> None:
        """Returns when all is in the files."""
        for writer in self.all_writers.values():
            writer.flush()

    def close(self) -> None:
        """Writes the rest and closes the files."""
        for writer in self.all_writers.values():
            writer.close()
        self.all_writers = {}

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _add(self, summary: Any, step: int | None, walltime: float | None) -> None:
        self._get_file_writer().add_summary(summary, step, walltime)

    def _get_file_writer(self, folder: str | None = None) -> FileWriter:
        folder = folder or self.log_dir
        if folder not in self.all_writers:
            self.all_writers[folder] = FileWriter(folder, self.max_queue, self.flush_secs, self.filename_suffix)
            if folder == self.log_dir and self.purge_step is not None:
                self._purge(self.all_writers[folder], self.purge_step)
                self.purge_step = None
        return self.all_writers[folder]

    @staticmethod
    def _purge(writer: FileWriter, step: int) -> None:
        """Tells readers to forget that step and later ones (TensorBoard looks for a session that starts)."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        writer.add_event(Event(file_version="brain.Event:2"), step)
        writer.add_event(Event(session_log=SessionLog(status=SessionLog.START)), step)


def _folder_of_now(comment: str) -> str:
    import socket

    return os.path.join("runs", f"{time.strftime('%b%d_%H-%M-%S')}_{socket.gethostname()}{comment}")


def _refuse(name: str, instead: str) -> NoReturn:
    raise NotImplementedError(f"SummaryWriter.{name} is not supported; use {instead}")
