import subprocess
import sys

import pytest


@pytest.fixture
def run_cli():
    """Run the command `assay` in a process of its own."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from assay.cli import main; main()", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run
