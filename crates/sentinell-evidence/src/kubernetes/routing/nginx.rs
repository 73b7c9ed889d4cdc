//! Routes of an nginx configuration: `location /till/ { proxy_pass http://till:80; }`, through `upstream` blocks too.

use super::host_of;
use crate::kubernetes::object::Route;
use std::collections::BTreeMap;

/// Blocks inside blocks that are followed.
const MAX_DEPTH: usize = 32;

/// The routes of a configuration; what is no nginx gives none.
pub(super) fn routes(text: &str) -> Vec<Route> {
    let clean: String = text.lines().map(|line| line.split('#').next().unwrap_or("")).collect::<Vec<_>>().join("\n");
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    let mut upstreams: BTreeMap<&str, &str> = BTreeMap::new();
    let mut found: Vec<(&str, &str)> = Vec::new();
    let mut rest = clean.as_str();
    while let Some(at) = rest.find([';', '{', '}']) {
        let words: Vec<&str> = rest[..at].split_whitespace().collect();
        match (rest.as_bytes()[at], words.as_slice()) {
            (b'{', _) if blocks.len() < MAX_DEPTH => blocks.push(words),
            (b'}', _) => drop(blocks.pop()),
            (b';', ["proxy_pass" | "grpc_pass" | "fastcgi_pass", target, ..]) => {
                let location = blocks.iter().rev().find(|block| block.first() == Some(&"location"));
                let path = location.and_then(|block| block.last()).copied().unwrap_or("/");
                found.push((path, target));
            }
            (b';', ["server", target, ..]) => {
                if let Some([_, name, ..]) = blocks.last().filter(|b| b.first() == Some(&"upstream")).map(Vec::as_slice)
                {
                    upstreams.entry(name).or_insert(target);
                }
            }
            _ => {}
        }
        rest = &rest[at + 1..];
    }
    let route = |(path, target): (&str, &str)| {
        let authority = target.split_once("://").map_or(target, |(_, rest)| rest);
        let name = authority.split(['/', ':']).next().unwrap_or("");
        let (host, port) = host_of(upstreams.get(name).copied().unwrap_or(authority));
        let known = !host.is_empty() && !host.contains('$') && !host.starts_with("unix");
        known.then(|| Route { path: path.to_owned(), host, port, ..Route::default() })
    };
    found.into_iter().filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_lead_to_hosts_directly_or_through_upstreams() {
        let text = "http {\n  upstream tills { server till:7001 weight=5; server till:7002; }\n  server { listen 80;\n \
                    location = /till { proxy_pass http://tills; } # location /old { proxy_pass http://old; }\n \
                    location ^~ /mill/ { if ($x) { return 404; } proxy_pass http://mill.fair.svc:80/api/; }\n \
                    location /any { proxy_pass http://$host; } } }";
        let all: Vec<(String, String, Option<u16>)> =
            routes(text).into_iter().map(|route| (route.path, route.host, route.port)).collect();
        let expected = [("/till", "till", Some(7001)), ("/mill/", "mill.fair.svc", Some(80))];
        assert_eq!(all, expected.map(|(path, host, port)| (path.to_owned(), host.to_owned(), port)));
        assert!(routes("}}}}{{{{;;;; proxy_pass").is_empty());
    }
}
