//! Paths that are never read, whatever folder they stand in.

/// Folders whose files are the machine's own, or hold what proves somebody's identity.
const FOLDERS: [&str; 14] = [
    "proc",
    "sys",
    "dev",
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".docker",
    ".config",
    ".git",
    "secrets",
    "private",
    "credentials",
];
/// Parts of names that mean a secret.
const WORDS: [&str; 18] = [
    "secret",
    "password",
    "passwd",
    "shadow",
    "credential",
    "token",
    "private",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    ".env",
    "netrc",
    "pgpass",
    "htpasswd",
    "kubeconfig",
    "apikey",
    "api_key",
];
/// Ends of names that mean a key, or a store of them.
const ENDS: [&str; 10] = [".key", ".pem", ".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".ovpn", ".tfstate", ".tfvars"];

/// Whether a path is one that is never read: by the names in it, since nothing else is known here. The folder that the
/// operator listed is not looked at, only what stands below it.
pub fn is_secret(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let name = path.rsplit('/').next().unwrap_or_default();
    let known = |part: &str| WORDS.iter().any(|word| part.contains(word));
    parts.any(|part| FOLDERS.contains(&part) || known(part)) || ENDS.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        for bad in [
            "/proc/1/environ",
            "proc/self/mem",
            "/home/a/.ssh/config",
            "/srv/app/.env",
            "/srv/app/.env.production",
            "/etc/shadow",
            "/x/tls.KEY",
            "/x/server.pem",
            "/x/Secrets/a",
            "/x/db-password.txt",
            "/x/api_token",
            "/x/.git/config",
            "/x/terraform.tfstate",
            "/dev/sda",
            "/sys/kernel",
            "/root/.kube/config",
            "/x/.netrc",
        ] {
            assert!(is_secret(bad), "{bad}");
        }
        for good in [
            "/var/log/syslog",
            "/var/log/nginx/error.log.1",
            "/srv/app/config.toml",
            "/etc/nginx/nginx.conf",
            "/etc/hosts",
        ] {
            assert!(!is_secret(good), "{good}");
        }
    }
}
