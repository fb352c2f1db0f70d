"""Weight averaging."""

import pytest

import ondol
from ondol.optim import swa_utils


def model_with(value):
    model = ondol.nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(value)
    return model


def averaged(values, **options):
    model = model_with(values[0])
    average = swa_utils.AveragedModel(model, **options)
    for value in values:
        model.weight.data.fill_(value)
        average.update_parameters(model)
    return average


def test_the_average_is_the_mean_of_all_models():
    average = averaged([1.0, 2.0, 6.0])
    assert average.module.weight.item() == pytest.approx(3.0)
    assert int(average.n_averaged) == 3


@pytest.mark.parametrize(
    "options",
    [{"avg_fn": swa_utils.get_ema_avg_fn(0.5)}, {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.5)}],
)
def test_an_exponential_average_forgets(options):
    assert averaged([4.0, 2.0, 1.0], **options).module.weight.item() == pytest.approx(2.0)


def test_the_averaged_model_is_a_copy_that_computes_like_its_original():
    model = model_with(2.0)
    average = swa_utils.AveragedModel(model)
    model.weight.data.fill_(5.0)
    assert average(ondol.ones(1, 1)).item() == 2.0


def test_buffers_are_copied_or_averaged():
    def run(**options):
        model = ondol.nn.BatchNorm1d(1)
        average = swa_utils.AveragedModel(model, **options)
        for value in (0.0, 4.0):
            model.running_mean.fill_(value)
            average.update_parameters(model)
        return average.module.running_mean.item()

    assert run() == 4.0
    assert run(use_buffers=True) == 2.0


def test_a_decay_out_of_range_and_two_functions_at_once_are_refused():
    with pytest.raises(ValueError, match=r"\[0,1\]"):
        swa_utils.get_ema_avg_fn(1.5)
    with pytest.raises(AssertionError, match="Only one"):
        swa_utils.AveragedModel(model_with(1.0), avg_fn=print, multi_avg_fn=print)


def test_update_bn_computes_the_statistics_of_all_batches_and_leaves_the_mode():
    model = ondol.nn.Sequential(ondol.nn.BatchNorm1d(1, momentum=0.3)).eval()
    batches = [(ondol.tensor([[0.0], [2.0]]), "label"), (ondol.tensor([[4.0], [6.0]]), "label")]
    swa_utils.update_bn(batches, model)
    assert model[0].running_mean.item() == pytest.approx(3.0)
    assert model[0].momentum == 0.3 and not model.training


def test_swalr_goes_to_its_rate_and_stays_there():
    optimizer = ondol.optim.SGD([ondol.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = swa_utils.SWALR(optimizer, swa_lr=0.2, anneal_epochs=2, anneal_strategy="linear")
    found = [optimizer.param_groups[0]["lr"]]
    for _ in range(4):
        optimizer.step()
        scheduler.step()
        found.append(scheduler.get_last_lr()[0])
    assert found == pytest.approx([1.0, 0.6, 0.2, 0.2, 0.2])
