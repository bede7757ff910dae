"""Sphinx: the reference of the Python package as it is installed in target/venv."""

import backbuf

project = "backbuf"
author = "The backbuf authors"
version = release = backbuf.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "alabaster"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
