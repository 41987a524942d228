FROM docker.io/library/python:3.11.14-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HF_HUB_DISABLE_TELEMETRY=1
WORKDIR /opt/tuneworthy
COPY pyproject.toml README.md LICENSE CHANGELOG.md constraints.txt ./
COPY docker ./docker
COPY src ./src
RUN sh docker/install.sh && useradd --create-home runner

USER runner
WORKDIR /home/runner
ENTRYPOINT ["tuneworthy"]
CMD ["--help"]
