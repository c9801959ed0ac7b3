# The desk in a container: `docker compose up`, or see docs/containers.md.
FROM python:3.11.14-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/desk
WORKDIR /src
# The lock alone first: a change of our own code does not install 80 packages again.
COPY requirements.lock ./
RUN /opt/desk/bin/pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY agents agents
COPY app app
COPY config config
COPY domain domain
COPY execution execution
COPY feeds feeds
COPY graph graph
COPY memory memory
COPY options options
COPY portfolio portfolio
COPY prompts prompts
COPY risk risk
COPY signals signals
RUN /opt/desk/bin/pip install --no-deps .

# Every wheel brings its own libraries: nothing is installed from the distribution, and no compiler is here.
FROM python:3.11.14-slim-bookworm
RUN groupadd --gid 10001 desk \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/desk --shell /usr/sbin/nologin desk \
 && install --directory --owner 10001 --group 10001 --mode 0700 /var/lib/desk
COPY --from=build /opt/desk /opt/desk
# Bytecode was compiled by pip; the root filesystem is read-only.
ENV PATH=/opt/desk/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 DESK_HOME=/var/lib/desk
USER 10001:10001
WORKDIR /var/lib/desk
VOLUME /var/lib/desk
EXPOSE 8787
# Asked inside the container; /health answers 503 when a component is down, which urlopen raises.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8787/health', timeout=4)"]
ENTRYPOINT ["desk"]
CMD ["serve"]
