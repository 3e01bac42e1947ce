//! To be written with the auctions.
