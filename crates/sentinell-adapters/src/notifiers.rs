//! Mouths: they tell somebody outside.

pub mod webhook;
