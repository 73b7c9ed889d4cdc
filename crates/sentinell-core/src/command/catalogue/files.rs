//! Files: what they hold and what there is.

pub(super) const RULES: &[&str] = &[
    "cat
  .: -A --show-all, -b --number-nonblank, -e, -E --show-ends, -n --number, -s --squeeze-blank, -t, -T --show-tabs, -v --show-nonprinting | FILE+",
    "head
  .: -n --lines NUM, -c --bytes NUM, -q --quiet --silent, -v --verbose, -# | FILE+",
    // Without what never ends: -f, -F, --retry, --pid.
    "tail
  .: -n --lines NUM, -c --bytes NUM, -q --quiet --silent, -v --verbose, -# | FILE+",
    // A folder is not searched (-r, -R, -d), a pattern is not read from a file (-f). With -e the first operand is a file.
    "grep
  @how = -i --ignore-case, -n --line-number, -v --invert-match, -w --word-regexp, -x --line-regexp, -c --count, -l --files-with-matches,
    -L --files-without-match, -h --no-filename, -H --with-filename, -E --extended-regexp, -F --fixed-strings, -G --basic-regexp,
    -P --perl-regexp, -s --no-messages, -q --quiet --silent, -a --text, -o --only-matching, -A --after-context NUM,
    -B --before-context NUM, -C --context NUM, -m --max-count NUM, --color ?always/never/auto, -b --byte-offset, -T --initial-tab
  .: @how | TEXT FILE+
  .: @how, !-e --regexp TEXT | FILE+",
    "wc
  .: -l --lines, -w --words, -c --bytes, -m --chars, -L --max-line-length | FILE+",
    "cut
  .: -d --delimiter TEXT, -f --fields LIST, -c --characters LIST, -b --bytes LIST, -s --only-delimited, --complement,
    --output-delimiter TEXT | FILE+",
    "ls
  .: -l, -a --all, -A --almost-all, -h --human-readable, -t, -r --reverse, -S, -1, -d --directory, -i --inode, -n --numeric-uid-gid, -F --classify,
    -p, -s --size, -Z --context, -u, -c, --full-time, --time-style NAME, --color ?always/never/auto | FILE+",
    "stat
  .: -f --file-system, -t --terse, -L --dereference, -c --format TEXT, --printf TEXT | FILE+",
    "du
  .: -s --summarize, -h --human-readable, -a --all, -c --total, -d --max-depth NUM, -x --one-file-system, -k, -m, -b --bytes, --si, --inodes,
    --apparent-size, --time | FILE+",
    "sha256sum
  .: -b --binary, -t --text | FILE+",
    // Of a certificate, never of a key: other subcommands can write, and print keys.
    "openssl
  version: -a, -v
  x509: !-in CERTIFICATE, !-noout, -enddate, -startdate, -dates, -subject, -issuer, -serial, -fingerprint, -sha256, -text, -purpose, -email, -ocsp_uri,
    -checkend NUM, -nameopt LIST, -ext LIST, -inform PEM/DER/pem/der",
];
