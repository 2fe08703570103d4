use crate::world::{Containers, World, archive, input};
use images::{Error, Force, Images, Import, Removal, Remove, User};
use std::sync::Arc;
use types::{Digest, ErrorKind, Kind};

async fn image(images: &Images, name: &str, content: &str) -> Digest {
    let request = Import {
        reference: Some(name.parse().unwrap()),
        ..Import::default()
    };
    let bytes = archive(&[("file", content.as_bytes())]);
    images.import(request, input(bytes)).await.unwrap().id
}

fn words(removals: &[Removal]) -> Vec<String> {
    let word = |removal: &Removal| match removal {
        Removal::Untagged(name) => format!("Untagged: {name}"),
        Removal::Deleted(id) => format!("Deleted: {id}"),
    };
    removals.iter().map(word).collect()
}

const FORCE: Remove = Remove {
    force: Force::Yes,
    parents: images::Parents::Prune,
};

#[tokio::test]
async fn an_image_goes_with_its_last_name() {
    let world = World::new();
    let images = world.open();
    let id = image(&images, "wa", "one").await;
    images
        .tag("wa", &"localhost:5000/b:2".parse().unwrap())
        .unwrap();
    assert_eq!(
        words(&images.remove("wa", Remove::default()).unwrap()),
        ["Untagged: wa:latest"]
    );
    assert_eq!(
        images.resolve("wa").unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let layer = images
        .resolve("localhost:5000/b:2")
        .unwrap()
        .diff_ids()
        .next()
        .unwrap()
        .clone();
    let removed = images
        .remove("localhost:5000/b:2", Remove::default())
        .unwrap();
    assert_eq!(
        words(&removed),
        [
            "Untagged: localhost:5000/b:2".to_owned(),
            format!("Deleted: {id}"),
            format!("Deleted: {layer}"),
        ]
    );
    assert!(world.files().is_empty(), "{:?}", world.files());
}

#[tokio::test]
async fn removal_by_id_takes_all_names_of_one_repository_and_asks_for_force_beyond() {
    let world = World::new();
    let images = world.open();
    let id = image(&images, "wa", "one").await;
    let short = &id.hex()[..12];
    images.tag("wa", &"wb".parse().unwrap()).unwrap();
    let refused = images.remove(short, Remove::default()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "conflict: unable to delete {short} (must be forced) - image is referenced in multiple repositories"
        )
    );
    let removed = images.remove(short, FORCE).unwrap();
    assert_eq!(removed.len(), 4);
    assert!(images.list().unwrap().is_empty());
}

#[tokio::test]
async fn a_container_keeps_its_image() {
    let containers = Arc::new(Containers::default());
    let world = World::with_users(containers.clone());
    let images = world.open();
    let id = image(&images, "wa", "one").await;
    let short = id.hex()[..12].to_owned();
    let user = |running| User {
        container: "c0ffee00c0ffee00".parse().unwrap(),
        running,
    };
    containers.0.lock().unwrap().push((id.clone(), user(false)));
    *containers.1.lock().unwrap() = images.resolve("wa").unwrap().layers;
    let refused = images.remove("wa", Remove::default()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "conflict: unable to remove repository reference \"wa\" (must force) - \
             container c0ffee00c0ff is using its referenced image {short}"
        )
    );
    let refused = images.remove(&short, Remove::default()).unwrap_err();
    assert!(
        refused
            .to_string()
            .ends_with("image is being used by stopped container c0ffee00c0ff")
    );
    containers.0.lock().unwrap()[0].1 = user(true);
    let refused = images.remove(&short, FORCE).unwrap_err();
    assert!(
        refused.to_string().contains("(cannot be forced)"),
        "{refused}"
    );
    // By name and by force the name goes, and the container keeps a nameless image.
    assert_eq!(
        words(&images.remove("wa", FORCE).unwrap()),
        ["Untagged: wa:latest"]
    );
    assert!(images.resolve(&short).is_ok());
    // Of a stopped container the image goes, too; its layers stay.
    containers.0.lock().unwrap()[0].1 = user(false);
    images.remove(&short, FORCE).unwrap();
    assert_eq!(world.files().len(), 1, "{:?}", world.files());
    containers.1.lock().unwrap().clear();
    images.collect().unwrap();
    assert!(world.files().is_empty());
}

#[tokio::test]
async fn an_image_in_hand_stays_on_disk() {
    let world = World::new();
    let images = world.open();
    image(&images, "wa", "one").await;
    let held = images.resolve("wa").unwrap();
    images.remove("wa", Remove::default()).unwrap();
    assert_eq!(world.files().len(), 4, "{:?}", world.files());
    drop(held);
    assert_eq!(images.collect().unwrap().layers.len(), 1);
    assert!(world.files().is_empty());
}

#[tokio::test]
async fn a_name_moves_to_the_newer_image() {
    let world = World::new();
    let images = world.open();
    let first = image(&images, "wa", "one").await;
    let second = image(&images, "wa", "two").await;
    assert_eq!(images.resolve("wa").unwrap().id, second);
    assert!(
        images
            .resolve(&first.to_string())
            .unwrap()
            .references
            .is_empty()
    );
    let digest = format!("b@{first}").parse().unwrap();
    assert!(matches!(
        images.tag("wa", &digest),
        Err(Error::Invalid { .. })
    ));
    let nothing = images.tag("nothing", &"c".parse().unwrap()).unwrap_err();
    assert_eq!(nothing.to_string(), "No such image: nothing:latest");
    let upper = images.resolve("Upper").unwrap_err();
    assert_eq!(
        upper.to_string(),
        "invalid reference format: repository name (library/Upper) must be lowercase"
    );
}

#[tokio::test]
async fn tags_and_digests_go_in_one_order() {
    let (world, (server, published)) =
        (crate::pull::world(), crate::pull::published("app:1").await);
    let images = world.open();
    let image = crate::pull::pull(&images, &server, "app:1").await.unwrap();
    images
        .tag(&image.id.to_string(), &"zz".parse().unwrap())
        .unwrap();
    let removed = words(&images.remove(image.id.hex(), FORCE).unwrap());
    let app = format!("Untagged: {}/app", server.address);
    assert_eq!(
        removed[..3],
        [
            format!("{app}:1"),
            format!("{app}@{}", published.manifest),
            "Untagged: zz:latest".to_owned(),
        ]
    );
}
