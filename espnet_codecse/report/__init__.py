"""RESULTS.md, figures and the report page; this package imports neither torch nor espnet."""
