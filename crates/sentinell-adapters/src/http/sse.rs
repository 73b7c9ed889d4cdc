//! Server-sent events out of bytes, with a bound on a line and on an event.

/// Bytes of one line and of the data of one event.
pub(crate) const LARGEST: usize = 2 << 20;

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its data lines, joined.
    pub data: String,
}

/// Puts events together. Comments, ids and names are left out: every wire here says in the data what it is about.
#[derive(Debug, Default)]
pub(crate) struct Events {
    line: Vec<u8>,
    data: Option<Vec<u8>>,
    after_return: bool,
    begun: bool,
}

impl Events {
    /// Takes the next bytes, however they were cut, and appends the events that they complete.
    pub fn take(&mut self, bytes: &[u8], into: &mut Vec<Event>) -> Result<(), String> {
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            // A line feed right after a return belongs to it.
            if !(at == 0 && self.after_return && rest[0] == b'\n') {
                self.grow(&rest[..at])?;
                self.line_ends(into)?;
            }
            self.after_return = rest[at] == b'\r';
            rest = &rest[at + 1..];
        }
        if !rest.is_empty() {
            self.after_return = false;
        }
        self.grow(rest)
    }

    /// The event whose closing empty line never came; a line that was cut is no line.
    pub fn end(&mut self) -> Option<Event> {
        self.data.take().filter(|data| !data.is_empty()).map(event)
    }

    fn grow(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.line.len() + bytes.len() > LARGEST {
            return Err(format!("a line of more than {LARGEST} bytes"));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn line_ends(&mut self, into: &mut Vec<Event>) -> Result<(), String> {
        let line = std::mem::take(&mut self.line);
        let mut line = line.as_slice();
        if !std::mem::replace(&mut self.begun, true) {
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        if line.is_empty() {
            into.extend(self.end());
            return Ok(());
        }
        let Some(value) = line.strip_prefix(b"data") else { return Ok(()) };
        let value = match value {
            [] => value,
            [b':', b' ', value @ ..] | [b':', value @ ..] => value,
            _ => return Ok(()),
        };
        let data = match &mut self.data {
            Some(data) => {
                data.push(b'\n');
                data
            }
            None => self.data.insert(Vec::new()),
        };
        if data.len() + value.len() > LARGEST {
            return Err(format!("an event of more than {LARGEST} bytes"));
        }
        data.extend_from_slice(value);
        Ok(())
    }
}

fn event(data: Vec<u8>) -> Event {
    Event { data: String::from_utf8_lossy(&data).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data of the events in `text`, fed in pieces of `size` bytes.
    fn heard(text: &str, size: usize) -> Vec<String> {
        let (mut events, mut into) = (Events::default(), Vec::new());
        for piece in text.as_bytes().chunks(size) {
            events.take(piece, &mut into).unwrap();
        }
        into.extend(events.end());
        into.into_iter().map(|event| event.data).collect()
    }

    #[test]
    fn events_are_the_same_however_the_bytes_were_cut() {
        let texts = [
            "\u{feff}data: é1\n\nevent: x\ndata:2\ndata: 3\n\n: ping\n\nid: 4\nretry: 5\n\ndatabase: no\n\ndata\n\ndata: cut",
            "\u{feff}data: é1\r\n\r\nevent: x\r\ndata:2\r\ndata: 3\r\n\r\n: ping\r\n\r\ndata\r\n\r\n",
            "\u{feff}data: é1\r\revent: x\rdata:2\rdata: 3\r\r: ping\r\rdata\r\r",
        ];
        for text in texts {
            for size in 1..text.len() {
                assert_eq!(heard(text, size), ["é1", "2\n3"], "{text:?} in pieces of {size}");
            }
        }
        assert_eq!(heard("data: whole line, no empty one\n", 7), ["whole line, no empty one"]);
    }

    #[test]
    fn a_line_and_an_event_are_bounded() {
        let (mut events, mut into) = (Events::default(), Vec::new());
        let piece = vec![b'a'; 1 << 20];
        assert!(events.take(&piece, &mut into).is_ok());
        assert!(events.take(&piece, &mut into).is_ok());
        assert!(events.take(b"b", &mut into).unwrap_err().contains("line"));

        let mut events = Events::default();
        let line = format!("data: {}\n", "a".repeat(1 << 19));
        let grown = (0..8).map(|_| events.take(line.as_bytes(), &mut into)).find_map(Result::err);
        assert!(grown.unwrap().contains("event"));
        assert!(into.is_empty());
    }
}
