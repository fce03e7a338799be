# One image for both services and the worker; which one it is, the command says.
FROM python:3.13.16-slim-trixie AS build
# strip, as and ld. They stay in this stage.
RUN apt-get update && apt-get install -y --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
RUN python -m venv --without-pip /opt/venv
COPY requirements.lock .
RUN pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
      --no-deps --only-binary :all: --require-hashes -r requirements.lock \
 && pip --python /opt/venv/bin/python --disable-pip-version-check check
COPY deploy/slim.sh .
RUN sh slim.sh /opt/venv/lib/python3.13/site-packages
WORKDIR /app
COPY *.py ./
COPY mam mam
RUN rm -rf mam/web/ui && python -m compileall -q .

FROM node:22.23.1-bookworm-slim AS pages
WORKDIR /ui
COPY mam/web/ui/package.json mam/web/ui/package-lock.json mam/web/ui/.npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY mam/web/ui .
RUN npm run build

FROM python:3.13.16-slim-trixie
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp
# Numbers, so that Kubernetes can see that it is not root. No shell, no home: /tmp is all it may write to.
RUN groupadd --gid 10001 mam && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin mam
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
COPY --from=pages /dist /app/mam/web/dist
WORKDIR /app
USER 10001:10001
# What is compiled has come through: an image in which something cannot be loaded is not built.
RUN python -c "import av, httptools, hiredis, jwt.algorithms, minio.minioadmin, numpy, pydantic, uvloop"
EXPOSE 8001 8002
CMD ["uvicorn", "video_transcoding_main_server:app", "--host", "0.0.0.0", "--port", "8001"]
