//! The hands, one file per neighbour. Each plans exactly, acts once on a warrant, and can tell whether it was done.

pub mod command;
pub mod kubernetes;
