"""The human study: raters see assets blind on a local page, and their yes and no become the success rate (SR).

study.py     what is shown: assets and pairs of them under names that tell nothing
criteria.py  what is asked
order.py     in which order each rater sees it
database.py  every click, appended to a SQLite file; progress.py folds clicks into answers
pictures.py  turntables, grids and meshes as bytes without a trace of the method
server.py    the page itself; guard.py who may ask for it
tallies.py   success rates and agreement; preferences.py of pairs; power.py how many prompts it takes
exchange.py  labels to and from CSV; scores.py into the folders of the runs
"""
