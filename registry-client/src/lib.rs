//! registry-client.
