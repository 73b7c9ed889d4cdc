//! The web UI's files as `web/dist` had them when this program was built; none if it was built without.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

/// One file, as it is and packed.
pub(super) struct File {
    /// Its name without a folder. All but the page's carry a hash of their content.
    pub(super) name: &'static str,
    pub(super) plain: &'static [u8],
    pub(super) gzip: Option<&'static [u8]>,
    pub(super) brotli: Option<&'static [u8]>,
}

/// Everything that the build found; the page is `index.html`.
pub(super) static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/window.rs"));

/// The file of this name.
pub(super) fn find(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

impl File {
    /// Its answer to a request with these headers: packed as the client takes it, or 304 if the client has it.
    pub(super) fn answer(&self, asked: &HeaderMap) -> Response {
        let (body, packing) = self.packed_for(asked);
        let tag =
            format!("\"{}{}\"", crate::auth::secret::hex(&Sha256::digest(self.plain)[..12]), packing.unwrap_or(""));
        let known = asked.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let known = known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag);
        let mut answer = if known {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(header::CONTENT_TYPE, self.kind())], body).into_response()
        };
        let headers = answer.headers_mut();
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            headers.insert(header::ETAG, tag);
        }
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding, Accept"));
        let keep = if self.name == "index.html" { "no-cache" } else { "public, max-age=31536000, immutable" };
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
        if let (false, Some(packing)) = (known, packing) {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(packing));
        }
        answer
    }

    fn packed_for(&self, asked: &HeaderMap) -> (&'static [u8], Option<&'static str>) {
        let accepted = asked.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let takes = |packing: &str| {
            accepted.split(',').any(|one| {
                let mut parts = one.split(';').map(str::trim);
                parts.next() == Some(packing) && !parts.any(|weight| weight == "q=0")
            })
        };
        match (self.brotli, self.gzip) {
            (Some(brotli), _) if takes("br") => (brotli, Some("br")),
            (_, Some(gzip)) if takes("gzip") => (gzip, Some("gzip")),
            _ => (self.plain, None),
        }
    }

    fn kind(&self) -> &'static str {
        match self.name.rsplit_once('.').map(|(_, end)| end) {
            Some("html") => "text/html; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("json") => "application/json",
            _ => "application/octet-stream",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: File = File { name: "app-1.js", plain: b"plain", gzip: Some(b"gzip"), brotli: Some(b"brotli") };

    fn asking(headers: &[(header::HeaderName, &str)]) -> Response {
        let asked = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        FILE.answer(&asked.collect())
    }

    #[test]
    fn a_file_is_packed_as_its_reader_takes_it() {
        for (accepted, packing) in
            [("gzip, deflate, br", Some("br")), ("gzip", Some("gzip")), ("br;q=0, gzip", Some("gzip")), ("", None)]
        {
            let answer = asking(&[(header::ACCEPT_ENCODING, accepted)]);
            let said = answer.headers().get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap());
            assert_eq!(said, packing, "{accepted}");
        }
    }

    #[test]
    fn a_reader_that_has_the_file_is_not_sent_it_again() {
        let first = asking(&[]);
        let tag = first.headers()[header::ETAG].to_str().unwrap();
        assert_eq!(asking(&[(header::IF_NONE_MATCH, tag)]).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(asking(&[(header::IF_NONE_MATCH, "\"other\"")]).status(), StatusCode::OK);
        let packed = asking(&[(header::IF_NONE_MATCH, tag), (header::ACCEPT_ENCODING, "br")]);
        assert_eq!(packed.status(), StatusCode::OK, "another packing is another body");
    }
}
