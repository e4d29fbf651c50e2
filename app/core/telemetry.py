"""What Prometheus reads from a process."""

from prometheus_client import Counter, Histogram

REQUESTS = Counter("takeup_http_requests_total", "Requests served", ["method", "route", "status"])
REQUEST_SECONDS = Histogram("takeup_http_request_seconds", "Time to the answer's first byte", ["method", "route"])
