"""What the OpenAPI document says in words: how to use the service, and what each refusal means."""

from typing import Final

DESCRIPTION: Final = """\
A calibrated probability of fraud, the expected loss and an action for each transaction; reports of
fraud days later. What is acknowledged is durable, and repeating a request is safe: the same id with
the same content gets the first answer again.

Times are RFC 3339 with an offset. The `event_time` of a transaction must be near the service's
clock; a refusal names the limits. Of two fields of one name in a JSON object the last one counts.
Errors are problem documents (RFC 9457) that name field and fix; so are the answers to paths (404)
and methods (405) that are not listed here. HEAD is answered as GET is, without the body.

A batch in which anything is malformed (a field that is missing, unknown or out of bounds) is refused
as a whole, with a 422 that names the first such row, such as `[2].amount`: nothing of it was taken.
Otherwise each row is decided or refused for itself, in its place in the answer: an id that was used
with other content, a time too far from the service's clock.

A batch as an Arrow IPC stream has the fields of a transaction as columns: texts (also as
dictionaries), numbers, and timestamps with a time zone; not compressed. Its answer is a stream with
a row for each.

A demo started with FRAUD_CLOCK=traffic keeps no time of its own: the header `Known-Time` (RFC 3339)
of any request moves its clock forward. Other services refuse that header.
"""
ID_USED: Final = "the id was used before, with other content"
STATUSES: Final = {
    400: "no HTTP/1.1, no JSON or Arrow stream, or a header that cannot be understood",
    401: "no API key, or one that is not known or has expired",
    403: "the key lacks the scope; or a page of another site asks a demo without keys",
    408: "the headers or the body came too slowly",
    413: "the body is too long, or has too many rows",
    414: "the address is too long",
    415: "the body is not said to be what this path takes, or it is compressed",
    421: "a demo without keys was asked by another name than that of this machine",
    422: "a field is missing, unknown or wrong; `field` names it, and `fix` says what to do",
    429: "too many requests with this key",
    431: "the headers are too many or too long",
    503: "starting, busy, or the ledger cannot be written now; send the same request again",
}
