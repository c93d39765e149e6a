"""The static half of Envoy's configuration: what a router pod is born with and never changes.

It travels in the pod template as an argument, not in the ConfigMap: so the bootstrap always belongs to the Envoy that reads it.
In the ConfigMap, a container that restarts in place would read the bootstrap of a newer operator, and a rolling update could
start pods before the new file is there.
"""

from datetime import timedelta
from typing import Any

from modelrollout.routers._envoy_capture import COLLECTOR, listener_filter

HTTP_PORT = 8080
STATUS_PORT = 9902
ADMIN_PORT = 9901
CLOCK_PORT = 9903
COLLECTOR_PORT = 9904
DIRECTORY = "/etc/router"
CLUSTERS_FILE = "cds.yaml"
ROUTES_FILE = "rds.yaml"
ROUTE_CONFIG = "model"

LARGEST_ANSWER = 64 * 1024
"""Bytes of what a call from Lua may be answered."""
LEAST_DRAIN = timedelta(seconds=5)
"""Measured: kept connections have moved to the other routers after this, and none was lost."""
TICK = timedelta(milliseconds=500)
LONGEST_START = timedelta(seconds=30)
"""A revision that has weight and no pods must not keep a new router from serving the others."""

BUCKETS = (
    *(1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500, 600, 800),
    *(1000, 1200, 1500, 2000, 2500, 3000, 4000, 5000, 6000, 8000, 10000, 12000, 15000, 20000, 25000, 30000, 40000),
    *(50000, 60000, 120000, 300000),
)
"""Milliseconds; neighbours differ by at most a third from 3 ms on, so an interpolated quantile is that exact at worst."""

# The kubelet sends SIGTERM as soon as its preStop hook is answered, and Envoy then exits at once. So the answer itself must be
# late: after the listeners have told kept connections to go elsewhere, and no request is in flight any more. Lua cannot sleep;
# it calls a listener on loopback that answers after one tick.
#
# And Envoy listens as soon as it has asked for the names of its clusters, whatever the answer: with an empty one, as when DNS
# does not know new pods yet, a pod that is Ready would answer 503 until it asks again. So it counts as started with its members.
_LUA = """\
local function call(h, cluster, method, path)
  local _, body = h:httpCall(cluster, {[":method"] = method, [":path"] = path, [":authority"] = cluster}, "", 5000)
  return body
end
local function started(h)
  local stats = call(h, "admin", "GET", "/stats?filter=membership_total%%7Cserver.uptime") or ""
  local routes = call(h, "admin", "GET", "/config_dump?resource=dynamic_route_configs") or ""
  local age = tonumber(string.match(stats, "server.uptime: (%%d+)"))
  local missing = not age and "any revision"
  for name in string.gmatch(routes, '"name": "([^"]+)",%%s+"weight"') do
    if string.find(stats, "cluster." .. name .. ".membership_total: 0", 1, true) then missing = missing or name end
  end
  if missing and (age or 0) < %(longest)d then
    h:respond({[":status"] = "503"}, "no member of " .. missing .. " is known")
  end
end
local function drain(h)
  call(h, "admin", "POST", "/drain_listeners?graceful&skip_exit")
  for tick = 1, %(most)d do
    call(h, "clock", "GET", "/")
    if tick >= %(least)d then
      local active = call(h, "admin", "GET", "/stats?filter=http.ingress.downstream_rq_active")
      if active and string.find(active, ": 0", 1, true) then return end
    end
  end
end
function envoy_on_request(h)
  local path = h:headers():get(":path")
  if path == "/drain" then drain(h) elseif path == "/started" then started(h) end
end
"""

_HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


_FEW = {"max_connections": 16, "max_pending_requests": 128, "max_requests": 128}
"""What is above is dropped, and counted: a collector that stands still costs the router at most 32 MiB."""


def bootstrap(drain: timedelta, *, captures: bool = False) -> dict[str, Any]:
    """Return the bootstrap of a router pod.

    Args:
        drain: how long a pod that leaves waits at most for requests in flight.
        captures: a collector runs beside it.
    """
    clusters = [_local("admin", ADMIN_PORT), _local("clock", CLOCK_PORT)]
    return {
        "node": {"id": "router", "cluster": "router"},
        "admin": {"address": _address("127.0.0.1", ADMIN_PORT)},
        # Histograms are merged at this interval: latencies are at most this old when they are read.
        "stats_flush_interval": "1s",
        "stats_config": {
            "histogram_bucket_settings": [
                {"match": {"suffix": "upstream_rq_time"}, "buckets": list(BUCKETS)},
                {"match": {"prefix": "router."}, "buckets": list(BUCKETS)},
            ]
        },
        **({"layered_runtime": {"layers": [_limits()]}} if captures else {}),
        "dynamic_resources": {"cds_config": _file(CLUSTERS_FILE)},
        "static_resources": {
            "listeners": [_ingress(captures=captures), _status(drain, captures=captures), _clock()],
            "clusters": [*clusters, _collector()] if captures else clusters,
        },
    }


def _limits() -> dict[str, Any]:
    # Lua's calls keep the whole answer: those of a broken collector, 10 MB each, were 100 MiB at once. Ours are a few bytes.
    return {"name": "limits", "static_layer": {"http.async_response_buffer_limit": LARGEST_ANSWER}}


def _ingress(*, captures: bool) -> dict[str, Any]:
    last = _router_filter(suppress_envoy_headers=True)
    return _listener(
        "ingress",
        "0.0.0.0",  # noqa: S104  # a pod's address is not known before it runs
        HTTP_PORT,
        {
            "codec_type": "AUTO",
            "normalize_path": True,
            "drain_timeout": "2s",
            "server_header_transformation": "PASS_THROUGH",
            # Not waiting for the first routes would not help: a file that Envoy rejects counts as fetched.
            "rds": {
                "route_config_name": ROUTE_CONFIG,
                "config_source": {**_file(ROUTES_FILE), "initial_fetch_timeout": "0s"},
            },
            "access_log": [_time_to_first_byte()],
            "http_filters": [listener_filter(), last] if captures else [last],
        },
    )


def _time_to_first_byte() -> dict[str, Any]:
    """Return the logger that counts when the first byte of an answer arrived: ``upstream_rq_time`` ends with the last one."""
    return {
        "name": "envoy.access_loggers.stats",
        # A failure that comes at once must not make a bad version look fast, and the readiness probe has no upstream.
        "filter": {"and_filter": {"filters": [_status_code("GE", 200), _status_code("LE", 499), _no_probe()]}},
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stats.v3.Config",
            "stats_scope": {"prefix": "router"},
            "histograms": [
                {
                    "unit": "Milliseconds",
                    "value_format": "%RESPONSE_DURATION%",
                    "stat": {"name": "ttfb_ms", "tags": [{"name": "cluster", "value_format": "%UPSTREAM_CLUSTER%"}]},
                }
            ],
        },
    }


def _status_code(op: str, code: int) -> dict[str, Any]:
    value = {"default_value": code, "runtime_key": f"router.ttfb.{op.lower()}"}
    return {"status_code_filter": {"comparison": {"op": op, "value": value}}}


def _no_probe() -> dict[str, Any]:
    return {"header_filter": {"header": {"name": PROBE_HEADER, "present_match": True, "invert_match": True}}}


PROBE_HEADER = "x-router-probe"
PROBE_VALUE = "ready"
PROBE_PATH = "/ready"
STARTED_PATH = "/started"
"""On the status port: 503 while a revision that has weight has no members, for ``LONGEST_START`` at most."""
DRAIN_PATH = "/drain"
"""On the status port: answers when the router may go."""
PREDICTIONS_PATH = "/predictions"
"""On the status port: what the collector has counted, for the operator."""
PREDICTIONS_METRICS_PATH = "/predictions/metrics"
"""The same for Prometheus."""


def _status(drain: timedelta, *, captures: bool) -> dict[str, Any]:
    lua = _LUA % {"least": LEAST_DRAIN / TICK, "most": drain / TICK, "longest": LONGEST_START.total_seconds()}
    return _listener(
        "status",
        "0.0.0.0",  # noqa: S104  # the operator and Prometheus read it from outside the pod
        STATUS_PORT,
        {
            "normalize_path": True,
            # A drain may be silent for longer than the default of five minutes.
            "stream_idle_timeout": "0s",
            "route_config": _routes(
                "status",
                {"match": _get("/ready"), "route": {"cluster": "admin"}},
                {"match": _get("/stats/prometheus"), "route": {"cluster": "admin"}},
                {"match": _get(STARTED_PATH), "direct_response": {"status": 200, "body": {"inline_string": "started"}}},
                {"match": _get(DRAIN_PATH), "direct_response": {"status": 200, "body": {"inline_string": "drained"}}},
                *((_pairs(PREDICTIONS_PATH), _pairs(PREDICTIONS_METRICS_PATH)) if captures else ()),
            ),
            "http_filters": [
                {
                    "name": "start-and-drain",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
                        "default_source_code": {"inline_string": lua},
                    },
                },
                _router_filter(),
            ],
        },
    )


def _pairs(path: str) -> dict[str, Any]:
    # Of high priority, which has limits of its own: where so much is captured that some is dropped, it is read all the same.
    return {"match": _get(path), "route": {"cluster": COLLECTOR, "timeout": "5s", "priority": "HIGH"}}


def _collector() -> dict[str, Any]:
    limits = [{"priority": "DEFAULT", **_FEW}, {"priority": "HIGH", **_FEW}]
    return {
        **_local(COLLECTOR, COLLECTOR_PORT),
        "connect_timeout": "1s",
        "circuit_breakers": {"thresholds": limits},
    }


def _clock() -> dict[str, Any]:
    return _listener(
        "clock",
        "127.0.0.1",
        CLOCK_PORT,
        {
            "route_config": _routes("clock", {"match": {"prefix": "/"}, "direct_response": {"status": 200}}),
            "http_filters": [
                {
                    "name": "tick",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
                        "delay": {"fixed_delay": f"{TICK.total_seconds()}s", "percentage": {"numerator": 100}},
                    },
                },
                _router_filter(),
            ],
        },
    )


def _listener(name: str, address: str, port: int, manager: dict[str, Any]) -> dict[str, Any]:
    config = {"@type": _HCM, "stat_prefix": name, **manager}
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": config}]
    return {"name": name, "address": _address(address, port), "filter_chains": [{"filters": filters}]}


def _router_filter(**config: object) -> dict[str, Any]:
    return {"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER, **config}}


def _routes(name: str, *routes: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "virtual_hosts": [{"name": name, "domains": ["*"], "routes": list(routes)}]}


def _get(path: str) -> dict[str, Any]:
    return {"path": path, "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}


def _local(name: str, port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address("127.0.0.1", port)}}
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _file(name: str) -> dict[str, Any]:
    # The directory is watched, not the file: the kubelet swaps a symbolic link of the directory.
    source = {"path": f"{DIRECTORY}/{name}", "watched_directory": {"path": DIRECTORY}}
    return {"resource_api_version": "V3", "path_config_source": source}


def _address(address: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": address, "port_value": port}}
