"""The log under attack: real processes, real SQLite files, real SIGKILL, and a checker that forgives nothing.

`python -m tests.torture` is the command. A process works on graphs of some shape over a log in a file, and is
killed at a failpoint or at any time from outside; another goes on with the same log, again and again, and the
last one runs to the end. Then all that is there, and all that any client ever saw, is compared with a run
that nobody interrupted. Nothing of the product knows of it: a workload process wraps its own functions.
"""
