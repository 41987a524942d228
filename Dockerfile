FROM docker.io/library/python:3.11.14-slim-bookworm AS tuneworthy

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HF_HUB_DISABLE_TELEMETRY=1
WORKDIR /opt/tuneworthy
COPY pyproject.toml README.md LICENSE CHANGELOG.md constraints.txt ./
COPY docker ./docker
COPY src ./src
RUN sh docker/install.sh && useradd --create-home runner
WORKDIR /home/runner
ENTRYPOINT ["tuneworthy"]

# docker build --target endpoint: what `tuneworthy deploy` runs. SageMaker expects root, adds `serve` and sends
# SIGTERM to the entry point; Azure ML starts the image as it is. Both ask port 8080.
FROM tuneworthy AS endpoint
EXPOSE 8080
CMD ["serve"]

FROM tuneworthy
USER runner
CMD ["--help"]
