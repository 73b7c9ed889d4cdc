//! The bodies of the fuzz targets (`fuzz/`) on random input, so that they hold without a fuzzer too.

#[path = "../../../fuzz/bodies.rs"]
mod bodies;

use proptest::collection::vec;
use proptest::prelude::*;

/// Bytes that are partly words: what programs and kubectl print, cut up.
fn wordy() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        "[ -~]{0,12}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..6),
        Just(b"\n".to_vec()),
        Just(b"ERROR ".to_vec()),
        Just(b"NAME READY STATUS RESTARTS AGE\n".to_vec()),
        Just(b"{\"kind\":\"Pod\",\"metadata\":{\"name\":\"".to_vec()),
        Just(b"\"}}".to_vec()),
    ];
    vec(word, 0..120).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_lines_are_borne(bytes in wordy()) {
        bodies::logs(&bytes);
    }

    #[test]
    fn any_cluster_is_borne(bytes in wordy()) {
        bodies::kubernetes(&bytes);
    }

    #[test]
    fn any_series_are_borne(bytes in vec(any::<u8>(), 0..4000)) {
        bodies::metrics(&bytes);
    }

    #[test]
    fn any_spans_are_borne(bytes in vec(any::<u8>(), 0..4000)) {
        bodies::traces(&bytes);
    }
}
