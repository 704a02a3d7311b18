//! Primary keys. `UUIDv7`: ordered by time, so that indexes grow at their end.
use uuid::Uuid;

/// A fresh primary key.
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}
