"""Shows sources that plugins added beside ours."""

from rxstream.added import show_in

show_in("rxstream.adapters.sources", "sources")
