//! The only place that names concrete adapters; everybody else sees a port.

pub mod checks;
pub mod demo;
pub mod notifiers;
pub mod oneshot;
pub mod server;
