"""The bounds that the tests of limits set low, and what a refusal at the socket looks like."""

from live_server import Answer

from serving.http_limits import HttpLimits

LIMITS = HttpLimits(
    max_connections=20,
    max_header_bytes=2_000,
    header_timeout_s=0.3,
    write_timeout_s=0.3,
    max_headers=10,
    max_target_bytes=500,
    max_pipelined=5,
    linger_timeout_s=1.0,
)


def the_problem(answers: list[Answer], status: int) -> Answer:
    """The one answer, which is a problem document and ends the connection."""
    (answer,) = answers
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    assert answer.document["status"] == status
    assert answer.document["detail"]
    assert answer.document["fix"]
    assert "server" not in answer.headers
    return answer
