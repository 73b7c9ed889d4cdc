//! Lines as the engine frames them: eight bytes before each piece, unless the container has a terminal.
//! <https://docs.docker.com/reference/api/engine/version/v1.41/#operation/ContainerAttach>

use crate::text::leading_time;
use crate::tools::gathered;
use sentinell_core::evidence::LogLine;

/// The lines with the time that the engine wrote before each.
pub(super) fn of(bytes: &[u8], tty: bool) -> Vec<LogLine> {
    let text = if tty { bytes.to_vec() } else { unframed(bytes) };
    let text = String::from_utf8_lossy(&text);
    text.lines()
        .map(|line| match (leading_time(line), line.split_once(' ')) {
            (Some(at), Some((_, rest))) => gathered::line(Some(at.0), None, rest, None),
            _ => gathered::line(None, None, line, None),
        })
        .collect()
}

/// How many lines there are, whatever frames them.
pub(super) fn count(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

/// `[stream, 0, 0, 0, length (4, big-endian)]`; what is no frame is taken as it is.
fn unframed(mut bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    while let Some((head, rest)) = bytes.split_first_chunk::<8>() {
        let [stream, 0, 0, 0, length @ ..] = head else { break };
        if *stream > 2 {
            break;
        }
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX).min(rest.len());
        text.extend_from_slice(&rest[..length]);
        bytes = &rest[length..];
    }
    text.extend_from_slice(bytes);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_off_and_broken_ones_are_no_panic() {
        let mut bytes = vec![2, 0, 0, 0, 0, 0, 0, 36];
        bytes.extend_from_slice(b"2026-11-23T11:52:19.768757766Z no pl");
        bytes.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 3]);
        bytes.extend_from_slice(b"ug\n");
        let lines = of(&bytes, false);
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].text.as_str(), lines[0].at.is_some()), ("no plug", true));
        for end in 0..bytes.len() {
            of(&bytes[..end], false);
        }
        assert_eq!(of(&[1, 0, 0, 0, 255, 255, 255, 255, b'x'], false)[0].text, "x");
        assert_eq!(of(b"plain\n", true)[0].text, "plain");
    }
}
