//! The types of variables.

use serde::{Deserialize, Serialize};

/// What a masked stretch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub(super) enum Variable {
    /// A number, with or without sign, point and percent sign.
    Num,
    Hex,
    Uuid,
    Ip,
    Mac,
    Host,
    Url,
    Path,
    Time,
    Duration,
    Size,
    /// Numbers and letters joined: the name of a thing.
    Id,
    /// A word too long to be one.
    Blob,
    /// A quoted text.
    Str,
    /// A value that is not there, between brackets.
    Nothing,
    /// What is beyond the bounds of a line.
    More,
    /// Kinds of line beyond the bound of a miner.
    Other,
}

impl Variable {
    /// How it shows in a template.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Num => "<num>",
            Self::Hex => "<hex>",
            Self::Uuid => "<uuid>",
            Self::Ip => "<ip>",
            Self::Mac => "<mac>",
            Self::Host => "<host>",
            Self::Url => "<url>",
            Self::Path => "<path>",
            Self::Time => "<time>",
            Self::Duration => "<duration>",
            Self::Size => "<size>",
            Self::Id => "<id>",
            Self::Blob => "<blob>",
            Self::Str => "<str>",
            Self::Nothing => "",
            Self::More => "<more>",
            Self::Other => "<other>",
        }
    }
}
