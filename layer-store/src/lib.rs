//! layer-store.
