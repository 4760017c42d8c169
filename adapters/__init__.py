"""The world outside: sources, sinks, logs, models, the web, the terminal, the command line."""
