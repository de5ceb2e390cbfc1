"""The page that a person leaves open: what answers, how well, what has changed, and a hand on the switch.

Reading order: `ring` (the last minutes, sampled once a second), `shown` (what the templates are given),
`formats` and `pictures` (numbers and SVG), `page` (templates to HTML), `stream` (live, by server-sent
events), `sessions` (signing in), `endpoints` (the routes).

Everything is rendered on the server and works without a script; `assets/live.js` only brings the same pieces
anew. Nothing is loaded from another host, and nothing in the page is inline.
"""
