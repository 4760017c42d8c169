"""To look at, to run and to copy from: a live graph, and three pipelines that survive `kill -9`.

rxstream demo                                                     this machine, a file and a model, live
rxstream run rxstream.examples.data:pipeline --log events.db      a CSV file, in parts, side by side
rxstream run rxstream.examples.review:pipeline --log events.db    a model, a tool, and a person who approves
rxstream run rxstream.examples.fanout:pipeline --log events.db    a thousand items, some of which fail
"""
