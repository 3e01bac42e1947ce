//! Ledger: canonical bytes, RFC 9162 trees, blocks, chain and proofs.
