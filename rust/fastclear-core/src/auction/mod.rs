//! Call auctions.
