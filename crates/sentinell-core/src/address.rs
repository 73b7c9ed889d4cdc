//! Which names and addresses are out on the open internet. What is not may be a neighbour that trusts whoever is inside.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Last labels of names that are never out there.
const INNER: [&str; 14] = [
    "arpa",
    "cluster",
    "corp",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "onion",
    "svc",
    "test",
];

/// Whether a host's name looks like one on the open internet. Addresses do not: whoever needs one names it in the
/// configuration. What a name resolves to has to be checked as well, when it is connected to.
pub fn is_public_name(host: &str) -> bool {
    let bare = host.strip_suffix('.').unwrap_or(host);
    let labels: Vec<&str> = bare.split('.').collect();
    let number = |label: &&str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit());
    // Public services answer for 127.0.0.1.their.example with the address in the name.
    let spelled = labels.windows(4).any(|four| four.iter().all(number));
    let last = labels.last().copied().unwrap_or_default();
    let numeric = number(&last) || last.to_ascii_lowercase().starts_with("0x");
    labels.len() > 1
        && !numeric
        && !spelled
        && !host.contains(':')
        && !INNER.contains(&last.to_ascii_lowercase().as_str())
}

/// Whether an address is one of the open internet: not this machine, this network, a tunnel to one of them, or nobody's.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18..=19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    // 2000::/3 is all that was ever given away; within it: Teredo, benchmarks, ORCHID, documentation and 6to4.
    let given = parts[0] & 0xe000 == 0x2000;
    let special = (parts[0] == 0x2001 && (parts[1] < 0x0200 || parts[1] == 0x0db8))
        || parts[0] == 0x2002
        || (parts[0] == 0x3fff && parts[1] < 0x1000);
    given && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_open_internet_is_public() {
        for public in ["93.184.216.34", "8.8.8.8", "172.32.0.1", "192.0.1.1", "2001:4860:4860::8888", "2606:2800::1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for inner in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.0.1",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:93.184.216.34",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
        ] {
            assert!(!is_public(inner.parse().unwrap()), "{inner}");
        }
    }

    #[test]
    fn names_of_inner_places_are_not_public() {
        for public in ["github.com", "a.b.c.d.example.com", "xn--bcher-kva.example", "EXAMPLE.com."] {
            assert!(is_public_name(public), "{public}");
        }
        for inner in [
            "db",
            "localhost",
            "sub.localhost",
            "metadata.google.internal",
            "kubernetes.default.svc",
            "a.LOCAL.",
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "[::1]",
            "2130706433",
            "169.254.169.254.nip.example",
            "",
        ] {
            assert!(!is_public_name(inner), "{inner}");
        }
    }
}
