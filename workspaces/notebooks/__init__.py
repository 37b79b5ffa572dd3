"""The way from a browser to a person's JupyterLab: an origin of its own for every notebook (K20).

``addresses`` knows which host is which notebook, ``access`` who may come in, ``probe`` whether
the server answers. The rest runs in one ASGI process: ``origin`` is its application, ``watch``
looks again at everybody inside once a second, ``browser`` refuses what other sites' pages send,
``exchange`` and ``sockets`` carry requests and WebSockets, ``upstream`` is the line to Jupyter.
"""
