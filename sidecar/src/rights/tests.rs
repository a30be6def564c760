//! The block arithmetic against a store in memory that crashes.
