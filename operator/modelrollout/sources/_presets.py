"""What well-known model servers count, ready to be named: ``vllm/ttft`` instead of a selector.

Each preset is one of the forms that a person can write. Three things are kept in mind throughout:

- Probes are no requests. They come as often to a pod with little traffic as to one with much, so they would dilute the error
  rate of a small candidate more than that of stable.
- What a client did wrong, or that he left, is no error of the model, where the server tells it apart.
- Numbers are in seconds, whatever the server counts in.
- Values that come many to a request, such as the gaps between tokens, are much alike within it. A limit can be set for them;
  compared as if each were a request of its own, they would prove too much.

A server that only sums up its times has no ``latency`` but a ``meanLatency``: no quantile can be told from a sum.
"""

import difflib
from collections.abc import Mapping

from modelrollout.sources._forms import Form, histogram, mean, rate, shares

_MILLI, _MICRO = 1e-3, 1e-6
_BOTH = ('namespace="$namespace"', 'pod=~"$pods"')


def _of(name: str, *more: str) -> str:
    """Return a selector of one metric of the pods of both versions."""
    return f"{name}{{{','.join((*_BOTH, *more))}}}"


def _any(names: str, *more: str) -> str:
    """Return a selector of several metrics, by a regular expression of their names."""
    return _of("", f'__name__=~"{names}"', *more)


def _either(now: str, before: str) -> str:
    """Return a selector for a metric that was renamed: a server that still has both names is not counted twice."""
    return f"{_of(now)} or {_of(before)}"


_BENTO = tuple(f'{label}!~"/(livez|readyz|healthz)"' for label in ("endpoint", "exported_endpoint"))
"""The Prometheus operator gives the name endpoint to the port, and the server's own label another one."""
_RAY = 'route!~"/-/.*"'
_OVMS = 'method=~"ModelInfer|Predict"'
_VLLM = ('handler=~"/v1/.*"', 'method="POST"')

_SERVERS: Mapping[str, Mapping[str, Form]] = {
    "bentoml": {
        "errorRate": rate(
            _of("bentoml_service_request_total", 'http_response_code=~"5.."', *_BENTO),
            _of("bentoml_service_request_total", *_BENTO),
            errors=True,
        ),
        "latency": histogram(_of("bentoml_service_request_duration_seconds_bucket", *_BENTO)),
    },
    "kserve": {
        # Its Python servers count neither requests nor errors; use the router's errorRate beside it.
        "latency": histogram(_of("request_predict_seconds_bucket")),
    },
    "mlserver": {
        "errorRate": rate(
            _of("model_infer_request_failure_total"),
            _any("model_infer_request_(success|failure)_total"),
            errors=True,
        ),
        "latency": histogram(_of("rest_server_request_duration_seconds_bucket", 'path=~".*/infer"')),
        "meanLatency": mean(_of("model_infer_request_duration_sum"), _of("model_infer_request_duration_count")),
    },
    "ovms": {
        "errorRate": rate(
            _of("ovms_requests_fail", _OVMS),
            _any("ovms_requests_(success|fail)", _OVMS),
            errors=True,
        ),
        "latency": histogram(_of("ovms_request_time_us_bucket"), _MICRO),
    },
    "ray-serve": {
        "errorRate": rate(
            _of("ray_serve_num_http_error_requests_total", 'error_code=~"5.."', _RAY),
            _of("ray_serve_num_http_requests_total", _RAY),
            errors=True,
        ),
        "latency": histogram(_of("ray_serve_http_request_latency_ms_bucket", _RAY), _MILLI),
    },
    "sglang": {
        # It tells a client that left not from a request that was given up for another reason. What was given up while it ran is
        # counted among the requests as well, and what still waited is not: both are added, so that the rate is never above 1. It
        # is a little low, 4.8 % where 5 % were given up.
        "aborted": rate(
            _of("sglang:num_aborted_requests_total"),
            _any("sglang:num_(aborted_)?requests_total"),
        ),
        "latency": histogram(_of("sglang:e2e_request_latency_seconds_bucket")),
        # On an idle server GET /health makes a token, waits like a request, and is counted here.
        "queueTime": histogram(_of("sglang:queue_time_seconds_bucket")),
        "interTokenLatency": histogram(
            _either("sglang:inter_token_latency_seconds_bucket", "sglang:time_per_output_token_seconds_bucket"),
            clumped=True,
        ),
        "ttft": histogram(_of("sglang:time_to_first_token_seconds_bucket")),
    },
    "tfserving": {
        "errorRate": rate(
            _of(":tensorflow:serving:request_count", 'status!="OK"'),
            _of(":tensorflow:serving:request_count"),
            errors=True,
        ),
        "latency": histogram(_of(":tensorflow:serving:request_latency_bucket"), _MICRO),
    },
    "tgi": {
        "errorRate": rate(
            _of("tgi_request_failure", 'err!~"validation|template|dropped"'),
            _of("tgi_request_count"),
            errors=True,
        ),
        "latency": histogram(_of("tgi_request_duration_bucket")),
        "meanOutputTokens": mean(_of("tgi_request_generated_tokens_sum"), _of("tgi_request_generated_tokens_count")),
        "queueTime": histogram(_of("tgi_request_queue_duration_bucket")),
        "tpot": histogram(_of("tgi_request_mean_time_per_token_duration_bucket")),
    },
    "torchserve": {
        # Its Requests2XX holds the answers to probes and scrapes as well, so it is no number of inferences. Its times are those
        # of the good requests, shared among all of them: a version that fails looks faster, so look at its errorRate first.
        "errorRate": rate(_of("Requests5XX"), _of("ts_inference_requests_total"), errors=True),
        "meanLatency": mean(_of("ts_inference_latency_microseconds"), _of("ts_inference_requests_total"), _MICRO),
        "meanQueueTime": mean(_of("ts_queue_latency_microseconds"), _of("ts_inference_requests_total"), _MICRO),
    },
    "triton": {
        # A Python model that answers with an error instead of raising it is counted among the successes, and what found the queue
        # full not at all; use the router's errorRate beside it.
        "errorRate": rate(
            _of("nv_inference_request_failure", 'reason!="CANCELED"'),
            _any("nv_inference_request_(success|failure)", 'reason!="CANCELED"'),
            errors=True,
        ),
        "meanLatency": mean(_of("nv_inference_request_duration_us"), _of("nv_inference_request_success"), _MICRO),
        "meanQueueTime": mean(_of("nv_inference_queue_duration_us"), _of("nv_inference_request_success"), _MICRO),
        "ttft": histogram(_of("nv_inference_first_response_histogram_ms_bucket"), _MILLI),
    },
    "vllm": {
        # An answer that streams may fail after its status was sent; then only the reason why it finished tells.
        "badFinish": rate(
            _of("vllm:request_success_total", 'finished_reason=~"error|repetition"'),
            _of("vllm:request_success_total"),
        ),
        "errorRate": rate(
            _of("http_requests_total", 'status="5xx"', *_VLLM),
            _of("http_requests_total", *_VLLM),
            errors=True,
        ),
        "finishReason": shares(_of("vllm:request_success_total"), "finished_reason"),
        "latency": histogram(_of("vllm:e2e_request_latency_seconds_bucket")),
        "meanInputTokens": mean(_of("vllm:request_prompt_tokens_sum"), _of("vllm:request_prompt_tokens_count")),
        "meanOutputTokens": mean(
            _of("vllm:request_generation_tokens_sum"), _of("vllm:request_generation_tokens_count")
        ),
        "queueTime": histogram(_of("vllm:request_queue_time_seconds_bucket")),
        "interTokenLatency": histogram(
            _either("vllm:inter_token_latency_seconds_bucket", "vllm:time_per_output_token_seconds_bucket"),
            clumped=True,
        ),
        "tpot": histogram(_of("vllm:request_time_per_output_token_seconds_bucket")),
        "ttft": histogram(_of("vllm:time_to_first_token_seconds_bucket")),
    },
}

PRESETS: Mapping[str, Form] = {
    f"{server}/{signal}": form for server, signals in _SERVERS.items() for signal, form in signals.items()
}
"""By server/signal."""


def known_preset(name: str) -> str:
    """Return the name of a preset.

    Raises:
        ValueError: there is none; says which names are near.
    """
    if name in PRESETS:
        return name
    lower = {known.lower(): known for known in PRESETS}
    near = [lower[match] for match in difflib.get_close_matches(name.lower(), lower, n=3)]
    server = name.partition("/")[0]
    if not near and server in _SERVERS:
        near = [f"{server}/{signal}" for signal in _SERVERS[server]]
    remedy = f"Write {' or '.join(near)}" if near else f"The servers are {', '.join(_SERVERS)}"
    raise ValueError(f"{name!r} is no preset. {remedy}.")
