"""The examples in the docstrings of the test kit are true."""

import doctest
import importlib

import pytest
from structlog.testing import capture_logs

FLAGS = doctest.ELLIPSIS | doctest.REPORT_NDIFF


@pytest.mark.parametrize("module", ["demand", "faults", "marbles", "models", "released", "sources"])
def test_examples_in_docstrings(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    with capture_logs():  # what the engine tells would be taken for output
        result = doctest.testmod(
            importlib.import_module(f"rxstream.testing.{module}"), optionflags=FLAGS
        )

    assert result.attempted > 3
    assert result.failed == 0, capsys.readouterr().out
