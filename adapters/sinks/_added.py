"""Shows sinks that plugins added beside ours."""

from rxstream.added import show_in

show_in("rxstream.adapters.sinks", "sinks")
