"""A finished run behind HTTP: typed predictions, System One and OpenAI decisions, chat."""
