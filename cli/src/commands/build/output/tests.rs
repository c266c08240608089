//! What `--output` takes, and what it refuses.

use super::kind::{Dest, Kind, Others};
use super::spec::{Directories, Output};
use dhow_layer_store::archive::Tables;
use dhow_layer_store::oci::{Compression, Platform};
use dhow_layer_store::{Dialect, ExistingBlobs};

#[test]
fn types_and_their_destinations() {
    let stdout = || Dest::Stdout;
    let file = |path: &str| Dest::File(path.into());
    for (text, expected) in [
        ("-", Kind::Tar(stdout())),
        ("out", Kind::Local { dest: "out".into(), others: Others::Keep }),
        ("type=local,dest=out,mode=delete", Kind::Local { dest: "out".into(), others: Others::Delete }),
        ("type=tar", Kind::Tar(stdout())),
        ("type=tar,dest=a.tar", Kind::Tar(file("a.tar"))),
        ("type=oci,dest=a.tar", Kind::Archive { tables: Tables::Oci, dest: file("a.tar") }),
        ("type=oci,tar=false,dest=a", Kind::Layout { tables: Tables::Oci, dest: "a".into() }),
        ("type=docker,dest=-", Kind::Archive { tables: Tables::Docker, dest: stdout() }),
        ("type=cacheonly", Kind::CacheOnly),
    ] {
        assert_eq!(Output::parse(text).unwrap().kind, expected, "{text}");
    }
}

#[test]
fn keys_of_images() {
    let text = "type=registry,\"name=r.example/a:1,r.example/b\",compression=zstd,compression-level=19,force-compression,annotation.x.Y=1,annotation-manifest[linux/amd64].z=2";
    let output = Output::parse(text).unwrap();
    let Kind::Image(image) = &output.kind else { panic!("{:?}", output.kind) };
    assert!(image.push && image.store && !image.unpack);
    assert_eq!(output.names.as_ref().unwrap().len(), 2);
    assert_eq!((output.packing.compression, output.packing.level), (Compression::Zstd, Some(19)));
    assert_eq!(output.packing.existing, ExistingBlobs::Convert);
    let amd64 = "linux/amd64".parse().unwrap();
    assert_eq!(output.packing_for(&amd64).annotations["x.Y"], "1");
    assert_eq!(output.packing_for(&amd64).annotations["z"], "2");
    let output = Output::parse("type=image,oci-mediatypes=false,push=true").unwrap();
    assert_eq!(output.packing.dialect, Dialect::Docker);
}

#[test]
fn what_is_unknown_is_an_error_with_a_remedy() {
    for (text, hint) in [
        ("type=imag", "did you mean `image`?"),
        ("type=image,pusch=true", "did you mean `push`?"),
        ("type=oci,dest=a,compresion=zstd", "did you mean `compression`?"),
        ("dest=a", "image, registry"),
        ("type=local", "dest=DIR"),
        ("type=image,push=maybe", "true or false"),
        ("type=image,compression=lz4", "gzip, zstd"),
        ("type=image,compression-level=10", "0 to 9"),
        ("type=image,oci-artifact=true", "attestations"),
        ("type=image,annotation-indx.a=b", "index-descriptor"),
        ("type=oci,tar=false", "dest=DIR"),
        ("type=tar,compression=gzip", "it has"),
    ] {
        let problem = Output::parse(text).unwrap_err();
        assert!(problem.remedy().unwrap_or_default().contains(hint), "{text}: {problem} {:?}", problem.remedy());
    }
}

#[test]
fn what_only_several_platforms_have() {
    let one: [Platform; 1] = ["linux/amd64".parse().unwrap()];
    let both = [one[0].clone(), "linux/arm64".parse().unwrap()];
    for (text, for_one, for_both) in [
        ("type=oci,dest=a,annotation-index.a=b", Some("annotate the manifest"), None),
        ("type=oci,dest=a,annotation-index-descriptor.a=b", Some("type=oci"), None),
        ("type=image,annotation-index-descriptor.a=b", Some("type=oci"), Some("type=oci")),
        ("type=image,annotation-manifest-descriptor.a=b", Some("type=oci"), None),
        ("type=image,annotation[linux/arm64/v8].a=b", Some("`linux/amd64`"), None),
        ("type=image,annotation[linux/s390x].a=b", Some("`linux/amd64`"), Some("`linux/arm64`")),
        ("type=tar,platform-split=false", None, Some("type=local")),
        ("type=local,dest=a,platform-split=false", None, None),
    ] {
        let output = Output::parse(text).unwrap();
        for (platforms, expected) in [(&one[..], for_one), (&both, for_both)] {
            let hint = output.check(platforms).err().map(|problem| problem.remedy().unwrap_or_default().to_owned());
            let is_right = hint.as_ref().map(|hint| expected.is_some_and(|expected| hint.contains(expected)));
            assert!(is_right.unwrap_or(expected.is_none()), "{text} {platforms:?}: {hint:?}");
        }
    }
}

#[test]
fn files_of_each_platform_have_a_directory() {
    let platform = "linux/arm/v7".parse().unwrap();
    for (directories, one, two) in [
        (Directories::Several, "", "linux_arm_v7"),
        (Directories::Always, "linux_arm_v7", "linux_arm_v7"),
        (Directories::Never, "", ""),
    ] {
        let output = Output { directories, ..Output::new(Kind::CacheOnly) };
        assert_eq!((output.directory_for(&platform, 1).as_str(), &*output.directory_for(&platform, 2)), (one, two));
    }
}
