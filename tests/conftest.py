"""What every test can use: Jupyter's own fixtures and the databases."""

pytest_plugins = ["pytest_jupyter.jupyter_server"]
