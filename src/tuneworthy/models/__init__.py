"""The only room that loads weights, chat templates and quantised files."""
