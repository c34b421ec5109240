"""Decisions and bars in; orders, ledger, metrics and checks out.

Pure: no input or output, no user code.
"""
