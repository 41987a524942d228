"""`POST /predict` and `/predict/batch`: typed, and the same answers as `tuneworthy predict`.

`POST /invocations` is both of them under the name that SageMaker asks of a container.
"""

import time

from fastapi import APIRouter

from tuneworthy.serving.service import Service
from tuneworthy.serving.wire import BatchRequest, BatchResponse, PredictRequest, PredictResponse


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["predictions"])

    @routes.post("/predict")
    async def predict(request: PredictRequest) -> PredictResponse:
        """Label one text: label, calibrated probabilities, abstained, latency."""
        started = time.monotonic()
        run = service.run(request.model)
        text = service.read(run, request.input, "input", as_row=True)
        [prediction] = await service.predict(run, [text])
        found = service.predicted(run, prediction, request.abstain_below)
        latency = round(time.monotonic() - started, 6)
        return PredictResponse(model=run.name, latency_s=latency, **found.model_dump())

    @routes.post("/predict/batch")
    async def predict_batch(request: BatchRequest) -> BatchResponse:
        """Label several texts, answered in their order."""
        started = time.monotonic()
        run = service.run(request.model)
        texts = [
            service.read(run, given, f"inputs.{i}", as_row=True) for i, given in enumerate(request.inputs)
        ]
        predictions = await service.predict(run, texts)
        found = [service.predicted(run, prediction, request.abstain_below) for prediction in predictions]
        latency = round(time.monotonic() - started, 6)
        return BatchResponse(model=run.name, predictions=found, latency_s=latency)

    @routes.post("/invocations")
    async def invocations(request: PredictRequest | BatchRequest) -> PredictResponse | BatchResponse:
        """One text (`input`) or several (`inputs`), as SageMaker passes requests on; otherwise as above."""
        return await (predict(request) if isinstance(request, PredictRequest) else predict_batch(request))

    return routes
