"""What the name of a column says: English words, and the few abbreviations that payments are full of."""

import re
from collections.abc import Collection, Sequence

WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[^\W\d_a-zA-Z]+")

ID_WORDS = {"id", "ids", "key", "uuid", "guid", "num", "number", "no", "nr", "ref", "hash"}
COUNT_WORDS = {"num", "number", "no", "nr"}  # at the beginning of a name they count something
PAYMENT_WORDS = {"transaction", "trans", "txn", "tx", "payment", "order", "event", "trx"}
CARD_WORDS = (
    "card",
    "cc",
    "pan",
    "customer",
    "client",
    "account",
    "acct",
    "user",
    "payer",
    "orig",
    "iban",
)
TERMINAL_WORDS = (
    "terminal",
    "merchant",
    "merch",
    "shop",
    "store",
    "pos",
    "payee",
    "dest",
    "device",
    "seller",
)
TIME_WORDS = {"time", "datetime", "timestamp", "date", "ts", "dt", "when", "step", "unix", "epoch"}
OTHER_TIMES = {
    *(
        "birth",
        "dob",
        "born",
        "expiry",
        "expires",
        "expiration",
        "open",
        "opened",
        "signup",
        "label",
    ),
    *("chargeback", "report", "reported", "observed", "updated", "loaded", "settled", "end"),
}
ARRIVAL_WORDS = {"received", "arrival", "arrived", "known", "ingested", "ingest"}
AMOUNT_WORDS = ("amount", "amt", "value", "price", "total", "paid", "sum", "cost")
FRAUD_WORDS = {"fraud", "fraudulent", "fraudster"}
LABEL_WORDS = ("label", "class", "target", "chargeback", "y")
UNIT_WORDS = {
    "h": {"hour", "hours", "step"},
    "d": {"day", "days"},
    "min": {"minute", "minutes", "min"},
    "ms": {"ms", "millis", "milliseconds"},
}
ANSWER_WORDS = {*FRAUD_WORDS, "chargeback", "dispute", "disputed", "scenario", "label", "target"}
CODE_WORDS = {
    "id",
    "code",
    "mcc",
    "zip",
    "postcode",
    "postal",
    "type",
    "category",
    "channel",
    "currency",
}


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name, in small letters.

    >>> words_of("TX_DATETIME"), words_of("isFraud"), words_of("card1"), words_of("XMLPath")
    (('tx', 'datetime'), ('is', 'fraud'), ('card', '1'), ('xml', 'path'))
    """
    return tuple(word.lower() for word in WORDS.findall(name))


def has(words: Collection[str], wanted: Collection[str]) -> bool:
    """Is one of the words wanted, or longer than a wanted one of four letters or more?

    >>> has(("customerid",), ("customer",)), has(("pos",), ("po",))
    (True, False)
    """
    return any(
        word == each or (len(each) >= 4 and word.startswith(each))
        for word in words
        for each in wanted
    )


def is_id_name(words: Sequence[str]) -> bool:
    """Does a name say that it identifies something?

    >>> [is_id_name(each) for each in (("tx", "id"), ("merchantid",), ("paid",), ("num", "cards"))]
    [True, True, False, False]
    """
    things = {*PAYMENT_WORDS, *CARD_WORDS, *TERMINAL_WORDS}
    return any(
        (word in ID_WORDS and (place > 0 or word not in COUNT_WORDS))
        or (word.endswith("id") and word[:-2] in things)
        for place, word in enumerate(words)
    )
