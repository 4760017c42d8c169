"""Cannot be imported: a file that names it has to say so."""

raise ValueError("at import")
