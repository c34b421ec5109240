"""The REST API: the only code that knows HTTP. `routes.py` is the handler table."""
