//! Outputs of builds for several platforms: archives, directories, registries; annotations, digests, saving and loading.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::context::{context, import_busybox, text};
use crate::dhow::Dhow;
use crate::registry::Registry;
use crate::skip::need;

const PLATFORMS: [&str; 2] = ["linux/s390x", "linux/arm/v7"];
const DOCKERFILE: &str = "FROM scratch\nARG TARGETARCH\nLABEL architecture=$TARGETARCH\nCOPY a /app/a\n";

/// A build of two platforms that needs nothing but files.
fn site() -> (Dhow, PathBuf) {
    let dhow = Dhow::new();
    let folder = context(&dhow, "app", &[("Dockerfile", DOCKERFILE), ("a", "first\n")]);
    (dhow, folder)
}

fn build(dhow: &Dhow, folder: &Path, arguments: &[&str]) -> String {
    dhow.ok([&["build", "--platform", &PLATFORMS.join(",")], arguments, &[text(folder)]].concat())
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

/// The index that a layout in a directory lists first, and its entry.
fn index_of(layout: &Path) -> (Value, Value) {
    let entry = json_of(&layout.join("index.json"))["manifests"][0].clone();
    (blob(layout, &entry), entry)
}

fn blob(layout: &Path, entry: &Value) -> Value {
    let digest = entry["digest"].as_str().expect("a digest");
    json_of(&layout.join("blobs/sha256").join(digest.trim_start_matches("sha256:")))
}

fn unpacked(dhow: &Dhow, archive: &Path) -> PathBuf {
    let folder = dhow.folder().join(format!("{}.d", archive.file_name().unwrap().to_str().unwrap()));
    fs::create_dir(&folder).expect("creates a folder");
    assert!(Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(&folder).status().expect("tar").success());
    folder
}

#[test]
fn all_outputs_hold_all_platforms() {
    let (dhow, folder) = site();
    let at = |name: &str| dhow.folder().join(name);
    let outputs = [
        format!("type=oci,dest={}", at("oci.tar").display()),
        format!("type=oci,tar=false,dest={}", at("layout").display()),
        format!("type=docker,dest={}", at("docker.tar").display()),
        format!("type=tar,dest={}", at("files.tar").display()),
        format!("type=local,dest={}", at("files").display()),
        "type=cacheonly".to_owned(),
    ];
    let metadata = at("metadata.json");
    let mut arguments = vec!["-t", "many:1", "--metadata-file", text(&metadata)];
    outputs.iter().for_each(|output| arguments.extend(["-o", output]));
    build(&dhow, &folder, &arguments);

    let metadata = json_of(&metadata);
    let digest = &metadata["containerimage.digest"];
    assert_eq!(metadata["containerimage.descriptor"]["mediaType"], "application/vnd.oci.image.index.v1+json");
    assert!(metadata.get("containerimage.config.digest").is_none(), "{metadata}");
    for layout in [at("layout"), unpacked(&dhow, &at("oci.tar")), unpacked(&dhow, &at("docker.tar"))] {
        let (index, entry) = index_of(&layout);
        assert_eq!(&entry["digest"], digest);
        assert_eq!(entry["annotations"]["io.containerd.image.name"], "docker.io/library/many:1");
        let listed = index["manifests"].as_array().unwrap();
        let platforms: Vec<&Value> = listed.iter().map(|entry| &entry["platform"]).collect();
        let expected = [
            json!({"architecture": "s390x", "os": "linux"}),
            json!({"architecture": "arm", "os": "linux", "variant": "v7"}),
        ];
        assert_eq!(platforms, expected.each_ref());
        for (entry, architecture) in listed.iter().zip(["s390x", "arm"]) {
            let config = blob(&layout, &blob(&layout, entry)["config"]);
            assert_eq!(config["architecture"], architecture);
            assert_eq!(config["config"]["Labels"]["architecture"], architecture);
        }
    }
    // Who knows no indexes finds one image in the archive for docker, and none in that for OCI.
    let table = json_of(&at("docker.tar.d/manifest.json"));
    assert_eq!((table.as_array().unwrap().len(), &table[0]["RepoTags"][0]), (1, &json!("many:1")));
    assert!(!at("oci.tar.d/manifest.json").exists());

    for directory in ["linux_s390x", "linux_arm_v7"] {
        assert_eq!(fs::read_to_string(at("files").join(directory).join("app/a")).unwrap(), "first\n");
    }
    let listed = Command::new("tar").arg("-tf").arg(at("files.tar")).output().expect("tar runs");
    let expected =
        "linux_s390x/\nlinux_s390x/app/\nlinux_s390x/app/a\nlinux_arm_v7/\nlinux_arm_v7/app/\nlinux_arm_v7/app/a\n";
    assert_eq!(String::from_utf8_lossy(&listed.stdout), expected);
    assert_eq!(dhow.ok(["images", "-aq"]), "", "none of the outputs is the store");
}

#[test]
fn a_directory_is_split_as_asked() {
    let (dhow, folder) = site();
    let dest = dhow.folder().join("out");
    let local = |keys: &str| format!("type=local,dest={}{keys}", dest.display());
    let fails = |arguments: &[&str], expected: &str| {
        let all = [&["build", "--platform", "linux/s390x,linux/arm/v7"], arguments, &[text(&folder)]].concat();
        let error = dhow.fails(all);
        assert!(error.contains(expected) && error.contains("hint"), "{error}");
    };
    fails(&["-o", &local(",platform-split=false")], "`/app/a`");
    fails(&["-o", "type=tar,dest=x.tar,platform-split=false"], "directory for each platform");
    fs::write(folder.join("Dockerfile"), "FROM scratch\nARG TARGETARCH\nCOPY a /app/$TARGETARCH\n").unwrap();
    fs::create_dir_all(dest.join("old")).unwrap();
    fs::write(dest.join("linux_s390x"), "in the way").unwrap();
    build(&dhow, &folder, &["-o", &local(",platform-split=false")]);
    let names = || {
        let find = Command::new("find").arg(&dest).args(["-type", "f", "-printf", "%P\\n"]).output().expect("find");
        let mut names: Vec<String> = String::from_utf8_lossy(&find.stdout).lines().map(str::to_owned).collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["app/arm", "app/s390x", "linux_s390x"]);
    fs::remove_file(dest.join("linux_s390x")).unwrap();
    build(&dhow, &folder, &["-o", &local(",mode=delete")]);
    assert_eq!(names(), ["linux_arm_v7/app/arm", "linux_s390x/app/s390x"]);
    assert!(!dest.join("old").exists());
    build(&dhow, &folder, &["-o", &local(",mode=delete,platform-split=false")]);
    assert_eq!(names(), ["app/arm", "app/s390x"]);
}

#[test]
fn annotations_stand_where_they_belong() {
    let (dhow, folder) = site();
    let layout = dhow.folder().join("layout");
    let output = format!(
        "type=oci,tar=false,dest={},annotation.a=key,annotation-index.b=key,annotation-manifest[linux/s390x].c=key",
        layout.display()
    );
    let typed = [
        "manifest:m=1",
        "plain=2",
        "index,manifest:both=3",
        "manifest[linux/arm/v7]:arm=4",
        "manifest-descriptor:d=5",
        "manifest-descriptor[linux/s390x]:s=6",
        "index-descriptor:i=7",
    ];
    let mut arguments = vec!["-o", &output];
    typed.iter().for_each(|annotation| arguments.extend(["--annotation", annotation]));
    build(&dhow, &folder, &arguments);
    let (index, entry) = index_of(&layout);
    let annotations = |value: &Value| value["annotations"].clone();
    assert_eq!(annotations(&entry)["i"], "7");
    assert_eq!(annotations(&index), json!({"b": "key", "both": "3"}));
    let [s390x, arm] = [0, 1].map(|place| index["manifests"][place].clone());
    assert_eq!(annotations(&s390x), json!({"d": "5", "s": "6"}));
    assert_eq!(annotations(&arm), json!({"d": "5"}));
    let both = json!({"a": "key", "both": "3", "c": "key", "m": "1", "plain": "2"});
    assert_eq!(annotations(&blob(&layout, &s390x)), both);
    let both = json!({"a": "key", "arm": "4", "both": "3", "m": "1", "plain": "2"});
    assert_eq!(annotations(&blob(&layout, &arm)), both);
    for (wrong, expected) in [
        ("manifest[linux/amd64]:x=y", "`linux/arm/v7`"),
        ("index[linux/s390x]:x=y", "of all platforms"),
        ("index-descriptor:x=y", "type=oci"),
    ] {
        let error =
            dhow.fails(["build", "--platform", "linux/s390x,linux/arm/v7", "--annotation", wrong, text(&folder)]);
        assert!(error.contains(expected), "{wrong}: {error}");
    }
}

#[test]
fn one_digest_is_told_everywhere_and_comes_again() {
    let registry = need!(Registry::start());
    let digests: Vec<String> = ["one", "other"]
        .iter()
        .map(|name| {
            let (dhow, folder) = site();
            let (id, metadata) = (dhow.folder().join("id"), dhow.folder().join("metadata"));
            let name = registry.image(&format!("{name}:1"));
            let arguments = [
                &[
                    "build",
                    "-q",
                    "--platform",
                    "linux/s390x,linux/arm/v7",
                    "-t",
                    &name,
                    "-o",
                    "type=registry,annotation-index.a=b",
                ][..],
                &["--iidfile", text(&id), "--metadata-file", text(&metadata), text(&folder)],
            ]
            .concat();
            let mut command = dhow.command(arguments);
            let built = command.env("SOURCE_DATE_EPOCH", "1700000000").output().expect("dhow starts");
            assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
            let printed = String::from_utf8_lossy(&built.stdout).trim().to_owned();
            assert_eq!(fs::read_to_string(&id).unwrap(), printed);
            assert_eq!(json_of(&metadata)["containerimage.digest"], printed);
            assert!(dhow.ok(["push", &name]).contains(&printed), "pushed later it is the same");
            let there = Dhow::new();
            there.ok(["pull", "--platform", "linux/arm/v7", &format!("{}@{printed}", name.trim_end_matches(":1"))]);
            printed
        })
        .collect();
    assert_eq!(digests[0], digests[1]);
    assert!(digests[0].starts_with("sha256:"), "{digests:?}");
}

#[test]
fn an_index_is_pushed_by_its_digest_alone() {
    let registry = need!(Registry::start());
    let (dhow, folder) = site();
    let output = format!("type=image,name={},push-by-digest=true,push=true,store=false", registry.image("x"));
    let digest = build(&dhow, &folder, &["-q", "-o", &output]).trim().to_owned();
    let there = Dhow::new();
    there.ok(["pull", "-q", "--platform", "linux/s390x", &format!("{}@{digest}", registry.image("x"))]);
    there.fails(["pull", "--platform", "linux/s390x", &registry.image("x:latest")]);
    assert_eq!(dhow.ok(["images", "-aq"]), "");
}

#[test]
fn what_is_saved_is_loaded_with_all_platforms_or_one() {
    let (dhow, folder) = site();
    build(&dhow, &folder, &["-t", "many", "--annotation", "index:a=b"]);
    let digest = dhow.ok(["images", "--digests", "--format", "{{.Digest}}", "many"]);
    let (all, one) = (dhow.folder().join("all.tar"), dhow.folder().join("one.tar"));
    dhow.ok(["save", "-o", text(&all), "many"]);
    dhow.ok(["save", "-o", text(&one), "--platform", "linux/arm/v7", "many"]);
    let error = dhow.fails(["save", "-o", text(&one), "--platform", "linux/amd64", "many"]);
    assert!(error.contains("linux/s390x") && error.contains("hint"), "{error}");
    let there = Dhow::new();
    assert_eq!(there.ok(["load", "-i", text(&all)]), "Loaded image: many:latest\n");
    assert_eq!(there.ok(["images", "-aq"]).lines().count(), 2);
    assert_eq!(there.ok(["images", "--digests", "--format", "{{.Digest}}", "many"]), digest);
    let architecture = |dhow: &Dhow, platform: &str| {
        dhow.ok(["image", "inspect", "--platform", platform, "-f", "{{.Architecture}}", "many"]).trim().to_owned()
    };
    assert_eq!(
        (architecture(&there, "linux/s390x"), architecture(&there, "linux/arm/v7")),
        ("s390x".into(), "arm".into())
    );
    let there = Dhow::new();
    assert_eq!(there.ok(["load", "-i", text(&one)]), "Loaded image: many:latest\n");
    assert_eq!(architecture(&there, "linux/arm/v7"), "arm");
    assert_eq!(there.ok(["images", "-aq"]).lines().count(), 1);
}

#[test]
fn this_machines_image_runs_and_a_missing_one_is_told() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let dockerfile = "FROM --platform=$BUILDPLATFORM busybox AS base\nFROM base\nCMD [\"echo\", \"it runs\"]\n";
    let folder = context(&dhow, "app", &[("Dockerfile", dockerfile)]);
    let host = std::env::consts::ARCH.replace("x86_64", "amd64").replace("aarch64", "arm64");
    dhow.ok(["build", "--platform", &format!("linux/s390x,linux/{host}"), "-t", "both", text(&folder)]);
    assert_eq!(dhow.ok(["run", "--rm", "both"]), "it runs\n");
    dhow.ok(["build", "--platform", "linux/s390x,linux/riscv64", "-t", "foreign", text(&folder)]);
    for arguments in [&["run", "--rm", "foreign"][..], &["run", "--rm", "--pull=never", "foreign"]] {
        let error = dhow.fails(arguments);
        for part in [&format!("`linux/{host}`"), "`linux/s390x`", "`linux/riscv64`", "--platform"] {
            assert!(error.contains(part), "{error}");
        }
    }
}

#[test]
fn what_single_builds_have_goes_with_several_platforms() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let dockerfile =
        "FROM --platform=$BUILDPLATFORM busybox\nARG TARGETARCH\nRUN echo $TARGETARCH > /a\nRUN echo 2 > /b\n";
    let folder = context(&dhow, "app", &[("Dockerfile", dockerfile)]);
    let run = |arguments: &[&str]| {
        let all = [&["build", "--platform", "linux/s390x,linux/amd64"], arguments, &[text(&folder)]].concat();
        let finished = dhow.run(all);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        finished
    };
    let explained = run(&["--progress=plain", "--explain"]).stderr;
    assert!(explained.contains("NOT CACHED: never built before"), "{explained}");
    assert!(explained.contains("[linux/amd64->s390x 2/3] RUN echo s390x > /a"), "{explained}");
    let explained: Value = serde_json::from_str(&run(&["--explain=json"]).stdout).expect("JSON");
    assert_eq!(explained["images"].as_array().map(Vec::len), Some(2), "{explained}");
    assert_eq!(explained["steps"].as_array().map(Vec::len), Some(4), "{explained}");
    let raw = run(&["--progress=rawjson", "--no-cache"]).stderr;
    assert!(raw.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{raw}");
    let verified = run(&["--progress=plain", "--verify"]).stderr;
    assert!(verified.contains("Verified"), "{verified}");
    run(&["--squash=all", "--unset", "cmd", "--load", "-t", "squashed"]);
    for platform in ["linux/s390x", "linux/amd64"] {
        let inspect = |what: &str| dhow.ok(["image", "inspect", "--platform", platform, "-f", what, "squashed"]);
        assert_eq!(inspect("{{len .RootFS.Layers}} {{json .Config.Cmd}}"), "1 null\n");
    }
    // A Dockerfile that can be read only once is enough for all.
    let mut command = dhow.command(["build", "-q", "--platform", "linux/s390x,linux/amd64", "-f", "-", text(&folder)]);
    let stdin = fs::File::open(folder.join("Dockerfile")).unwrap();
    assert!(command.stdin(stdin).output().expect("dhow starts").status.success());
}

#[test]
fn an_index_stays_what_it_is_under_another_name() {
    let registry = need!(Registry::start());
    let (dhow, folder) = site();
    let name = registry.image("renamed:1");
    build(&dhow, &folder, &["-t", "many", "--annotation", "index:a=b"]);
    let digest = dhow.ok(["images", "--digests", "--format", "{{.Digest}}", "many"]);
    dhow.ok(["tag", "many", &name]);
    assert!(dhow.ok(["push", &name]).contains(digest.trim()));
    // Of it one image can go alone, too.
    let alone = registry.image("alone:1");
    dhow.ok(["tag", "many", &alone]);
    assert!(!dhow.ok(["push", "--platform", "linux/arm/v7", &alone]).contains(digest.trim()));
    let there = Dhow::new();
    there.ok(["pull", "-q", &alone]);
    assert_eq!(there.ok(["image", "inspect", "-f", "{{.Architecture}}", &alone]), "arm\n");
    let error = dhow.fails(["push", "--platform", "linux/amd64", &alone]);
    assert!(error.contains("`linux/s390x`"), "{error}");
}

#[test]
fn a_build_stands_on_the_image_for_its_platform() {
    let (dhow, folder) = site();
    build(&dhow, &folder, &["-t", "base"]);
    fs::write(folder.join("Dockerfile"), "FROM base\nENV A=1\n").unwrap();
    let before = dhow.ok(["images", "-q", "base"]);
    dhow.ok(["build", "--platform", "linux/arm/v7", "--platform", "linux/s390x", "-t", "child", text(&folder)]);
    for (platform, architecture) in [("linux/s390x", "s390x"), ("linux/arm/v7", "arm")] {
        let label = "{{index .Config.Labels \"architecture\"}}";
        let found = dhow.ok(["image", "inspect", "--platform", platform, "-f", label, "child"]);
        assert_eq!(found.trim(), architecture);
    }
    assert_eq!(dhow.ok(["images", "-q", "base"]), before, "the base means what it meant");
}

#[test]
fn an_ordinary_user_gets_the_same_index() {
    let digest = |dhow: &Dhow| {
        let folder = context(dhow, "app", &[("Dockerfile", DOCKERFILE), ("a", "first\n")]);
        // Files made by different users at different times.
        let dockerfile = fs::read_to_string(folder.join("Dockerfile")).unwrap();
        fs::write(folder.join("Dockerfile"), dockerfile.replace("COPY a", "COPY --chown=0:0 --chmod=0644 a")).unwrap();
        let output = format!("type=oci,dest={}", dhow.folder().join("out.tar").display());
        dhow.hand_over(dhow.folder());
        let built = dhow
            .command([
                "build",
                "-q",
                "--platform",
                "linux/s390x,linux/arm/v7",
                "--build-arg",
                "SOURCE_DATE_EPOCH=86400",
            ])
            .args(["-o", &output, text(&folder)])
            .output()
            .expect("dhow starts");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        String::from_utf8_lossy(&built.stdout).into_owned()
    };
    let user = need!(Dhow::as_ordinary_user());
    assert_eq!(digest(&user), digest(&Dhow::new()));
}
