"""TensorBoard's messages (`Summary` of its `summary.proto`), one function for each kind."""

from __future__ import annotations

from typing import Any

import numpy as np

import ondol
from ondol.utils.tensorboard._images import png


def array_of(value: Any) -> np.ndarray:
    """A tensor, array or number as an array.

    Raises:
        NotImplementedError: anything else.
    """
    if isinstance(value, ondol.Tensor):
        value = value.detach()
        return (value.float() if value.dtype == ondol.bfloat16 else value).numpy()
    if isinstance(value, (np.ndarray, np.generic, bool, int, float)):
        return np.asarray(value)
    raise NotImplementedError(f"Got {type(value)}, but numpy array or tensor are expected")


def _summary(tag: str, **value: Any) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=tag, **value)])


def _metadata(plugin: str, content: bytes = b"") -> Any:
    from tensorboard.compat.proto.summary_pb2 import SummaryMetadata

    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin, content=content))


def scalar(tag: str, value: Any, new_style: bool = False, double_precision: bool = False) -> Any:
    """One number.

    Raises:
        AssertionError: more or fewer than one.
    """
    array = array_of(value)
    if array.size != 1:
        raise AssertionError(f"a scalar summary needs one element, got shape {array.shape}")
    number = float(array.reshape(()))
    if not new_style:
        return _summary(tag, simple_value=number)
    return tensor(tag, np.asarray(number, np.float64 if double_precision else np.float32), "scalars")


def tensor(tag: str, array: np.ndarray, plugin: str = "tensor") -> Any:
    """A whole array."""
    from tensorboard.util.tensor_util import make_tensor_proto

    return _summary(tag, tensor=make_tensor_proto(array), metadata=_metadata(plugin))


def text(tag: str, string: str) -> Any:
    """Text that is shown as Markdown."""
    from tensorboard.plugins.text.plugin_data_pb2 import TextPluginData
    from tensorboard.util.tensor_util import make_tensor_proto

    metadata = _metadata("text", TextPluginData(version=0).SerializeToString())
    message = make_tensor_proto(np.array([string.encode()], dtype=object))
    return _summary(f"{tag}/text_summary", tensor=message, metadata=metadata)


def image(tag: str, picture: np.ndarray) -> Any:
    """A picture [height, width, channels] of bytes."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    height, width, channels = picture.shape
    encoded = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=png(picture))
    return _summary(tag, image=encoded)


def default_bins() -> np.ndarray:
    """TensorFlow's edges: zero, and on both sides 1e-12 times the powers of 1.1, up to 1e20."""
    growing, edge = [], 1e-12
    while edge < 1e20:
        growing.append(edge)
        edge *= 1.1
    return np.array([*(-x for x in reversed(growing)), 0.0, *growing])


def histogram(tag: str, values: Any, bins: Any, max_bins: int | None = None) -> Any:
    """How many values lie in each bin; empty bins at both ends are left out.

    Args:
        bins: "tensorflow" for `default_bins`, or what `numpy.histogram` takes.
        max_bins: if there are more, join neighbours, as many as leave no fewer than these.

    Raises:
        ValueError: no values, or infinite ones, or NaN.
    """
    array = array_of(values).reshape(-1).astype(np.float64)
    if array.size == 0:
        raise ValueError("The input has no element.")
    if not np.isfinite(array).all():
        raise ValueError(f"histogram of {tag!r}: {int((~np.isfinite(array)).sum())} of {array.size} values not finite")
    counts, edges = np.histogram(array, bins=default_bins() if isinstance(bins, str) and bins == "tensorflow" else bins)
    if max_bins is not None and len(counts) > max_bins:
        joined = len(counts) // max_bins
        edges = np.append(edges[:-1:joined], edges[-1])
        counts = np.add.reduceat(counts, np.arange(0, len(counts), joined))
    filled = np.flatnonzero(counts)
    if filled.size == 0:
        raise ValueError(f"histogram of {tag!r}: no value lies in any bin")
    first, last = filled[0], filled[-1]
    # A bucket is named by its upper edge; an empty one in front gives the first its lower edge.
    limits, kept = edges[first : last + 2], np.append(0, counts[first : last + 1])
    return histogram_raw(tag, array.min(), array.max(), len(array), array.sum(), array @ array, limits, kept)


def histogram_raw(
    tag: str, min: float, max: float, num: float, sum: float, sum_squares: float, bucket_limits: Any, bucket_counts: Any
) -> Any:
    """A histogram that is already counted."""
    from tensorboard.compat.proto.summary_pb2 import HistogramProto

    message = HistogramProto(
        min=min, max=max, num=num, sum=sum, sum_squares=sum_squares,
        bucket_limit=list(bucket_limits), bucket=list(bucket_counts),
    )  # fmt: skip
    return _summary(tag, histo=message)


def hparams(
    hparam_dict: dict[str, Any], metric_dict: dict[str, Any], hparam_domain_discrete: dict[str, list[Any]] | None
) -> list[Any]:
    """What an experiment varies, the values of this session, and its end.

    Raises:
        TypeError: not dicts, or a domain of other values than its parameter.
        ValueError: a value that is no number, string, bool or tensor of one element.
    """
    from tensorboard.plugins.hparams import api_pb2 as api
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    domains = hparam_domain_discrete or {}
    for name, given in (("hparam_dict", hparam_dict), ("metric_dict", metric_dict), ("domain", domains)):
        if not isinstance(given, dict):
            raise TypeError(f"{name} should be a dict, got {type(given).__name__}")
    for name, domain in domains.items():
        kind = type(hparam_dict.get(name))
        if name not in hparam_dict or not isinstance(domain, list) or not all(isinstance(one, kind) for one in domain):
            raise TypeError(f"hparam_domain_discrete[{name!r}] should be a list of the type of hparam_dict[{name!r}]")
    start, infos = plugin_data_pb2.SessionStartInfo(), []
    for name, value in hparam_dict.items():
        if value is None:
            continue
        field, kind, value = _parameter(name, value)
        setattr(start.hparams[name], field, value)
        info = api.HParamInfo(name=name, type=api.DataType.Value(kind))
        for one in domains.get(name, []):
            setattr(info.domain_discrete.values.add(), field, one)
        infos.append(info)
    metrics = [api.MetricInfo(name=api.MetricName(tag=name)) for name in metric_dict]
    end = plugin_data_pb2.SessionEndInfo(status=api.Status.Value("STATUS_SUCCESS"))

    def message(tag: str, **part: Any) -> Any:
        data = plugin_data_pb2.HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **part)
        return _summary(tag, metadata=_metadata(metadata.PLUGIN_NAME, data.SerializeToString()))

    return [
        message(metadata.EXPERIMENT_TAG, experiment=api.Experiment(hparam_infos=infos, metric_infos=metrics)),
        message(metadata.SESSION_START_INFO_TAG, session_start_info=start),
        message(metadata.SESSION_END_INFO_TAG, session_end_info=end),
    ]


def _parameter(name: str, value: Any) -> tuple[str, str, Any]:
    if isinstance(value, bool):
        return "bool_value", "DATA_TYPE_BOOL", value
    if isinstance(value, str):
        return "string_value", "DATA_TYPE_STRING", value
    if isinstance(value, (int, float, np.number)) or (isinstance(value, ondol.Tensor) and value.numel() == 1):
        return "number_value", "DATA_TYPE_FLOAT64", float(value)
    raise ValueError(f"hparam {name!r} should be an int, float, str, bool or tensor of one element, got {type(value)}")
