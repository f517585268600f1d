//! Keys that a machine pins, and ceilings that bear no right signature.
//! Not how a signature is computed.

use std::fs;

use ringfence_plan::NetworkMode;

use super::{EVERYTHING, Scene, USER};

/// Made with minisign 0.11 (see the tests of `layers::signature`).
const KEY: &str = "RWRoo04v9CpUikTR3mi5bgiPGkQNdlwXMQhit6pTMzVVlWfE9rAVCCQI";

const OTHER_KEY: &str = "RWS6wuSx37cWxnmM61vVj2n/uGOWoqNGpks90suSvoUQ7ScM0QJflPrs";

const SIGNED: &str = "version = 1\nkind = \"ceiling\"\n\n[network]\nmode = \"none\"\n";

const SIGNATURE: &str = "untrusted comment: signature from minisign secret key\n\
    RURoo04v9CpUim+UOVtUgsHXp7QTw/Yj1A0YSjy0JCQMiLpVCiyxpOOwuWcmYMTjhr/65nLcpdrxeGMUgohq1Vba6cAi9R0Xugw=\n\
    trusted comment: timestamp:1790000000\tfile:t.toml\thashed\n\
    d847bTvkd8XZB3LJeedS0bAziidnvNWSEsT62v0kgRWXE7O4MWbGaPv2DK+nGhi8WA3hKY8LGaBZE3pkiFcHCw==\n";

#[test]
fn where_keys_are_pinned_an_unsigned_or_altered_ceiling_stops_every_run() {
    let scene = Scene::new();
    scene.machine(&format!("[signing]\nkeys = [\"{KEY}\"]\n"));
    scene.put("machine/ceiling.d/10.toml", SIGNED);
    assert!(scene.refusal().contains("10.toml` is not signed"));
    scene.put("machine/ceiling.d/10.toml.minisig", SIGNATURE);
    assert_eq!(scene.with_flags(&EVERYTHING).network.mode, NetworkMode::None);
    scene.put("machine/ceiling.d/10.toml", &SIGNED.replace("none", "host"));
    assert!(scene.refusal().contains("changed after signing"));
    scene.put("machine/ceiling.d/10.toml", SIGNED);
    scene.put("machine/ceiling.d/10.toml.minisig", &SIGNATURE[..200]);
    assert!(scene.refusal().contains("is no signature"));
    scene.put("machine/ceiling.d/10.toml.minisig", SIGNATURE);
    scene.put("machine/ceiling.d/20.toml", "kind = \"ceiling\"\n");
    assert!(scene.refusal().contains("20.toml` is not signed"));
    fs::remove_file(scene.path("machine/ceiling.d/20.toml")).unwrap();
    scene.machine(&format!("[signing]\nkeys = [\"{OTHER_KEY}\"]\n"));
    assert!(scene.refusal().contains("by the key 8A542AF42F4EA368, which does not count"));
    scene.machine("[signing]\nkeys = [\"no key\"]\n");
    assert!(scene.refusal().contains("ceiling.toml:4"), "{}", scene.refusal());
}

#[test]
fn a_signature_beside_a_named_ceiling_must_be_right() {
    let scene = Scene::new().with(|request| request.layers = vec!["team.toml".into()]);
    scene.machine(&format!("[signing]\nkeys = [\"{KEY}\"]\n"));
    scene.put("project/team.toml", SIGNED);
    assert_eq!(scene.with_flags(&EVERYTHING).network.mode, NetworkMode::None);
    scene.put("project/team.toml.minisig", SIGNATURE);
    assert_eq!(scene.with_flags(&EVERYTHING).network.mode, NetworkMode::None);
    scene.put("project/team.toml", &SIGNED.replace("none", "host"));
    assert!(scene.refusal().contains("changed after signing"));
}

#[test]
fn keys_and_exceptions_are_the_machines_to_give() {
    let keys = format!("kind = \"ceiling\"\n[signing]\nkeys = [\"{KEY}\"]\n");
    let users = "kind = \"ceiling\"\n[break_glass]\nusers = [\"user\"]\n";
    for name in ["machine/ceiling.d/10.toml", &format!("{USER}/ceiling.toml"), "project/layer.toml"] {
        let scene = Scene::new().with(|request| {
            request.layers.extend((name == "project/layer.toml").then(|| "layer.toml".into()));
        });
        for (text, field) in [(keys.as_str(), "signing.keys"), (users, "break_glass.users")] {
            let told = scene.put(name, text).refusal();
            assert!(told.contains(&format!("`{field}` does not count here")), "{told}");
            assert!(told.contains(".toml:3"), "{told}");
        }
    }
}
