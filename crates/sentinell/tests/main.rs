//! Tests of the whole: one binary, one module a subject.

mod api;
mod stories;
mod tidy;
