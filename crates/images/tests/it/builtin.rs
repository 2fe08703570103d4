use crate::world::World;
use images::Error;
use types::Layer;

#[test]
fn the_builtin_image_is_made_when_it_is_first_asked_for() {
    let world = World::new();
    let images = world.open();
    assert!(images.list().unwrap().is_empty());
    let image = images.resolve("corten/hello").unwrap();
    assert_eq!(
        image.config.config.cmd.as_deref(),
        Some(&["/hello".to_owned()][..])
    );
    match image.layers.as_slice() {
        [Layer::Erofs(path)] => {
            let blob = std::fs::read(path).unwrap();
            assert_eq!(blob[1024..1028], 0xE0F5_E1E2_u32.to_le_bytes());
        }
        [Layer::Directory(path)] => assert!(path.join("hello").is_file()),
        layers => panic!("{layers:?}"),
    }
    let again = images.resolve("docker.io/corten/hello:latest").unwrap();
    assert_eq!(again.id, image.id);
    let id = image.id.hex()[..12].to_owned();
    assert_eq!(images.resolve(&id).unwrap().id, image.id);
    drop(images);
    assert_eq!(world.open().list().unwrap().len(), 1);
}

#[test]
fn a_store_without_the_executable_has_no_builtin_image() {
    let world = World::new();
    let (database, paths) = World::at(world.dir.path()).unwrap();
    let options = images::Options {
        hello: None,
        ..world.options()
    };
    let images = images::Images::open(&paths, database, options).unwrap();
    let missing = images.resolve("corten/hello").unwrap_err();
    assert!(matches!(&missing, Error::NotFound { name } if name == "corten/hello:latest"));
    assert_eq!(missing.to_string(), "No such image: corten/hello:latest");
}
