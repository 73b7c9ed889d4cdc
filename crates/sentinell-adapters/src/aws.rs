//! Amazon's web services: who we are to them, how requests are signed, one call whatever the service. What the eye on CloudWatch and
//! the hands have in common.

mod call;
mod sign;
mod who;

pub(crate) use call::{AwsRequest, Caller, Protocol, Service, refusal, tagged};
pub use sign::AwsKeys;
pub use who::AwsIdentity;
