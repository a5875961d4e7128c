//! Descriptions and labels (R-K21).

use std::collections::BTreeMap;

use claviger_algorithm::Algorithm;
use claviger_engine::change::AboutChange;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::name::Name;
use claviger_engine::limits::{DELETION_WAIT_DEFAULT, LABELS_MAX};
use claviger_engine::{About, Error, InvalidAbout};

use crate::support::installation::{name, new_key};

fn describes(description: &str) -> AboutChange {
    AboutChange { description: Some(description.to_owned()), ..AboutChange::default() }
}

fn labels<const N: usize>(labels: [(&str, Option<&str>); N]) -> AboutChange {
    let labels = labels.map(|(label, value)| (name(label), value.map(str::to_owned)));
    AboutChange { labels: labels.into(), ..AboutChange::default() }
}

fn said(text: &str, labels: &[(&str, &str)]) -> About {
    let labels: BTreeMap<Name, String> =
        labels.iter().map(|(label, value)| (name(label), (*value).to_owned())).collect();
    About { description: text.to_owned(), labels }
}

on_every_storage! {
    // R-K21
    fn what_is_not_named_stays_as_it_was(installation) {
        let (engine, id) = (&installation.engine, installation.create("key", Algorithm::Xaes256Gcm));
        assert_eq!(engine.describe_key(id).unwrap().about, About::default());
        for (change, expected) in [
            (describes("Card numbers"), said("Card numbers", &[])),
            (labels([("team", Some("payments")), ("tier", Some(""))]), said("Card numbers", &[("team", "payments"), ("tier", "")])),
            (labels([("tier", None), ("not-there", None)]), said("Card numbers", &[("team", "payments")])),
            (describes(""), said("", &[("team", "payments")])),
            (AboutChange::default(), said("", &[("team", "payments")])),
            (labels([("team", Some("cards"))]), said("", &[("team", "cards")])),
        ] {
            assert_eq!(engine.set_about(id, change).unwrap().about, expected);
            assert_eq!(engine.describe_key(id).unwrap().about, expected);
        }
    }

    // R-K21
    fn a_key_is_created_with_what_is_said_of_it(installation) {
        let about = said("Card numbers.\nSince 2026", &[("team", "payments")]);
        let mut new = new_key("key", Algorithm::Ed25519);
        new.about = about.clone();
        let id = installation.engine.create_keys(installation.store, vec![new]).unwrap()[0].id;
        assert_eq!(installation.engine.describe_key(id).unwrap().about, about);
    }

    // R-K21
    fn what_is_out_of_bounds_is_refused_and_nothing_is_changed(installation) {
        let (engine, id) = (&installation.engine, installation.create("key", Algorithm::Xaes256Gcm));
        let most = (0..LABELS_MAX).map(|number| (name(&format!("label-{number}")), Some("x".to_owned()))).collect();
        let full = engine.set_about(id, AboutChange { labels: most, ..describes("full") }).unwrap().about;
        for (change, fault) in [
            (describes(&"x".repeat(1_025)), InvalidAbout::DescriptionSize(1_025)),
            (describes("a\tb"), InvalidAbout::DescriptionCharacter),
            (describes("\u{1b}[31m"), InvalidAbout::DescriptionCharacter),
            (labels([("one-more", Some(""))]), InvalidAbout::LabelCount(33)),
            (labels([("label-0", Some("a\nb"))]), InvalidAbout::LabelCharacter(name("label-0"))),
            (labels([("label-0", Some(&"ä".repeat(129)))]), InvalidAbout::LabelSize(name("label-0"))),
        ] {
            assert!(matches!(engine.set_about(id, change), Err(Error::InvalidAbout(found)) if found == fault));
            assert_eq!(engine.describe_key(id).unwrap().about, full);
        }
        let other = labels([("label-0", None), ("one-more", Some(&"ä".repeat(128)))]);
        assert_eq!(engine.set_about(id, other).unwrap().about.labels.len(), LABELS_MAX);
        let mut new = new_key("new", Algorithm::Ed25519);
        new.about = said("\u{7}", &[]);
        assert!(matches!(engine.create_keys(installation.store, vec![new]), Err(Error::InvalidAbout(_))));
        assert_eq!(engine.find_key(installation.store, &name("new")).unwrap(), None);
    }

    // R-K11, R-K21
    fn a_deleted_key_keeps_what_was_said_of_it_and_takes_no_more(installation) {
        let (engine, id) = (&installation.engine, installation.create("key", Algorithm::Xaes256Gcm));
        engine.set_about(id, describes("Card numbers")).unwrap();
        engine.request_deletion(id, DELETION_WAIT_DEFAULT).unwrap();
        engine.set_about(id, labels([("why", Some("ended"))])).unwrap();
        engine.delete_now(id, false).unwrap();
        assert!(matches!(engine.set_about(id, describes("late")), Err(Error::KeyStateWrong { .. })));
        assert_eq!(engine.describe_key(id).unwrap().about, said("Card numbers", &[("why", "ended")]));
        assert!(matches!(engine.set_about(KeyId([9; 16]), describes("none")), Err(Error::KeyNotFound(_))));
    }
}
