//! Tests of the whole: one binary, one module a subject.

mod stories;
mod tidy;
