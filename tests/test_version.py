"""The version stands in two places, which say the same."""
import configparser
import os

import st
from tests.programs import ROOT


def test_the_package_has_the_version_that_it_tells() -> None:
    """setup.cfg has it as it is: old setuptools would import the package, and what that needs, to look it up."""
    config = configparser.ConfigParser()
    config.read(os.path.join(ROOT, "setup.cfg"))
    assert config["metadata"]["version"] == st.__version__
