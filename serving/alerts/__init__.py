"""Alerts out: what an operator should hear of at once is posted, signed, to one address.

    view of the monitors --\
                            sources -> alerts -> [ bounded queue ] -> delivery -> FRAUD_WEBHOOK_URL
    state of the scorer  --/                                             └-> how far it has come, on disk

Nothing here can hold up an answer: alerts are offered to a queue that never blocks, and what does not fit or
cannot be delivered is counted in `/metrics`. The receiver's side, verification included, is in `signature`.
"""
