//! The engine judged from outside: broken clusters, public logs with something injected, and hostile input.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod causes;
mod exporters;
mod fuzz;
mod hostile;
mod injection;
mod lines;
