# One image for both services and the worker; which one it is, the command says.
FROM python:3.13-slim AS build
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY requirements.txt .
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.txt

FROM node:22-slim AS pages
WORKDIR /ui
COPY mam/web/ui/package.json mam/web/ui/package-lock.json mam/web/ui/.npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY mam/web/ui .
RUN npm run build

FROM python:3.13-slim
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp
# A number, so that Kubernetes can see that it is not root. No shell, no home: /tmp is all it may write to.
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin mam
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY *.py ./
COPY mam mam
COPY --from=pages /dist mam/web/dist
RUN python -m compileall -q .
USER 10001
EXPOSE 8001 8002
CMD ["uvicorn", "video_transcoding_main_server:app", "--host", "0.0.0.0", "--port", "8001"]
