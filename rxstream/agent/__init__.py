"""The agent loop: turns of a model and its tools as one Stream."""
