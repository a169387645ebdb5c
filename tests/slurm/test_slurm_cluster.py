"""The SLURM that tests start leaves nothing behind, also after a failure. Slow: `make test-slurm`."""

from pathlib import Path

import pytest

from fixtures.slurm_cluster import _left, missing, slurm, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(missing() is not None, reason=str(missing()))]


def test_after_a_failure_no_daemon_and_no_job_is_left(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), slurm(tmp_path) as cluster:
        number = cluster.ask("sbatch", "--parsable", "-o", "/dev/null", "--wrap", "trap '' TERM; sleep 300").strip()
        wait_until(lambda: cluster.show(number)["JobState"] == "RUNNING")
        assert _left(tmp_path)
        raise ZeroDivisionError
    assert not _left(tmp_path)
    assert all(daemon.poll() is not None for daemon in cluster.daemons)


def test_what_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fixtures.slurm_cluster.PATH", "/nowhere")
    assert "apt-get install slurm-wlm munge" in str(missing())
