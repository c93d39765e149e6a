"""What shows requests and answers to the collector: two Lua filters, and how a route turns the first one on.

The filter of the listener sees the client's request and answer, the filter of a mirror cluster sees the answer to the copy. Both
read while the bytes pass, so nothing waits for them, and send what they kept without waiting for an answer. Whatever goes wrong
in them, the client's answer is untouched: Envoy stops the script, not the request.
"""

from typing import Any

from modelrollout.domain.capture import PLAIN, Capture
from modelrollout.domain.route import Mirror, Route

FILTER = "capture"
"""Name of the listener's filter, and of its part of a route's metadata."""
COLLECTOR = "collector"
"""Name of the collector's cluster, and of its container."""
PERCENT_HEADER = "x-capture"
"""Request header of a copy that says how many percent are captured; the mirror cluster's filter takes it away again."""
LARGEST_BODY = 256 * 1024
"""Bytes. A larger body is announced and not kept."""
LARGEST_ID = 128
"""Characters. A client may send an id of its own; one that is longer is no id."""
HEAP = 32 * 1024
"""KiB that one worker's captured bodies may take. Above, bodies are let go as too large: thousands of slow answers at once must
not cost the router its memory."""

_LIMITS = f"local LARGEST_ID, LARGEST_BODY, HEAP = {LARGEST_ID}, {LARGEST_BODY}, {HEAP}\n"
# Sampling is by the id, so that both filters choose the same requests. A script that ends leaves the rest of a body alone.
_COMMON = """\
local function chosen(id, percent)
  if not id or not percent or #id == 0 or #id > LARGEST_ID then return false end
  local hash = 0
  for at = 1, #id do hash = (hash * 31 + string.byte(id, at)) % 4294967296 end
  return hash % 100 < percent
end
local collected = 0
local function full(begun)
  -- No body is begun that could not be ended: only so some are whole where there are too many.
  local most = begun and HEAP or HEAP / 2
  if collectgarbage("count") < most then return false end
  -- Once a second: it costs milliseconds, and while there is too much it would be asked for with every chunk.
  if os.time() == collected then return true end
  collected = os.time()
  collectgarbage()
  return collectgarbage("count") >= most
end
local function read(handle)
  local kind = string.lower(handle:headers():get("content-type") or "")
  for _, stream in ipairs({"event-stream", "ndjson", "jsonl", "json-seq"}) do
    if string.find(kind, stream, 1, true) then return "", "stream" end
  end
  local json, kept, size = string.find(kind, "json", 1, true), {}, 0
  for chunk in handle:bodyChunks() do
    local length = chunk:length()
    if length > 0 and not json then return "", "notJson" end
    size = size + length
    if size > LARGEST_BODY or full(#kept > 0) then return "", "tooLarge" end
    if length > 0 then kept[#kept + 1] = chunk:getBytes(0, length) end
  end
  if size == 0 then return "", "empty" end
  return table.concat(kept)
end
local function send(handle, path, id, more, body, skipped)
  local headers = {[":method"] = "POST", [":path"] = path, [":authority"] = "collector", ["x-request-id"] = id,
    ["x-skipped"] = skipped}
  for _, name in ipairs({"content-type", "content-encoding"}) do headers[name] = handle:headers():get(name) end
  for name, value in pairs(more) do headers[name] = value end
  -- Not every router that runs this has the collector's cluster: one that is about to be replaced has not.
  pcall(handle.httpCall, handle, "collector", headers, body, {asynchronous = true, timeout_ms = 1000})
end
"""

# Headers that say which part of the traffic a request is are kept until the answer is there: the collector gets both at once.
_PRIMARY = """\
function envoy_on_request(handle)
  local ask, headers = handle:metadata(), handle:headers()
  local id = headers:get("x-request-id")
  if not chosen(id, ask:get("percent")) then return end
  local kept = handle:streamInfo():dynamicMetadata()
  kept:set("capture", "id", id)
  for _, name in ipairs(ask:get("headers") or {}) do
    local value = headers:get(name)
    if value then kept:set("capture.headers", "x-part-" .. name, string.sub(value, 1, 256)) end
  end
  if not ask:get("body") then return end
  local body, skipped = read(handle)
  send(handle, "/request", id, {}, body, skipped)
end
function envoy_on_response(handle)
  local kept = handle:streamInfo():dynamicMetadata()
  local known = kept:get("capture")
  if not known then return end
  local more = {["x-status"] = handle:headers():get(":status"), ["x-arm"] = handle:headers():get("x-model-revision")}
  for name, value in pairs(kept:get("capture.headers") or {}) do more[name] = value end
  local body, skipped = read(handle)
  send(handle, "/primary", known["id"], more, body, skipped)
end
"""

_COPY = """\
function envoy_on_request(handle)
  local headers = handle:headers()
  local id, percent = headers:get("x-request-id"), tonumber(headers:get("x-capture") or "")
  headers:remove("x-capture")
  if chosen(id, percent) then handle:streamInfo():dynamicMetadata():set("capture", "id", id) end
end
function envoy_on_response(handle)
  local known = handle:streamInfo():dynamicMetadata():get("capture")
  if not known then return end
  local more = {["x-status"] = handle:headers():get(":status"), ["x-arm"] = ARM}
  local body, skipped = read(handle)
  send(handle, "/copy", known["id"], more, body, skipped)
end
"""


def listener_filter() -> dict[str, Any]:
    """Return the listener's filter; it does nothing but on a route that turns it on."""
    return {"name": FILTER, "disabled": True, "typed_config": _lua(_PRIMARY)}


def mirror_filters(cluster: str) -> list[dict[str, Any]]:
    """Return the filters of a mirror cluster; their text depends on its name alone."""
    codec = "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"
    return [
        {"name": FILTER, "typed_config": _lua(f'local ARM = "{cluster}"\n{_COPY}')},
        {"name": "envoy.filters.http.upstream_codec", "typed_config": {"@type": codec}},
    ]


def turned_on(capture: Capture) -> dict[str, Any]:
    """Return what a route needs besides its action so that its requests are captured together with their copies.

    A router that is older than the capture has no filter of this name, and ignores it.
    """
    return _asking(capture, capture.percent, _headers(capture))


def observed(capture: Capture | None) -> dict[str, Any]:
    """Return the same for a route whose requests nobody gets a copy of: nothing, unless all requests are looked at."""
    if capture is None or (capture.observed is None and capture.labelled is None):
        return {}
    percent = capture.observed.percent if capture.observed is not None else capture.percent
    return _asking(capture, percent, {*_headers(capture), PLAIN})


def _headers(capture: Capture) -> set[str]:
    return {part.header for part in capture.parts if part.header}


def _asking(capture: Capture, percent: int, headers: set[str]) -> dict[str, Any]:
    asked = {
        "percent": percent,
        "headers": sorted(headers),
        "body": capture.observed is not None or any(part.path for part in capture.parts),
    }
    per_route = {"@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute"}
    enabled = {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": per_route}
    return {"metadata": {"filter_metadata": {FILTER: asked}}, "typed_per_filter_config": {FILTER: enabled}}


def chosen(mirrors: tuple[Mirror, ...]) -> dict[str, Any]:
    """Return what a request must be so that some mirror copies it.

    Envoy draws one number for each request, and every fraction is held against it. So requests that are not copied take
    another route, and cost nothing; and those that are copied to two mirrors are the ones with the lowest numbers for both.
    """
    most = max(mirror.percent for mirror in mirrors)
    return {"runtime_fraction": {"default_value": {"numerator": most, "denominator": "HUNDRED"}}} if most < 100 else {}


def captured(capture: Capture | None, route: Route) -> bool:
    """Return whether answers on a route are captured: somebody is compared, and gets copies."""
    return capture is not None and capture.candidate is not None and bool(route.mirrors)


def percent_header(capture: Capture) -> dict[str, Any]:
    """Return the change to a copied request that tells the mirror cluster's filter how many to choose."""
    header = {"key": PERCENT_HEADER, "value": str(capture.percent)}
    return {"append": {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}


def _lua(code: str) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
        "default_source_code": {"inline_string": f"{_LIMITS}{_COMMON}{code}"},
    }
