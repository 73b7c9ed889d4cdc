//! The town: a few services that break on demand, seen and mended through the same ports as the real world.
//!
//! Everything the town shows is a pure function of a [`Story`], a seed, the moment the story began, the deeds done so far
//! and the time that a [`Clock`](sentinell_core::ports::Clock) tells. The list of deeds is the only thing that changes,
//! and it counts: a deed that happens twice is there twice. The true cause is known, so a test can tell right from wrong;
//! how often the engine finds it says nothing about its accuracy in the field, because both have the same author.

mod cast;
mod clock;
mod hands;
mod mischief;
mod model;
mod rng;
mod runbooks;
mod scene;
mod story;
mod telemetry;
mod tools;
mod town;
mod trouble;
mod world;

pub use cast::{Cast, NAMESPACE, Role};
pub use clock::VirtualClock;
pub use hands::TownHands;
pub use mischief::{HandMischief, Mischief, Seam, Stall};
pub use model::{Asked, CALL_MICRO_USD, ModelFault, Spoil, Temper, TownModel};
pub use runbooks::runbooks;
pub use scene::{Cue, Scene, Truth};
pub use story::{Approval, Beat, Ending, Story, stories, story};
pub use tools::TownTool;
pub use town::{Refused, Town};
pub use trouble::Trouble;
pub use world::DoneDeed;
