//! Whatever comes in, the engine answers, bounded and twice the same.
