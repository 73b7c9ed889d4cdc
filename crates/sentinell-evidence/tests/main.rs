//! The engine judged from outside: public logs with something injected, and hostile input.

mod hostile;
mod injection;
