//! The eyes, one file per neighbour. Each only reads, bounds what it reads, and says what it could not see.

pub mod git;
pub mod kubernetes;
pub mod log_file;
pub mod prometheus;
pub mod recording;
