//! Language models over a real socket: a scripted server for every fault of a transport, on both wires.

mod corpus;
mod faults;
mod official;
mod real;
mod requests;
mod script;
mod wires;
