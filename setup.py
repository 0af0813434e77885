"""Everything about the package stands in setup.cfg; this file is for old setuptools."""
from setuptools import setup

setup()
