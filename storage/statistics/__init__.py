"""A journey's numbers, each counted in SQL from the facts at the moment it is asked for; nothing keeps a counter.

`totals` has them all. A number has a key (`started`, `exited:unsubscribed`, `stage:1:read`), and `lists` opens it: the
same condition that counts a row also selects it. What the numbers mean stands in docs/statistics.md.

Every fact has a moment of its own: a passage its entry, a message its acceptance, an order its date. A `Period` narrows
by these, and `By` splits by these, or by the version and its coupon.
"""
