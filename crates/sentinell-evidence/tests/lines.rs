//! Log lines nobody would write, and lines that go on after a restart: bounded, and the same every time.

use proptest::collection::vec;
use proptest::prelude::*;
use sentinell_evidence::logs::{Limits, Miner, Saved, parse};

/// Lines made to hurt: what they do is said by the shape, what they say by the number.
fn hostile(shape: usize, n: u64) -> String {
    let word = |n: u64| -> String {
        let letters = (0..6).map(|at| char::from(b'g' + (n.wrapping_mul(0x9e37_79b9).rotate_right(at * 5) % 19) as u8));
        letters.collect::<String>() + &"z".repeat((n % 7) as usize)
    };
    match shape {
        0 => format!("{} \u{202e}\u{200b}\0\u{1b}[2J{}\u{fffd}é\u{1f980}", word(n), word(n + 1)),
        1 => "\0".repeat((n % 4000) as usize),
        2 => ",;:=()[]{}<>|`'\"\\/ \t".chars().cycle().skip((n % 20) as usize).take(5000).collect(),
        3 => "{\"a\":[".repeat(n as usize % 3000) + &word(n),
        4 => (0..10_000_u64).map(|at| word(n + at) + " ").collect(),
        5 => format!("{n} 10.0.0.{} {:x} /a/{n} {n}ms 0x{n:x} {n}KiB", n % 256, n | 1 << 40),
        6 => format!("{} of {} was {} by {} at {}", word(n), word(n * 3), word(n * 5), word(n * 7), word(n * 11)),
        7 => format!("till{} sold {} v{}", n % 100, word(n % 40), n % 30),
        8 => (0..n % 200).map(|at| format!("{at} ")).collect::<String>() + &word(n % 9),
        9 => "x".repeat(1 << (n % 21)),
        10 => "\"".repeat((n % 9000) as usize) + &word(n),
        _ => format!("{}:{}::{}", "1:".repeat((n % 900) as usize), word(n), "%\\".repeat((n % 300) as usize)),
    }
}

const SHAPES: usize = 12;

/// Pushes lines and checks what holds for every miner.
fn sound(lines: impl Iterator<Item = String>, limits: Limits) {
    let mut miner = Miner::new(limits);
    let mut count = 0;
    for line in lines {
        miner.push(&line);
        count += 1;
    }
    let templates = miner.templates();
    assert!(templates.len() <= limits.templates + 1);
    assert_eq!(templates.iter().map(|(_, template)| template.count).sum::<u64>(), count);
    for (reference, template) in templates {
        assert!(!template.text.contains(|c: char| c.is_control() || c == '\u{202e}'), "{:?}", template.text);
        assert!(template.text.len() < 64 * 1024);
        assert_eq!(miner.template(reference), template);
        assert_eq!(miner.find(&template.id).map(|found| miner.template(found).text), Some(template.text));
    }
}

#[test]
fn lines_made_to_hurt_are_counted_and_bounded() {
    for shape in 0..SHAPES {
        sound((0..200).map(|n| hostile(shape, n * 37)), Limits::default());
    }
    let huge = ["x ".repeat(1 << 19), "\u{e9}".repeat(1 << 19), ":".repeat(1 << 20), "\"a\":".repeat(1 << 18)];
    sound(huge.into_iter(), Limits::default());
}

#[test]
fn endless_unknown_lines_are_bounded() {
    sound((0..50_000).map(|n| hostile(6, n * 7919)), Limits { templates: 64 });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_mixture_of_lines_is_sound(
        picks in vec((0..SHAPES, 0_u64..60), 0..150),
        texts in vec("(\\PC|[\\x00-\\x1f]){0,40}", 0..50),
        templates in 1_usize..50,
    ) {
        let lines: Vec<String> = picks.iter().map(|(shape, n)| hostile(*shape, *n)).chain(texts).collect();
        let borrowed: Vec<&str> = lines.iter().map(String::as_str).collect();
        let parsed = parse(&borrowed);
        prop_assert_eq!(parsed.kinds.len(), lines.len());
        prop_assert!(parsed.kinds.iter().all(|kind| *kind < parsed.templates.len()));
        sound(lines.into_iter(), Limits { templates });
    }

    #[test]
    fn a_miner_goes_on_after_a_restart_as_if_there_had_been_none(
        before in vec((5..9_usize, 0_u64..400), 0..200),
        after in vec((5..9_usize, 0_u64..400), 0..200),
        templates in 2_usize..60,
    ) {
        let text = |picks: &[(usize, u64)]| -> Vec<String> { picks.iter().map(|(shape, n)| hostile(*shape, *n)).collect() };
        let mut miner = Miner::new(Limits { templates });
        for line in text(&before) {
            miner.push(&line);
        }
        let kept = serde_json::to_string(&miner.save()).unwrap();
        let mut again = Miner::load(serde_json::from_str(&kept).unwrap()).unwrap();
        for line in text(&after) {
            prop_assert_eq!(again.push(&line), miner.push(&line));
        }
        prop_assert_eq!(again.templates(), miner.templates());
        prop_assert_eq!(again.save(), miner.save());
    }

    #[test]
    fn an_id_means_one_text_for_ever(picks in vec((5..9_usize, 0_u64..400), 1..300), turn in 0_usize..300) {
        let lines: Vec<String> = picks.iter().map(|(shape, n)| hostile(*shape, *n)).collect();
        let mut miner = Miner::default();
        let mut given = Vec::new();
        for line in &lines {
            let at = miner.push(line);
            given.push((at, miner.template(at)));
        }
        for (at, template) in &given {
            let found = miner.find(&template.id);
            let now = found.map(|found| miner.template(found));
            // Still the same text under the same name, or what that kind became.
            prop_assert!(now.is_some_and(|now| now.text == template.text || found == Some(miner.canonical(*at))));
        }
        // Another process that met them in another order calls the same texts by the same names.
        let mut other = Miner::default();
        let turn = turn % lines.len();
        lines[turn..].iter().chain(&lines[..turn]).for_each(|line| { other.push(line); });
        for (_, template) in other.templates() {
            if let Some((_, same)) = miner.templates().into_iter().find(|(_, own)| own.text == template.text) {
                prop_assert_eq!(same.id, template.id);
            }
        }
    }

    #[test]
    fn a_state_that_was_tampered_with_is_refused_or_harmless(
        picks in vec((5..9_usize, 0_u64..90), 1..60),
        cut in any::<prop::sample::Index>(),
        digit in 0..10_u8,
    ) {
        let mut miner = Miner::default();
        picks.iter().for_each(|(shape, n)| { miner.push(&hostile(*shape, *n)); });
        let mut kept = serde_json::to_vec(&miner.save()).unwrap();
        let digits: Vec<usize> = (0..kept.len()).filter(|at| kept[*at].is_ascii_digit()).collect();
        kept[digits[cut.index(digits.len())]] = b'0' + digit;
        if let Ok(saved) = serde_json::from_slice::<Saved>(&kept)
            && let Some(mut other) = Miner::load(saved)
        {
            picks.iter().for_each(|(shape, n)| { other.push(&hostile(*shape, *n + 1)); });
            let _ = (other.templates(), other.save());
        }
    }
}
