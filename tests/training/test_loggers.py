"""A logging service that is missing or fails never ends a run."""

import logging
from pathlib import Path
from typing import Any

import pytest
from pytorch_lightning.loggers import CSVLogger

from conftest import checked, settings
from love_thy_neighbors.training import loggers
from love_thy_neighbors.training.loggers import close_loggers, log_result, make_loggers, wandb_is_offline


@pytest.fixture
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return monkeypatch


def test_no_key_means_offline(no_account: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    assert wandb_is_offline()
    assert "no API key" in caplog.text


def test_no_network_means_offline(no_account: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    no_account.setenv("WANDB_API_KEY", "0" * 40)
    no_account.setenv("WANDB_BASE_URL", "http://localhost:9")  # the discard port: nobody listens
    assert wandb_is_offline()
    assert "localhost cannot be reached" in caplog.text


def test_a_key_and_a_server_mean_online(no_account: pytest.MonkeyPatch) -> None:
    import socket

    with socket.create_server(("localhost", 0)) as server:
        no_account.setenv("WANDB_API_KEY", "0" * 40)
        no_account.setenv("WANDB_BASE_URL", f"http://localhost:{server.getsockname()[1]}")
        assert not wandb_is_offline()


@pytest.mark.parametrize(("mode", "offline"), [("offline", True), ("online", False), ("disabled", False)])
def test_the_mode_decides_first(no_account: pytest.MonkeyPatch, mode: str, offline: bool) -> None:
    no_account.setenv("WANDB_MODE", mode)
    assert wandb_is_offline() is offline


def test_a_logger_that_fails_to_start_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*_: Any, **__: Any) -> None:
        raise RuntimeError("the service is down")

    monkeypatch.setattr(loggers, "instantiate", failing)
    with caplog.at_level(logging.WARNING):
        assert make_loggers(checked(settings("logger=wandb")), tmp_path) == []
    assert "failed to start (the service is down); going on with metrics.csv alone" in caplog.text


def test_a_logger_that_fails_in_the_middle_is_told_of_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(CSVLogger):
        calls = 0

        def log_metrics(self, *_: Any, **__: Any) -> None:
            self.calls += 1
            raise OSError("disk full")

    failing = Failing(tmp_path)
    monkeypatch.setattr(loggers, "instantiate", lambda _: failing)
    (logger,) = made = make_loggers(checked(settings("logger=tensorboard")), tmp_path)
    logger.log_metrics({"val/mAP_L": 1.0}, step=0)
    figures = dict.fromkeys(loggers.METRICS, 1.0)
    log_result(made, {"val": figures, "test": figures})
    close_loggers(made)
    assert failing.calls == 2
    assert caplog.text.count("Failing failed (disk full); metrics.csv has everything") == 1


def test_without_a_logger_there_is_none(tmp_path: Path) -> None:
    assert make_loggers(checked(settings()), tmp_path) == []


def test_tensorboard_writes_into_the_run_s_folder(tmp_path: Path) -> None:
    (logger,) = make_loggers(checked(settings("logger=tensorboard")), tmp_path)
    logger.log_metrics({"val/mAP_L": 50.0})
    logger.finalize("success")
    assert list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))
