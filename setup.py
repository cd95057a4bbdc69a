"""Installs the package; pyproject.toml describes it, and tools/install.sh installs it with everything it needs."""

from setuptools import setup

setup()
