"""Types of the private Rust half. Hand-written; checked against the real thing by stubtest."""

__version__: str
DEBUG_BUILD: bool
