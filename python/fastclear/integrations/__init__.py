"""One file a foreign system; imported only when asked for."""
